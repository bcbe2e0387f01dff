//! `status` over AWS: what is told, by which rights, and that nothing is changed.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::simulator::Simulator;
use serde_json::{Value, json};

use crate::scene::{Run, Scene, feed};
use crate::service::ACCESS_KEY;

fn token(user: &str, client: &str) -> String {
    format!(r#"{{"user_name": "{user}", "client_id": "{client}", "refresh_token": "canary-{user}-{client}"}}"#)
}

/// Every secret with its versions, labels and values.
fn state(simulator: &Simulator) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    simulator.names().iter().map(|name| simulator.secret(name).unwrap()).collect()
}

fn with_three() -> (Scene, Vec<String>) {
    let scene = Scene::new();
    let input = [token("alice", "1"), token("alice", "2"), token("bob", "2")].join("\n");
    let ids = scene.done(&["save"], &input).lines().map(str::to_owned).collect();
    (scene, ids)
}

/// Runs `status`, which must change nothing and show nothing secret.
fn status(scene: &Scene, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let before = state(&scene.service.simulator);
    let mut command = scene.command(&[&["status"], arguments].concat());
    command.envs(variables.iter().copied());
    let run = feed(command, "");
    assert!(!run.stdout.contains("canary") && !run.stderr.contains("canary"), "{}{}", run.stdout, run.stderr);
    assert!(state(&scene.service.simulator) == before, "status changed something");
    run
}

fn told(scene: &Scene, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
    let run = status(scene, &[&["--format", "json"], arguments].concat(), variables);
    assert_eq!(run.exit, Some(0), "{}", run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

/// The caller may do what these statements say, and nothing else.
fn grant(scene: &Scene, statements: &[(&str, &str, &str)]) {
    let mut all = String::new();
    for (effect, action, resource) in statements {
        let comma = if all.is_empty() { "" } else { "," };
        write!(all, r#"{comma}{{"Effect": "{effect}", "Action": "{action}", "Resource": "{resource}"}}"#).unwrap();
    }
    let policy = Policy::parse(&format!(r#"{{"Version": "2012-10-17", "Statement": [{all}]}}"#)).unwrap();
    let caller = Principal::new("arn:aws:iam::123456789012:user/alice").policy(policy);
    scene.service.simulator.principals(|principals| principals.insert(ACCESS_KEY, caller));
}

#[test]
fn every_figure_comes_from_the_store() {
    let (scene, ids) = with_three();
    scene.done(&["delete", &ids[1]], "");
    let told = told(&scene, &[], &[]);
    let store = &told["store"];
    assert_eq!((&store["prefix"], &store["region"]), (&json!("test/vault"), &json!("us-east-1")));
    assert_eq!(
        (&store["tokens"], &store["users"], &store["oauth_clients"]),
        (&json!(2), &json!(2), &json!(2)),
        "{told}"
    );
    assert_eq!((&store["names_listed"], &store["deleted_and_still_listed"]), (&json!(3), &json!(1)), "{told}");
    let (index, pages) = (&told["index"], told["pages"].as_array().unwrap());
    assert_eq!((&index["pages"], &index["levels"], &index["epoch"]), (&json!(1), &json!(1), &json!(1)), "{told}");
    let secret = scene.service.simulator.secret("test/vault/index").unwrap();
    let page = &pages[0];
    assert_eq!((page["page"].as_str(), pages.len()), (Some("test/vault/index"), 1));
    assert_eq!(page["bytes"], json!(secret.labelled("AWSCURRENT").unwrap().value.len()), "{told}");
    assert_eq!(page["writes_in_24_h"], json!(secret.versions.len()), "{told}");
    assert_eq!(page["writes_left"], json!(96 - secret.versions.len()), "{told}");
    assert_eq!(told["keys"]["audit_key"], json!(false), "{told}");
    assert_eq!(told["keys"]["kms_key"], json!(null), "{told}");
    assert_eq!(told["settings"]["audit"], json!("off"), "{told}");
    let table = status(&scene, &[], &[]).stdout;
    for piece in ["us-east-1", "aws/secretsmanager", "leases under way", "WRITES IN 24 H", "test/vault/index", "whole"]
    {
        assert!(table.contains(piece), "no {piece:?} in {table}");
    }
}

#[test]
fn the_key_of_the_vault_and_that_of_its_trail_are_told() {
    let scene = Scene::bare();
    scene.service.simulator.keys(|keys| keys.create("crm"));
    let mut init = scene.command(&["init"]);
    init.env("TOKENVAULT_STORE", "aws:test/vault?kms_key_id=crm");
    assert_eq!(feed(init, "").exit, Some(0));
    let trail = format!("file:{}", scene.path("trail").display());
    let trail = [("TOKENVAULT_AUDIT", &*trail)];
    let first = told(&scene, &[], &trail);
    assert_eq!(first["settings"]["audit_line_of_this_look"], json!(false), "no key was made for it: {first}");
    assert!(!scene.path("trail").exists());
    let mut list = scene.command(&["list"]);
    list.envs(trail);
    assert_eq!(feed(list, "").exit, Some(0));
    let second = told(&scene, &[], &trail);
    assert_eq!(second["settings"]["audit_line_of_this_look"], json!(true), "{second}");
    assert_eq!((&second["keys"]["kms_key"], &second["keys"]["audit_key"]), (&json!("crm"), &json!(true)), "{second}");
    assert_eq!(second["keys"]["audit_key_made"], json!("2026-01-01T12:00:00.000Z"), "{second}");
}

#[test]
fn a_quick_look_reads_the_index_alone() {
    let (scene, _) = with_three();
    let reads = || scene.service.simulator.counters().total();
    let before = reads();
    let told = told(&scene, &["--quick"], &[]);
    assert_eq!(reads() - before, 3, "the root twice, and the trail's key");
    assert_eq!(told["store"]["names_listed"], json!(3));
    for figure in ["tokens", "users", "leases_under_way", "deleted_and_still_listed"] {
        assert!(told["store"][figure]["not_known"].as_str().unwrap().contains("--quick"), "{figure}: {told}");
    }
}

#[test]
fn the_applications_rights_are_enough() {
    let (scene, _) = with_three();
    let own = "arn:aws:secretsmanager:us-east-1:123456789012:secret:test/vault/*";
    let actions =
        ["CreateSecret", "DescribeSecret", "GetSecretValue", "PutSecretValue", "RestoreSecret", "DeleteSecret"];
    let actions = actions.map(|action| format!("secretsmanager:{action}"));
    grant(&scene, &actions.each_ref().map(|action| ("Allow", action.as_str(), own)));
    let whole = told(&scene, &[], &[]);
    assert_eq!((&whole["store"]["tokens"], &whole["keys"]["audit_key"]), (&json!(3), &json!(false)), "{whole}");
}

#[test]
fn what_may_not_be_read_is_named_as_not_known() {
    let (scene, ids) = with_three();
    let all = ("Allow", "secretsmanager:*", "*");
    grant(&scene, &[all, ("Deny", "secretsmanager:DescribeSecret", "*")]);
    let told_of = told(&scene, &[], &[]);
    let why = told_of["keys"]["audit_key"]["not_known"].as_str().unwrap();
    assert!(why.contains("secretsmanager:DescribeSecret") && why.contains("test/vault/audit-key"), "{why}");
    assert_eq!(told_of["store"]["tokens"], json!(3));

    let one = format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:test/vault/token/{}-*", ids[0]);
    grant(&scene, &[all, ("Deny", "secretsmanager:GetSecretValue", &one)]);
    let told_of = told(&scene, &[], &[]);
    for figure in ["tokens", "users", "leases_under_way"] {
        let why = told_of["store"][figure]["not_known"].as_str().unwrap_or_else(|| panic!("{figure}: {told_of}"));
        assert!(why.contains("1 of the listed secrets could not be read") && why.contains("GetSecretValue"), "{why}");
    }
    grant(&scene, &[all, ("Deny", "secretsmanager:GetSecretValue", "*")]);
    status(&scene, &[], &[]).assert_refused(3, &["AWS refused the action", "secretsmanager:GetSecretValue", "index"]);
}

/// The trail's key is asked for before the vault is looked at.
#[test]
fn what_stands_in_the_place_of_aws_is_waited_for_once() {
    let scene = Scene::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::default());
    let count = Arc::clone(&asked);
    // It ends with the tests.
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut head = [0; 64 * 1024];
            if connection.read(&mut head).is_ok_and(|read| read > 0) {
                count.fetch_add(1, Ordering::SeqCst);
                let answer = "HTTP/1.1 407 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                connection.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    let (endpoint, trail) = (format!("http://{address}"), format!("file:{}", scene.path("trail").display()));
    let run = status(&scene, &[], &[("AWS_ENDPOINT_URL", &endpoint), ("TOKENVAULT_AUDIT", &trail)]);
    run.assert_refused(4, &["something else than AWS answered"]);
    let asked = asked.load(Ordering::SeqCst);
    assert!((1..=4).contains(&asked), "one call, by its attempts: {asked}");
}

#[test]
fn a_prefix_without_a_vault_has_no_status() {
    let scene = Scene::bare();
    status(&scene, &[], &[]).assert_refused(1, &["there is no vault under this prefix", "tokenvault init"]);
    assert!(scene.service.simulator.names().is_empty());
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test's own files")]
fn the_copy_is_told_of_and_not_made() {
    let (scene, _) = with_three();
    std::fs::write(scene.path("key"), [7; 32]).unwrap();
    std::fs::set_permissions(scene.path("key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let copy = scene.path("copy.tv");
    let store = format!("aws:test/vault?fallback_age=600&fallback=file:{}", copy.display());
    let key = scene.path("key").display().to_string();
    let with_copy = [("TOKENVAULT_STORE", &*store), ("TOKENVAULT_KEY_FILE", &*key)];
    let before = told(&scene, &[], &with_copy);
    let fallback = &before["fallback"];
    assert_eq!((&fallback["answers"], &fallback["may_be_old"]), (&json!(false), &json!(600)), "{before}");
    assert!(!copy.exists(), "none was made");
    let mut list = scene.command(&["find", "--user", "bob"]);
    list.envs(with_copy);
    assert_eq!(feed(list, "").exit, Some(0));
    let bytes = std::fs::read(&copy).unwrap();
    let after = told(&scene, &[], &with_copy);
    let fallback = &after["fallback"];
    assert_eq!((&fallback["answers"], &fallback["tokens"]), (&json!(true), &json!(3)), "{after}");
    assert!(fallback["as_of"].is_string() && fallback["unsaved"]["not_known"].is_string(), "{after}");
    assert_eq!(std::fs::read(&copy).unwrap(), bytes, "the copy is as it was");

    let other = [("TOKENVAULT_STORE", &*store), ("TOKENVAULT_PASSPHRASE", "canary")];
    let unread = told(&scene, &[], &other);
    assert!(unread["fallback"]["answers"]["not_known"].as_str().unwrap().contains("key file"), "{unread}");
    let store = store.replace("test/vault", "test/other");
    let mut init = scene.command(&["init"]);
    init.env("TOKENVAULT_STORE", "aws:test/other");
    assert_eq!(feed(init, "").exit, Some(0));
    let others = told(&scene, &[], &[("TOKENVAULT_STORE", &*store), ("TOKENVAULT_KEY_FILE", &*key)]);
    assert_eq!(others["fallback"]["answers"], json!(false), "it is another store's: {others}");
}
