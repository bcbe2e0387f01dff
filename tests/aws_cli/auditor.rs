//! Who reads a trail: the key is read once, nobody else is asked, and nothing is made.
#![allow(clippy::disallowed_methods, reason = "a test's own files")]

use std::process::Command;

use secrets_manager_simulator::operation::Operation;

use crate::bad_days::Operator;
use crate::provider::Provider;
use crate::scene::{Run, Scene, feed};

const ALICE: &str = r#"{"user_name": "alice", "client_id": "1000.A", "refresh_token": "canary"}"#;

fn with_trail(scene: &Scene, arguments: &[&str]) -> Command {
    let mut command = scene.command(arguments);
    command.env("TOKENVAULT_AUDIT", format!("file:{}", scene.path("trail").display()));
    command
}

fn done(command: Command, stdin: &str) -> Run {
    let run = feed(command, stdin);
    assert_eq!(run.exit, Some(0), "{}{}", run.stdout, run.stderr);
    run
}

/// The commands that need the key.
const LOOKS: [&[&str]; 3] = [&["audit", "verify"], &["audit", "--user", "alice"], &["audit", "--token", "unknown"]];

#[test]
fn the_key_is_read_once_and_sts_and_the_copy_are_left_alone() {
    let (scene, sts) = (Scene::new(), Provider::start("no XML"));
    done(with_trail(&scene, &["save"]), ALICE);
    let (names, copy) = (scene.service.simulator.names(), scene.path("copy.tv"));
    for arguments in LOOKS {
        let before = scene.service.simulator.counters();
        let mut command = with_trail(&scene, arguments);
        command.env("TOKENVAULT_PRINCIPAL", "sts:").env("AWS_ENDPOINT_URL_STS", &sts.url);
        command.env("TOKENVAULT_STORE", format!("aws:test/vault?fallback=file:{}", copy.display()));
        done(command, "");
        let after = scene.service.simulator.counters();
        assert_eq!(after.total() - before.total(), 1, "{arguments:?}");
        assert_eq!(after.of(Operation::GetSecretValue) - before.of(Operation::GetSecretValue), 1, "{arguments:?}");
    }
    assert!(sts.asked().is_empty() && !copy.exists() && scene.service.simulator.names() == names);
}

#[test]
fn a_vault_without_a_key_gets_none() {
    let scene = Scene::new();
    done(scene.command(&["save"]), ALICE);
    let names = scene.service.simulator.names();
    std::fs::write(scene.path("trail"), "").unwrap();
    feed(with_trail(&scene, LOOKS[0]), "").assert_refused(1, &["no key of an audit trail", "aws:test/vault"]);
    let run = done(with_trail(&scene, LOOKS[1]), "");
    assert!(run.stderr.contains("note: the vault has no key of an audit trail"), "{}", run.stderr);
    assert_eq!(done(with_trail(&scene, LOOKS[2]), "").stdout, "no calls\n");
    assert_eq!(scene.service.simulator.names(), names);
}

/// Nothing that leaves a line is done under a key that is about to go, and what the vault is made of is told all the same.
#[test]
fn a_key_that_is_scheduled_for_deletion_is_told() {
    let scene = Scene::new();
    done(with_trail(&scene, &["save"]), ALICE);
    Operator::of(&scene.service).delete("test/vault/audit-key");
    let why = "the key of the audit trail is scheduled for deletion";
    for arguments in [&["list"][..], LOOKS[0]] {
        feed(with_trail(&scene, arguments), "").assert_refused(5, &[why, "restore-secret"]);
    }
    let status = done(with_trail(&scene, &["status"]), "").stdout;
    assert!(status.contains("tokens") && status.contains(&format!("none: {why}")), "{status}");
    let doctor = feed(with_trail(&scene, &["doctor"]), "");
    assert!(doctor.exit != Some(0) && doctor.stdout.contains(why), "{}", doctor.stdout);
}
