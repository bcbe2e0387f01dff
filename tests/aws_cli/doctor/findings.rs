//! What is wrong beside rights, and what somebody should know of.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use secrets_manager_simulator::clock::Timestamp;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::wire::Request;
use serde_json::{Value, json};

use crate::doctor::bench::{ALICE, check, doctor, doctor_with, ended, result, with_alice};
use crate::scene::{Scene, feed};
use crate::service::Service;

/// What people do to secrets by hand.
fn by_hand(scene: &Scene, action: &str, body: &Value) {
    scene.service.simulator.handle(&Request::new(action, body)).unwrap().json().unwrap();
}

#[test]
fn what_was_put_back_in_force_or_written_by_hand_is_named() {
    let (scene, id) = with_alice();
    scene.done(&["save"], &ALICE.replace("canary", "canary again"));
    scene.done(&["save"], &ALICE.replace("alice", "bob"));
    let token = format!("test/vault/token/{id}");
    for secret in [&*token, "test/vault/index"] {
        let versions = scene.service.simulator.secret(secret).unwrap().versions;
        let [.., earlier, last] = &versions[..] else { panic!("two versions") };
        let body = json!({ "SecretId": secret, "VersionStage": "AWSCURRENT", "MoveToVersionId": earlier.id, "RemoveFromVersionId": last.id });
        by_hand(&scene, "UpdateSecretVersionStage", &body);
    }
    let (run, checks) = doctor(&scene, &[]);
    assert_eq!(run.exit, Some(0), "{}", run.stderr);
    let row = check(&checks, "versions in force");
    let detail = row["detail"].as_str().unwrap();
    assert!(row["result"] == "warning" && detail.contains("AWSCURRENT was put back"), "{row}");
    assert!(detail.contains(&token) && detail.contains("test/vault/index"), "{detail}");

    let (scene, id) = with_alice();
    for secret in [&*format!("test/vault/token/{id}"), "test/vault/index"] {
        let value =
            BASE64.encode(&scene.service.simulator.secret(secret).unwrap().labelled("AWSCURRENT").unwrap().value);
        let token = format!("by-hand-{:032x}", fastrand::u128(..));
        by_hand(
            &scene,
            "PutSecretValue",
            &json!({ "SecretId": secret, "SecretBinary": value, "ClientRequestToken": token }),
        );
    }
    let (_, checks) = doctor(&scene, &[]);
    let row = check(&checks, "versions in force");
    assert!(row["detail"].as_str().unwrap().contains("not written by a vault"), "{row}");
    assert_eq!(result(&checks, "the index"), "warning");
}

#[test]
fn damage_is_told_as_such() {
    let (scene, id) = with_alice();
    let token = format!("by-hand-{:032x}", fastrand::u128(..));
    let body =
        json!({ "SecretId": format!("test/vault/token/{id}"), "SecretString": "canary", "ClientRequestToken": token });
    by_hand(&scene, "PutSecretValue", &body);
    let (run, checks) = doctor(&scene, &[]);
    run.assert_refused(5, &["something that the vault needs does not work"]);
    assert_eq!(ended(&checks, "failed"), ["the tokens"]);
    let (scene, _) = with_alice();
    let value =
        scene.service.simulator.secret("test/vault/index").unwrap().labelled("AWSCURRENT").unwrap().value.clone();
    let cut = BASE64.encode(&value[..value.len() - 3]);
    let body = json!({ "SecretId": "test/vault/index", "SecretBinary": cut, "ClientRequestToken": token });
    by_hand(&scene, "PutSecretValue", &body);
    let (run, checks) = doctor(&scene, &[]);
    run.assert_refused(5, &["something that the vault needs does not work"]);
    assert_eq!(ended(&checks, "failed"), ["the index"]);
    assert_eq!(result(&checks, "secretsmanager:PutSecretValue"), "ok", "rights are tried all the same");
}

#[test]
fn saves_that_are_nearly_too_many_are_told() {
    let (scene, id) = with_alice();
    let saves: Vec<String> = (0..72).map(|number| ALICE.replace("canary", &format!("canary {number}"))).collect();
    scene.done(&["save"], &saves.join("\n"));
    let (run, checks) = doctor(&scene, &[]);
    assert_eq!(run.exit, Some(0), "{}", run.stderr);
    let row = check(&checks, "writes within 24 hours");
    assert!(
        row["result"] == "warning" && row["detail"].as_str().unwrap().contains(&format!("{id} (73 of 96)")),
        "{row}"
    );
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the service's time is to be the program's")]
fn a_clock_that_is_off_is_told() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for (service, expected, side) in [
        (now, "ok", ""),
        (now - Duration::from_mins(5), "warning", "ahead of AWS"),
        (now + Duration::from_mins(5), "warning", "behind AWS"),
    ] {
        let start = Timestamp::from_millis(u64::try_from(service.as_millis()).unwrap());
        let scene = Scene::over(Service::of(Settings::new().seed(7).start(start)));
        scene.service.simulator.clock().run();
        scene.done(&["init"], "");
        let (run, checks) = doctor(&scene, &[]);
        assert_eq!(run.exit, Some(0), "{}", run.stderr);
        let row = check(&checks, "the clock");
        assert!(row["result"] == expected && row["detail"].as_str().unwrap().contains(side), "{row}");
    }
}

/// By each read since the last look.
#[cfg(feature = "audit-cloudwatch")]
fn events_asked_for(logs: &crate::logs::Logs) -> Vec<Value> {
    let calls = std::mem::take(&mut logs.state().calls);
    let reads = calls.into_iter().filter(|(action, _)| action == "FilterLogEvents");
    reads.map(|(_, asked)| asked["limit"].clone()).collect()
}

#[cfg(feature = "audit-cloudwatch")]
#[test]
#[allow(clippy::disallowed_methods, reason = "what the service takes for the time is the program's")]
fn the_trail_in_cloudwatch_logs_is_tried_by_doctors_own_line() {
    use crate::logs::{Fault as LogsFault, Logs};
    use crate::logs_server::LogsServer;

    let (scene, _) = with_alice();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    let server = LogsServer::start(Logs::with("/tokenvault/test", now));
    let trail = format!("cloudwatch:/tokenvault/test:audit?endpoint={}", server.endpoint());
    let name = "logs:PutLogEvents";
    for mode in ["required", "best-effort"] {
        let trail = [("TOKENVAULT_AUDIT", &*trail), ("TOKENVAULT_AUDIT_MODE", mode)];
        if mode == "required" {
            let (run, checks) = doctor_with(&scene, &[], &trail);
            assert_eq!((run.exit, result(&checks, name)), (Some(0), "not tried"), "no key is made for it");
            let reading = check(&checks, "logs:FilterLogEvents");
            let said = reading["detail"].as_str().unwrap_or_default();
            assert!(reading["result"] == "ok" && said == "there is nothing to read yet", "{reading}");
            let mut list = scene.command(&["list"]);
            list.envs(trail);
            assert_eq!(feed(list, "").exit, Some(0));
        }
        let (run, checks) = doctor_with(&scene, &[], &trail);
        assert_eq!((run.exit, result(&checks, name)), (Some(0), "ok"), "{}", run.stdout);
        assert_eq!(result(&checks, "logs:CreateLogStream"), "not tried");
        let reading = check(&checks, "logs:FilterLogEvents");
        assert!(reading["result"] == "ok" && reading["is_optional"] == true, "{reading}");
        assert_eq!(events_asked_for(&server.logs).last(), Some(&1.into()), "one call, for one event");
        assert!(String::from_utf8(server.logs.bytes()).unwrap().contains("\"doctor\""));
        server.logs.state().always = Some(LogsFault::Denied);
        let (run, checks) = doctor_with(&scene, &[], &trail);
        run.assert_refused(3, &["a right that the vault needs is missing"]);
        assert_eq!(ended(&checks, "missing"), [name], "{mode}");
        assert_eq!(result(&checks, "logs:FilterLogEvents"), "missing");
        assert_eq!(events_asked_for(&server.logs), [1]);
        let (_, checks) = doctor_with(&scene, &["--operator"], &trail);
        let missing = ended(&checks, "missing");
        assert!(missing.len() == 2 && missing.contains(&"logs:FilterLogEvents".to_owned()), "{missing:?}");
        assert_eq!(result(&checks, "secretsmanager:PutSecretValue"), "ok", "the others are told all the same");
        server.logs.let_go();
    }
}
