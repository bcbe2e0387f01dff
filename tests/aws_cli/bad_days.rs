//! Bad input and bad days: what each is told as, by which exit code, with which remedy, and that nothing has changed.

use data_encoding::BASE64;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::kms::KeyState;
use secrets_manager_simulator::simulator::Simulator;
use secrets_manager_simulator::wire::Request;
use serde_json::{Value, json};

use crate::scene::{Scene, feed};
use crate::service::{ACCESS_KEY, Service};

const ALICE: &str = r#"{"user_name": "alice", "refresh_token": "canary", "access_token": "1000.a"}"#;
const BOB: &str = r#"{"user_name": "bob", "refresh_token": "canary of bob", "access_token": "1000.b"}"#;

/// Every secret with its versions, labels and values.
fn state(simulator: &Simulator) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    simulator.names().iter().map(|name| simulator.secret(name).unwrap()).collect()
}

/// Runs what must be refused: by this code, saying these pieces, changing nothing.
fn assert_refused(scene: &Scene, arguments: &[&str], stdin: &str, exit: i32, pieces: &[&str]) {
    let before = state(&scene.service.simulator);
    let run = scene.run(arguments, stdin);
    run.assert_refused(exit, pieces);
    assert!(!run.stderr.contains("canary"), "{}", run.stderr);
    assert!(state(&scene.service.simulator) == before, "{arguments:?} changed something");
}

/// A vault with alice in it, and her id.
fn with_alice() -> (Scene, String) {
    let scene = Scene::new();
    let id = scene.done(&["save"], ALICE).trim().to_owned();
    (scene, id)
}

#[test]
fn no_credentials_change_nothing() {
    let (scene, _) = with_alice();
    let before = state(&scene.service.simulator);
    let mut command = scene.command(&["save"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    feed(command, BOB).assert_refused(3, &["AWS took no credentials", "AWS_PROFILE"]);
    assert!(state(&scene.service.simulator) == before);
}

#[test]
fn another_region_has_another_vault_or_none() {
    // What one Region holds is not there in another: here a service without a vault.
    let scene = Scene::bare();
    for (args, stdin) in
        [(&["list"][..], ""), (&["save"], ALICE), (&["delete-all", "--yes"], ""), (&["find", "--user", "alice"], "")]
    {
        assert_refused(
            &scene,
            args,
            stdin,
            1,
            &["there is no vault under this prefix", "check the prefix, the Region and the account"],
        );
    }
}

#[test]
fn a_wrong_endpoint_is_told_as_one() {
    let (scene, _) = with_alice();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = scene.command(&["save"]);
    command.env("AWS_ENDPOINT_URL", format!("http://{closed}"));
    let before = state(&scene.service.simulator);
    let run = feed(command, BOB);
    run.assert_refused(
        4,
        &["AWS could not be reached; nothing was asked of it", "check the Region, the endpoint and the network"],
    );
    assert!(state(&scene.service.simulator) == before);
}

#[test]
fn no_answer_is_no_success_and_no_failure() {
    let (scene, _) = with_alice();
    scene.service.simulator.inject(Fault::new(Failure::ConnectionLost).on_writes());
    assert_refused(
        &scene,
        &["save"],
        BOB,
        4,
        &["AWS gave no answer; what was asked may or may not have been done", "try again"],
    );
    scene.service.simulator.clear_faults();
    scene.done(&["save"], BOB);
}

#[test]
fn each_right_that_is_missing_is_named_with_its_resource() {
    let index = ["test/vault/index"];
    let token = ["test/vault/token/"];
    for (action, arguments, stdin, resource) in [
        ("GetSecretValue", &["list"][..], "", index),
        ("PutSecretValue", &["save"], BOB, index),
        ("CreateSecret", &["save"], BOB, token),
        ("DeleteSecret", &["delete", "ALICE", "--purge"], "", token),
        ("RestoreSecret", &["undelete", "GONE"], "", token),
        ("DescribeSecret", &["rotate-key", "--kms-key-id", "new"], "", index),
        ("UpdateSecret", &["rotate-key", "--kms-key-id", "new"], "", index),
        ("ListSecretVersionIds", &["rotate-key", "--kms-key-id", "new"], "", index),
    ] {
        let (scene, alice) = with_alice();
        let gone = scene.done(&["save"], &BOB.replace("bob", "gone")).trim().to_owned();
        scene.done(&["delete", &gone], "");
        scene.service.simulator.keys(|keys| keys.create("new"));
        deny(&scene, action);
        let arguments: Vec<&str> = arguments
            .iter()
            .map(|one| match *one {
                "ALICE" => &*alice,
                "GONE" => &gone,
                other => other,
            })
            .collect();
        let before = scene.service.simulator.secret(&format!("test/vault/token/{alice}"));
        let run = scene.run(&arguments, stdin);
        let action = format!("secretsmanager:{action}");
        run.assert_refused(3, &["AWS refused the action", &action, resource[0], "in the policy of the role"]);
        assert!(!run.stderr.contains("canary"), "{}", run.stderr);
        if !["secretsmanager:DeleteSecret", "secretsmanager:ListSecretVersionIds"].contains(&&*action) {
            assert_eq!(scene.service.simulator.secret(&format!("test/vault/token/{alice}")), before, "{action}");
        }
        scene.service.simulator.principals(|principals| principals.insert(ACCESS_KEY, everything(None)));
        let users = scene.done(&["list"], "");
        assert!(
            !users.contains("gone") && (users.contains("alice") || action.ends_with("DeleteSecret")),
            "{action}: {users}"
        );
    }
}

fn everything(but: Option<&str>) -> Principal {
    let deny =
        but.map(|action| format!(r#", {{"Effect": "Deny", "Action": "secretsmanager:{action}", "Resource": "*"}}"#));
    let policy = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": "*", "Resource": "*"}}{}]}}"#,
        deny.unwrap_or_default()
    );
    Principal::new("arn:aws:iam::123456789012:user/alice").policy(Policy::parse(&policy).unwrap())
}

fn deny(scene: &Scene, action: &str) {
    scene.service.simulator.principals(|principals| principals.insert(ACCESS_KEY, everything(Some(action))));
}

#[test]
fn rights_that_only_make_it_faster_are_not_missed() {
    let (scene, _) = with_alice();
    scene.done(&["save"], BOB);
    for action in ["BatchGetSecretValue", "ListSecrets"] {
        deny(&scene, action);
        let list = scene.run(&["list"], "");
        assert_eq!(list.exit, Some(0), "{}", list.stderr);
        assert!(list.stdout.contains("alice") && list.stdout.contains("bob"), "{}", list.stdout);
        assert!(!list.stderr.contains(action), "{}", list.stderr);
    }
    assert!(
        scene.run(&["delete-all", "--yes", "--purge"], "").stderr.contains("secretsmanager:ListSecrets is not allowed")
    );
}

#[test]
fn a_key_that_is_disabled_or_pending_deletion_is_named_so() {
    for state in [KeyState::Disabled, KeyState::PendingDeletion] {
        let scene = Scene::bare();
        scene.service.simulator.keys(|keys| keys.create("key-1"));
        let mut init = scene.command(&["init"]);
        init.env("TOKENVAULT_STORE", "aws:test/vault?kms_key_id=key-1");
        assert_eq!(feed(init, "").exit, Some(0));
        scene.done(&["save"], ALICE);
        scene.service.simulator.keys(|keys| keys.set("key-1", state));
        for (args, stdin) in [(&["list"][..], ""), (&["save"], BOB), (&["find", "--user", "alice"], "")] {
            let said = ["the KMS key could not be used", "Failure", "enabled and not pending deletion"];
            assert_refused(&scene, args, stdin, 3, &said);
        }
        scene.service.simulator.keys(|keys| keys.set("key-1", KeyState::Enabled));
        assert!(scene.done(&["list"], "").contains("alice"));
    }
}

#[test]
fn what_somebody_else_has_scheduled_for_deletion_can_be_had_back() {
    let (scene, id) = with_alice();
    let operator = Operator::of(&scene.service);
    operator.delete(&format!("test/vault/token/{id}"));
    assert_refused(&scene, &["get", &id], "", 1, &["no token has this id", "tokenvault undelete ID"]);
    scene.done(&["undelete", &id], "");
    assert!(scene.done(&["get", &id], "").contains("alice"));
    operator.delete("test/vault/index");
    let said = ["a page of the index is scheduled for deletion", "restore-secret --secret-id test/vault/index"];
    for (args, stdin) in [(&["list"][..], ""), (&["find", "--user", "alice"], ""), (&["save"], BOB)] {
        assert_refused(&scene, args, stdin, 5, &said);
    }
    scene.run(&["doctor", "--quick"], "").assert_refused(5, &["something that the vault needs does not work"]);
    assert_refused(&scene, &["init"], "", 2, &["an index that was here is scheduled for deletion", "restore it"]);
    operator.restore("test/vault/index");

    let audited = || {
        let mut command = scene.command(&["get", &id]);
        command.env("TOKENVAULT_AUDIT", format!("file:{}", scene.path("trail").display()));
        feed(command, "")
    };
    assert_eq!(audited().exit, Some(0), "the key is made");
    operator.delete("test/vault/audit-key");
    let said = ["key of the audit trail is scheduled for deletion", "restore-secret --secret-id test/vault/audit-key"];
    audited().assert_refused(5, &said);
    operator.restore("test/vault/audit-key");
    assert!(audited().stdout.contains("alice"));
}

#[test]
fn a_secret_that_is_not_the_vaults_is_told_from_one_that_is_damaged() {
    let (scene, id) = with_alice();
    let operator = Operator::of(&scene.service);
    let index = scene.service.simulator.secret("test/vault/index").unwrap();
    let whole = index.labelled("AWSCURRENT").unwrap().value.clone();
    let mut newer = whole.clone();
    newer[4] = 2;
    let cut = whole[..whole.len() - 3].to_vec();
    for (value, exit, said) in [
        (b"{\"host\": \"canary\"}".to_vec(), 6, ["is not the vault's (test/vault/index)", "put AWSCURRENT back"]),
        (newer, 6, ["written by a newer version of tokenvault (test/vault/index)", "use that version, or a later one"]),
        (cut, 5, ["not in the vault's format (test/vault/index)", "put AWSCURRENT back"]),
    ] {
        operator.put("test/vault/index", &value);
        for (args, stdin) in
            [(&["list"][..], ""), (&["save"], BOB), (&["find", "--user", "alice"], ""), (&["delete-all", "--yes"], "")]
        {
            assert_refused(&scene, args, stdin, exit, &said);
        }
        assert!(
            scene.done(&["get", &id], "").contains("alice"),
            "the index is not asked for an id of the vault's making"
        );
    }
    operator.put("test/vault/index", &whole);
    assert!(scene.done(&["list"], "").contains("alice"), "put back by hand");

    let secret = format!("test/vault/token/{id}");
    operator.put(&secret, b"canary");
    assert_refused(&scene, &["get", &id], "", 6, &["is not the vault's", &secret, "prefix of the vault's own"]);
    operator.create("test/vault/token/by-hand", b"canary");
    operator.create("test/vault/notes", b"canary");
    operator.put(&secret, &scene.service.simulator.secret(&secret).unwrap().versions[0].value);
    assert!(scene.done(&["list"], "").contains("alice"), "what nothing leads to is left alone");
}

#[test]
fn a_token_of_more_than_a_secret_holds_is_refused_before_anything_is_written() {
    let (scene, _) = with_alice();
    let long = "x".repeat(40_000);
    let token = format!(r#"{{"user_name": "bob", "refresh_token": "canary{long}", "access_token": "{long}"}}"#);
    assert_refused(&scene, &["save"], &token, 2, &["more than the 64 KiB that a secret of AWS may hold", "leave out"]);
}

#[test]
fn a_prefix_that_is_no_name_is_refused_before_any_call() {
    let scene = Scene::bare();
    for prefix in ["/a", "a/", "a//b", "a b", "ä", "a*", "a:b", &"x".repeat(197)] {
        let mut command = scene.command(&["init"]);
        command.env("TOKENVAULT_STORE", format!("aws:{prefix}"));
        feed(command, "").assert_refused(2, &["the prefix cannot begin the name of a secret", "prod/crm-tokens"]);
    }
    assert_eq!(scene.service.simulator.counters().total(), 0);
}

#[test]
fn versions_that_somebody_else_has_used_up_are_named_so() {
    let (scene, id) = with_alice();
    let operator = Operator::of(&scene.service);
    let secret = format!("test/vault/token/{id}");
    let value = scene.service.simulator.secret(&secret).unwrap().versions[0].value.clone();
    (0..99).for_each(|_| operator.put(&secret, &value));
    let refreshed = ALICE.replace("1000.a", "1000.b");
    let said = ["the secret has as many versions as AWS lets it have", "removed once they are a day old"];
    // The copies are not the vault's versions, so the index lists the token once more before it is written: no more changes.
    scene.run(&["save"], &refreshed).assert_refused(6, &said);
    assert_eq!(scene.service.simulator.secret(&secret).unwrap().labelled("AWSCURRENT").unwrap().value, value);
    assert_eq!(scene.done(&["get", &id, "--field", "access_token"], ""), "1000.a\n");
    scene.service.simulator.clock().advance(std::time::Duration::from_secs(90_000));
    scene.done(&["save"], &refreshed);
}

/// What people do to secrets by hand.
pub(crate) struct Operator(Simulator);

impl Operator {
    pub(crate) fn of(service: &Service) -> Self {
        Self(service.simulator.clone())
    }

    fn call(&self, action: &str, body: &Value) {
        let answer = self.0.handle(&Request::new(action, body)).unwrap().json();
        answer.unwrap_or_else(|refusal| panic!("{action}: {refusal:?}"));
    }

    fn put(&self, secret: &str, value: &[u8]) {
        self.call(
            "PutSecretValue",
            &json!({ "SecretId": secret, "SecretBinary": BASE64.encode(value), "ClientRequestToken": token() }),
        );
    }

    fn create(&self, secret: &str, value: &[u8]) {
        self.call(
            "CreateSecret",
            &json!({ "Name": secret, "SecretBinary": BASE64.encode(value), "ClientRequestToken": token() }),
        );
    }

    pub(crate) fn delete(&self, secret: &str) {
        self.call("DeleteSecret", &json!({ "SecretId": secret }));
    }

    fn restore(&self, secret: &str) {
        self.call("RestoreSecret", &json!({ "SecretId": secret }));
    }
}

/// Any that was not there before.
fn token() -> String {
    format!("by-hand-{:032x}", fastrand::u128(..))
}
