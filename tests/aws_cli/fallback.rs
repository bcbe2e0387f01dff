//! A vault in AWS with a copy in a file, for the time that AWS is out of reach.
#![allow(clippy::disallowed_methods, reason = "a test's own files")]

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;

use crate::scene::{Run, Scene, feed};

const ALICE: &str =
    r#"{"user_name": "alice", "client_id": "1000.A", "refresh_token": "1000.r", "access_token": "canary"}"#;

/// Runs the program over a vault with a copy. `away`: nobody listens where AWS should.
fn run(scene: &Scene, arguments: &[&str], stdin: &str, away: bool, more: &str) -> Run {
    feed(program(scene, arguments, away, more), stdin)
}

fn program(scene: &Scene, arguments: &[&str], away: bool, more: &str) -> Command {
    let mut command = scene.command(arguments);
    let copy = scene.path("a copy.tv").to_str().unwrap().replace(' ', "%20");
    command.env("TOKENVAULT_STORE", format!("aws:test/vault?fallback=file:{copy}{more}"));
    command.env("TOKENVAULT_KEY_FILE", scene.path("key"));
    if away {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        command.env("AWS_ENDPOINT_URL", format!("http://{}", listener.local_addr().unwrap()));
        drop(listener);
    }
    command
}

fn done(scene: &Scene, arguments: &[&str], stdin: &str) -> String {
    let run = run(scene, arguments, stdin, false, "");
    assert!(run.exit == Some(0) && !run.stderr.contains("out of reach"), "{arguments:?}: {}", run.stderr);
    run.stdout
}

fn with_key() -> Scene {
    let scene = Scene::new();
    std::fs::write(scene.path("key"), [7; 32]).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(scene.path("key"), mode).unwrap();
    scene
}

#[test]
fn the_key_of_a_copy_is_made_with_the_vault_or_beside_one() {
    let scene = Scene::bare();
    let named = run(&scene, &["list"], "", false, "");
    named.assert_refused(2, &["the key file", "does not exist", "`tokenvault init --make-key-file`"]);
    let init = ["init", "--make-key-file"];
    let made = run(&scene, &init, "", false, "");
    assert!(made.exit == Some(0) && made.stdout.contains("made its index"), "{}{}", made.stdout, made.stderr);
    assert!(made.stdout.contains("made the key of its copy and journal: "), "{}", made.stdout);
    done(&scene, &["save"], ALICE);
    let key = std::fs::read(scene.path("key")).unwrap();
    run(&scene, &init, "", false, "").assert_refused(2, &["there is something under", "already"]);
    assert_eq!(std::fs::read(scene.path("key")).unwrap(), key);
    // Another machine: the vault is there.
    std::fs::remove_file(scene.path("key")).unwrap();
    std::fs::remove_file(scene.path("a copy.tv")).unwrap();
    let made = run(&scene, &init, "", false, "");
    assert!(
        made.exit == Some(0) && made.stdout.contains("is there already, and is as it was"),
        "{}{}",
        made.stdout,
        made.stderr
    );
    assert!(done(&scene, &["list"], "").contains("alice"));
    // Where there is no telling, no key is left.
    std::fs::remove_file(scene.path("key")).unwrap();
    run(&scene, &init, "", true, "").assert_refused(4, &["AWS could not be reached"]);
    assert!(!scene.path("key").exists());
}

fn holds(path: &Path, text: &str) -> bool {
    std::fs::read(path).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn what_was_read_is_there_while_aws_is_away_and_nothing_is_written() {
    let scene = with_key();
    let id = done(&scene, &["save"], ALICE);
    let id = id.trim();
    assert!(done(&scene, &["list"], "").contains("alice"));
    assert!(!holds(&scene.path("a copy.tv"), "canary") && !holds(&scene.path("a copy.tv"), "alice"), "it is sealed");
    for arguments in [&["get", id, "--field", "access_token"][..], &["find", "--user", "alice", "--reveal"], &["list"]]
    {
        let read = run(&scene, arguments, "", true, "");
        assert_eq!(read.exit, Some(0), "{}", read.stderr);
        assert!(read.stdout.contains(if arguments.contains(&"list") { "alice" } else { "canary" }), "{}", read.stdout);
        assert!(read.stderr.contains("the store is out of reach: this is what its copy has"), "{}", read.stderr);
    }
    run(&scene, &["get", "unknown"], "", true, "").assert_refused(4, &["AWS could not be reached"]);
    run(&scene, &["save"], ALICE, true, "").assert_refused(4, &["AWS could not be reached"]);
    run(&scene, &["delete", id], "", true, "").assert_refused(4, &["AWS could not be reached"]);
    // What is deleted is gone from the copy as well.
    done(&scene, &["delete", id], "");
    run(&scene, &["get", id], "", true, "").assert_refused(4, &["AWS could not be reached"]);
}

#[test]
fn a_process_that_starts_while_aws_is_away_leaves_lines_that_say_where_its_answer_came_from() {
    let scene = with_key();
    let id = done(&scene, &["save"], ALICE);
    for is_away in [false, true] {
        let mut command = program(&scene, &["get", id.trim()], is_away, "");
        command.env("TOKENVAULT_AUDIT", format!("file:{}", scene.path("trail").display()));
        let read = feed(command, "");
        assert_eq!(read.exit, Some(0), "{}", read.stderr);
    }
    let trail = std::fs::read_to_string(scene.path("trail")).unwrap();
    let sources: Vec<_> =
        trail.lines().filter_map(|line| line.split_once("\"source\":\"")?.1.split('"').next()).collect();
    assert_eq!(sources, ["store", "fallback"], "{trail}");
    let path = scene.path("trail");
    let verify = ["audit", "verify", "--from", path.to_str().unwrap()];
    for verify in [scene.command(&verify), program(&scene, &verify, true, "")] {
        let verified = feed(verify, "");
        assert_eq!(verified.exit, Some(0), "one key for both: {}{}", verified.stdout, verified.stderr);
    }
}

#[test]
fn a_refusal_is_no_reason_to_ask_the_copy() {
    let scene = with_key();
    let id = done(&scene, &["save"], ALICE);
    done(&scene, &["list"], "");
    let refusal = Failure::Refused(ServiceError::new("AccessDeniedException", "not today"));
    scene.service.simulator.inject(Fault::new(refusal).times(u64::MAX));
    run(&scene, &["get", id.trim()], "", false, "").assert_refused(3, &["AWS refused the action"]);
    run(&scene, &["list"], "", false, "").assert_refused(3, &["AWS refused the action"]);
}

#[test]
fn a_copy_of_another_store_or_under_another_key_is_none() {
    let scene = with_key();
    done(&scene, &["save"], ALICE);
    done(&scene, &["list"], "");
    let read = run(&scene, &["list"], "", true, "&region=eu-west-1");
    read.assert_refused(4, &["AWS could not be reached"]);
    std::fs::write(scene.path("key"), [8; 32]).unwrap();
    run(&scene, &["list"], "", false, "").assert_refused(3, &["file:", "a copy.tv"]);
    // It may be removed at any time.
    std::fs::remove_file(scene.path("a copy.tv")).unwrap();
    assert!(done(&scene, &["list"], "").contains("alice"));
    assert_eq!(run(&scene, &["list"], "", true, "").exit, Some(0));
}

#[test]
fn a_vault_file_of_its_own_is_no_copy() {
    let scene = with_key();
    let mut command = scene.command(&["init"]);
    let file = format!("file:{}", scene.path("a copy.tv").display());
    command.env("TOKENVAULT_STORE", &file).env("TOKENVAULT_KEY_FILE", scene.path("key"));
    assert_eq!(feed(command, "").exit, Some(0));
    let over_file = |arguments: &[&str], stdin: &str| {
        let mut command = scene.command(arguments);
        command.env("TOKENVAULT_STORE", &file).env("TOKENVAULT_KEY_FILE", scene.path("key"));
        feed(command, stdin)
    };
    assert_eq!(over_file(&["save"], ALICE).exit, Some(0));
    run(&scene, &["list"], "", false, "").assert_refused(2, &["holds tokens of its own"]);
    assert!(over_file(&["list"], "").stdout.contains("alice"), "as it was");
}

#[test]
fn what_is_purged_is_not_in_the_copy() {
    let scene = with_key();
    done(&scene, &["save"], ALICE);
    assert!(done(&scene, &["list"], "").contains("alice"));
    assert_eq!(run(&scene, &["delete-all", "--yes", "--purge"], "", false, "").exit, Some(0));
    run(&scene, &["list"], "", true, "").assert_refused(4, &["AWS could not be reached"]);
}
