//! The rights, and what can stand in the way of trying them.

use std::time::Duration;

use data_encoding::BASE64;
use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::kms::{KeyState, Right};
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::Switches;
use secrets_manager_simulator::wire::Request;
use serde_json::json;

use crate::doctor::bench::{ACTIONS, ALICE, check, deny, doctor, doctor_with, ended, live_probes, result, with_alice};
use crate::scene::{Scene, feed};
use crate::service::{ACCESS_KEY, Service};

#[test]
fn a_vault_in_good_health_has_all_it_needs() {
    let (scene, _) = with_alice();
    let (run, checks) = doctor(&scene, &["--operator"]);
    assert_eq!(run.exit, Some(0), "{}{}", run.stdout, run.stderr);
    for (action, _) in ACTIONS {
        assert_eq!(result(&checks, &format!("secretsmanager:{action}")), "ok", "{action}");
    }
    for name in ["credentials", "kms:GenerateDataKey", "kms:Decrypt", "the index", "the tokens", "versions in force"] {
        assert_eq!(result(&checks, name), "ok", "{name}");
    }
    assert_eq!(check(&checks, "secretsmanager:PutSecretValue")["resource"], "test/vault/*");
    assert!(live_probes(&scene).is_empty());
    let table = scene.done(&["doctor"], "");
    for piece in
        ["RESULT", "NEEDED FOR", "every save, delete and lease", "not tried (optional)", "kms:Encrypt", "  do: "]
    {
        assert!(table.contains(piece), "no {piece:?} in {table}");
    }
}

#[test]
fn each_right_that_is_missing_is_named_with_what_it_is_for() {
    for (action, is_always) in ACTIONS {
        let (scene, _) = with_alice();
        deny(&scene, action);
        let name = format!("secretsmanager:{action}");
        let (run, checks) = doctor(&scene, &[]);
        let row = check(&checks, &name);
        assert_eq!(row["result"], "missing", "{action}: {row}");
        let detail = row["detail"].as_str().unwrap();
        assert!(detail.contains("AWS refused the action") && detail.contains(&name), "{detail}");
        assert!(row["to_do"].as_str().unwrap().contains("in the policy of the role"), "{row}");
        assert!(!row["needed_for"].as_str().unwrap().is_empty());
        let missing = ended(&checks, "missing");
        if is_always {
            run.assert_refused(3, &["a right that the vault needs is missing"]);
            assert!(missing.contains(&name), "{missing:?}");
        } else {
            assert_eq!((run.exit, missing.len()), (Some(0), 0), "{action}: {}", run.stdout);
        }
        // Without GetSecretValue the index is not read either.
        assert!(missing.iter().all(|one| *one == name || action == "GetSecretValue"), "{action}: {missing:?}");
        let (run, checks) = doctor(&scene, &["--operator"]);
        run.assert_refused(3, &["a right that the vault needs is missing"]);
        assert!(ended(&checks, "missing").contains(&name), "{action}");
        if action == "DeleteSecret" {
            assert_eq!(result(&checks, "what doctor leaves"), "warning");
        } else {
            assert!(live_probes(&scene).is_empty(), "{action}: {:?}", live_probes(&scene));
        }
    }
}

#[test]
fn what_only_makes_it_faster_is_never_missed() {
    let (scene, _) = with_alice();
    deny(&scene, "BatchGetSecretValue");
    let (run, checks) = doctor(&scene, &["--operator"]);
    assert_eq!(run.exit, Some(0), "{}", run.stderr);
    let row = check(&checks, "secretsmanager:BatchGetSecretValue");
    assert_eq!((row["result"].as_str(), row["is_optional"].as_bool()), (Some("missing"), Some(true)), "{row}");
}

#[test]
fn the_rights_on_the_key_are_told_apart() {
    let with_key = || {
        let scene = Scene::bare();
        scene.service.simulator.keys(|keys| keys.create("crm"));
        let mut init = scene.command(&["init"]);
        init.env("TOKENVAULT_STORE", "aws:test/vault?kms_key_id=crm");
        assert_eq!(feed(init, "").exit, Some(0));
        scene
    };
    let scene = with_key();
    scene.service.simulator.keys(|keys| keys.allow("crm", ACCESS_KEY, [Right::Decrypt]));
    let (run, checks) = doctor(&scene, &[]);
    run.assert_refused(3, &["a right that the vault needs is missing"]);
    assert_eq!(ended(&checks, "missing"), ["kms:GenerateDataKey"]);
    assert_eq!(check(&checks, "kms:GenerateDataKey")["resource"], "crm");
    let scene = with_key();
    scene.service.simulator.keys(|keys| keys.set("crm", KeyState::Disabled));
    let (run, checks) = doctor_with(&scene, &[], &[("TOKENVAULT_STORE", "aws:test/vault?kms_key_id=crm")]);
    run.assert_refused(3, &["a right that the vault needs is missing"]);
    let missing = ended(&checks, "missing");
    assert!(
        missing.contains(&"kms:GenerateDataKey".to_owned()) && missing.contains(&"the index".to_owned()),
        "{missing:?}"
    );
    assert!(check(&checks, "the index")["detail"].as_str().unwrap().contains("the KMS key could not be used"));
}

#[test]
fn a_role_that_is_named_after_kms_is_not_taken_for_its_refusal() {
    let (scene, _) = with_alice();
    let policy = r#"{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}"#;
    let policy = Policy::parse(&format!(r#"{{"Version": "2012-10-17", "Statement": [{policy}]}}"#)).unwrap();
    let role = Principal::new("arn:aws:sts::123456789012:assumed-role/KMS-app/one").policy(policy);
    scene.service.simulator.principals(|principals| principals.insert(ACCESS_KEY, role));
    let (run, checks) = doctor(&scene, &["--operator"]);
    run.assert_refused(3, &["a right that the vault needs is missing"]);
    let all = ACTIONS.into_iter().map(|(action, _)| format!("secretsmanager:{action}"));
    let missing: Vec<String> = all.filter(|action| result(&checks, action) == "missing").collect();
    assert_eq!(missing.len(), ACTIONS.len() - 1, "{missing:?}");
    assert_eq!(result(&checks, "secretsmanager:GetSecretValue"), "ok");
    assert_eq!(result(&checks, "kms:GenerateDataKey"), "not tried");
    scene.run(&["save"], &ALICE.replace("alice", "bob")).assert_refused(3, &["AWS refused the action"]);
}

#[test]
fn names_that_were_purged_just_now_are_waited_for_and_nothing_is_missed() {
    let switches = Switches { force_delete: Duration::from_hours(1), ..Switches::default() };
    let scene = Scene::over(Service::of(Settings::new().seed(7).switches(switches)));
    scene.done(&["init"], "");
    for slot in 0..8 {
        let name = format!("test/vault/doctor/{slot}");
        leave(&scene, &name, 0);
        let body = json!({ "SecretId": name, "ForceDeleteWithoutRecovery": true });
        scene.service.simulator.handle(&Request::new("DeleteSecret", &body)).unwrap().json().unwrap();
    }
    let (run, checks) = doctor(&scene, &["--operator"]);
    assert_eq!(run.exit, Some(0), "{}{}", run.stdout, run.stderr);
    for name in ["kms:GenerateDataKey", "kms:Decrypt"] {
        let row = check(&checks, name);
        assert!(row["result"] == "not tried" && row["is_optional"] == true, "{row}");
        assert!(row["to_do"].as_str().unwrap().contains("in two minutes"), "{row}");
    }
    assert_eq!(result(&checks, "secretsmanager:RestoreSecret"), "ok");
    scene.service.simulator.clock().advance(Duration::from_hours(2));
    let (_, checks) = doctor(&scene, &[]);
    assert_eq!(result(&checks, "kms:GenerateDataKey"), "ok");
}

#[test]
fn whoever_is_not_reached_or_not_known_is_told_so() {
    let (scene, _) = with_alice();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (run, checks) = doctor_with(&scene, &[], &[("AWS_ENDPOINT_URL", &format!("http://{closed}"))]);
    run.assert_refused(4, &["something that the vault needs does not work"]);
    assert!(check(&checks, "the index")["detail"].as_str().unwrap().contains("AWS could not be reached"));
    let invalid = ServiceError::new("UnrecognizedClientException", "The security token is invalid.");
    scene.service.simulator.inject(Fault::new(Failure::Refused(invalid)));
    let (run, checks) = doctor(&scene, &[]);
    run.assert_refused(3, &["a right that the vault needs is missing"]);
    assert_eq!(result(&checks, "credentials"), "missing");
    assert!(check(&checks, "credentials")["to_do"].as_str().unwrap().contains("AWS_PROFILE"));
}

#[test]
fn rights_can_be_tried_before_there_is_a_vault() {
    let scene = Scene::bare();
    let (run, checks) = doctor(&scene, &[]);
    assert_eq!(scene.service.simulator.counters().total(), 2 + 12 + 7, "the index twice, the rights, the other names");
    run.assert_refused(1, &["something that the vault needs does not work"]);
    assert_eq!(result(&checks, "secretsmanager:CreateSecret"), "ok");
    let row = check(&checks, "the index");
    assert!(row["detail"].as_str().unwrap().contains("there is no vault under this prefix"), "{row}");
    assert!(live_probes(&scene).is_empty());
}

#[test]
fn a_service_that_goes_away_in_the_middle_is_told_of_and_nothing_more_is_tried() {
    let (scene, _) = with_alice();
    let fault = Fault::new(Failure::InternalServiceError).on(Operation::PutSecretValue);
    scene.service.simulator.inject(fault.of_secret("test/vault/doctor/0"));
    let (run, checks) = doctor(&scene, &["--quick"]);
    run.assert_refused(4, &["something that the vault needs does not work"]);
    assert_eq!(result(&checks, "credentials"), "failed");
    assert_eq!(result(&checks, "secretsmanager:GetSecretValue"), "ok");
    for action in ["PutSecretValue", "DescribeSecret", "DeleteSecret"] {
        assert_eq!(result(&checks, &format!("secretsmanager:{action}")), "not tried", "{action}");
    }
}

/// What a doctor that was killed has left, as if its last write had been so many seconds ago.
#[allow(clippy::disallowed_methods, reason = "what was left is dated by the program's clock")]
fn leave(scene: &Scene, secret: &str, ago: u32) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let written = u32::try_from(now).unwrap() - ago;
    let id = "11111111-2222-3333-4444-555555555555";
    let mut value = b"tvsm\x01\x06".to_vec();
    value.extend_from_slice(&1_u64.to_be_bytes());
    value.push(u8::try_from(id.len()).unwrap());
    value.extend_from_slice(id.as_bytes());
    value.push(1);
    value.extend_from_slice(&written.to_be_bytes());
    let body = json!({ "Name": secret, "SecretBinary": BASE64.encode(&value), "ClientRequestToken": id });
    scene.service.simulator.handle(&Request::new("CreateSecret", &body)).unwrap().json().unwrap();
}

#[test]
fn what_was_left_under_any_of_the_names_is_taken_away_and_nothing_else() {
    let (scene, _) = with_alice();
    for (secret, ago) in [("doctor/0", 3600), ("doctor/3", 3600), ("doctor/7", 3600), ("doctor/5", 60)] {
        leave(&scene, &format!("test/vault/{secret}"), ago);
    }
    let body = json!({ "Name": "test/vault/doctor/6", "SecretString": "canary", "ClientRequestToken": "x".repeat(32) });
    scene.service.simulator.handle(&Request::new("CreateSecret", &body)).unwrap().json().unwrap();
    let (run, checks) = doctor(&scene, &["--quick"]);
    assert_eq!(run.exit, Some(0), "{}", run.stdout);
    assert_eq!(live_probes(&scene), ["test/vault/doctor/5", "test/vault/doctor/6"], "one at work, and one of others");
    let detail = check(&checks, "what doctor leaves")["detail"].as_str().unwrap();
    assert!(detail.contains("3 secrets of doctors that were broken off: deleted"), "{detail}");
}

#[test]
fn what_cannot_be_taken_away_is_not_called_deleted() {
    let (scene, _) = with_alice();
    leave(&scene, "test/vault/doctor/0", 3600);
    let deny = r#"{"Effect": "Deny", "Action": ["secretsmanager:CreateSecret", "secretsmanager:DeleteSecret"], "Resource": "*"}"#;
    let allow = r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#;
    let policy = Policy::parse(&format!(r#"{{"Version": "2012-10-17", "Statement": [{allow}, {deny}]}}"#)).unwrap();
    let alice = Principal::new("arn:aws:iam::123456789012:user/alice").policy(policy);
    scene.service.simulator.principals(|principals| principals.insert(ACCESS_KEY, alice));
    let (run, checks) = doctor(&scene, &["--quick"]);
    assert_eq!(run.exit, Some(3), "{}", run.stdout);
    assert_eq!(live_probes(&scene), ["test/vault/doctor/0"]);
    let row = check(&checks, "what doctor leaves");
    let detail = row["detail"].as_str().unwrap();
    assert!(row["result"] == "warning" && detail.contains("test/vault/doctor/0 could not be deleted"), "{row}");
}
