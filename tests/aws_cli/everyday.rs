//! What works.

use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::operation::Operation;

use crate::scene::{Scene, sample};

const ALICE: &str =
    r#"{"user_name": "alice", "client_id": "1000.A", "refresh_token": "1000.r", "access_token": "1000.a"}"#;

#[test]
fn a_life_of_a_vault() {
    let scene = Scene::bare();
    let made = scene.done(&["init"], "");
    assert!(made.contains("made a vault: aws:test/vault") && made.contains("the secret test/vault/index"), "{made}");
    assert_eq!(scene.done(&["list"], ""), "no tokens\n");
    let ids = scene.done(&["save"], &format!("{ALICE}\n{}", ALICE.replace("1000.r", "1000.s").replace("alice", "bob")));
    let [alice, bob] = ids.lines().collect::<Vec<_>>()[..] else { panic!("two ids: {ids}") };
    assert_eq!(scene.done(&["save"], ALICE).trim(), alice, "the same token is the same record");
    let found = scene.done(&["--format", "json", "find", "--user", "alice"], "");
    assert!(found.contains(alice) && !found.contains("1000.r"), "{found}");
    assert!(scene.done(&["find", "--refresh-token-stdin"], "1000.s").contains(bob));
    assert_eq!(scene.done(&["get", bob, "--field", "refresh_token"], ""), "1000.s\n");
    scene.done(&["delete", alice], "");
    scene.run(&["get", alice], "").assert_refused(1, &["no token has this id"]);
    scene.run(&["delete", alice], "").assert_refused(1, &["nothing was deleted"]);
    scene.run(&["find", "--user", "alice"], "").assert_refused(1, &["no token matches"]);
    let left = scene.done(&["list"], "");
    assert!(left.contains(bob) && !left.contains(alice), "{left}");
    assert!(scene.done(&["delete-all", "--yes"], "").contains("deleted 1 token"));
    assert_eq!(scene.done(&["list"], ""), "no tokens\n");
}

#[test]
fn the_store_may_name_region_and_endpoint_itself() {
    let scene = Scene::new();
    let mut command = scene.command(&["list"]);
    let endpoint = command.get_envs().find(|(name, _)| *name == "AWS_ENDPOINT_URL").unwrap().1.unwrap().to_owned();
    let endpoint = endpoint.to_str().unwrap().replace(':', "%3A").replace('/', "%2F");
    command.env_remove("AWS_ENDPOINT_URL").env_remove("AWS_REGION");
    command.env("TOKENVAULT_STORE", format!("aws:test/vault?region=us-east-1&endpoint={endpoint}"));
    assert_eq!(crate::scene::feed(command, "").stdout, "no tokens\n");
}

#[test]
fn an_sdks_file_comes_in_and_goes_out() {
    let scene = Scene::new();
    let args = ["import", "--from", &sample("python7_filestore_plain.csv")];
    let first = scene.done(&args, "");
    assert!(first.contains("imported: 4 new, 0 updated, 0 unchanged"), "{first}");
    let second = scene.done(&args, "");
    assert!(second.contains("imported: 0 new, 0 updated, 4 unchanged"), "{second}");
    assert!(scene.done(&["get", "1"], "").contains("alice@example.com:100"));
    let out = scene.done(&["export", "--format-of", "python", "--reveal"], "");
    assert!(out.contains("1000.fake-r-alice") && out.contains("1000.fake-r-bob"), "{out}");
    assert!(scene.done(&["demo"], "").contains("The temporary folder is gone"), "the demo stays on files");
    assert_eq!(scene.done(&["--format", "json", "list"], "").matches("\"id\"").count(), 4);
}

#[test]
fn an_import_that_was_broken_off_goes_on() {
    let scene = Scene::new();
    let args = ["import", "--from", &sample("python7_filestore_plain.csv")];
    let refusal = Failure::Refused(ServiceError::new("AccessDeniedException", "not today"));
    scene.service.simulator.inject(Fault::new(refusal).on(Operation::CreateSecret).skip(2).times(u64::MAX));
    scene.run(&args, "").assert_refused(3, &["secretsmanager:CreateSecret", "AccessDeniedException"]);
    assert_eq!(scene.done(&["--format", "json", "list"], "").matches("\"id\"").count(), 2, "what came before is there");
    scene.service.simulator.clear_faults();
    let second = scene.done(&args, "");
    assert!(second.contains("imported: 2 new, 0 updated, 2 unchanged"), "{second}");
    assert_eq!(scene.done(&["--format", "json", "list"], "").matches("\"id\"").count(), 4);
}
