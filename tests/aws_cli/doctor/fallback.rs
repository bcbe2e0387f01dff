//! A copy and a journal, and what they need: where a command would fail for them, doctor says so.
#![allow(clippy::disallowed_methods, reason = "a test's own files")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::doctor::bench::{ALICE, check, doctor_with, ended, with_alice};
use crate::scene::{Run, Scene, feed};

/// A copy and a journal in this folder of the scene, which need not be there.
fn store(scene: &Scene, folder: &str) -> String {
    let path = |name: &str| scene.path(folder).join(name).to_str().unwrap().to_owned();
    format!("aws:test/vault?fallback=file:{}&journal=file:{}", path("copy.tv"), path("journal.tv"))
}

fn write_key(scene: &Scene) -> String {
    fs::write(scene.path("key"), [7; 32]).unwrap();
    fs::set_permissions(scene.path("key"), fs::Permissions::from_mode(0o600)).unwrap();
    scene.path("key").to_str().unwrap().to_owned()
}

/// What doctor and any other command say of one setting.
fn both(scene: &Scene, variables: &[(&str, &str)]) -> (Run, Vec<Value>, Run) {
    let (run, checks) = doctor_with(scene, &[], variables);
    let mut list = scene.command(&["list"]);
    list.envs(variables.iter().copied());
    (run, checks, feed(list, ""))
}

fn of<'c>(checks: &'c [Value], name: &str, file: &str) -> &'c Value {
    let is_meant = |check: &&Value| check["name"] == name && check["resource"].as_str().unwrap().ends_with(file);
    checks.iter().find(is_meant).unwrap_or_else(|| panic!("no {name} on {file} in {checks:?}"))
}

#[test]
fn a_copy_and_a_journal_that_can_be_made_and_are_made_are_in_order() {
    let (scene, _) = with_alice();
    let (key, store) = (write_key(&scene), store(&scene, ""));
    let variables = [("TOKENVAULT_STORE", &*store), ("TOKENVAULT_KEY_FILE", &*key)];
    let (run, checks) = doctor_with(&scene, &[], &variables);
    assert_eq!(run.exit, Some(0), "{}", run.stdout);
    for file in ["copy.tv", "journal.tv"] {
        assert_eq!(of(&checks, "its folder takes a file", file)["result"], "ok");
        assert!(!scene.path(file).exists(), "doctor makes none");
    }
    let (_, _, list) = both(&scene, &variables);
    assert_eq!(list.exit, Some(0), "{}", list.stderr);
    let (run, checks) = doctor_with(&scene, &[], &variables);
    assert_eq!(run.exit, Some(0), "{}", run.stdout);
    for file in ["copy.tv", "journal.tv"] {
        for name in ["the lock for writing", "a file beside it, written and synced", "room to write it anew"] {
            assert_eq!(of(&checks, name, file)["result"], "ok");
        }
    }
}

#[test]
fn a_key_that_is_not_there_or_not_named_is_told() {
    let (scene, _) = with_alice();
    let (store, missing) = (store(&scene, ""), scene.path("no-key").to_str().unwrap().to_owned());
    let (run, checks, list) = both(&scene, &[("TOKENVAULT_STORE", &store), ("TOKENVAULT_KEY_FILE", &missing)]);
    assert_eq!((run.exit, list.exit), (Some(2), Some(2)), "{}", run.stdout);
    assert!(check(&checks, "the key file")["detail"].as_str().unwrap().contains("does not exist"), "{checks:?}");
    let (run, checks, list) = both(&scene, &[("TOKENVAULT_STORE", &store)]);
    assert_eq!((run.exit, list.exit), (Some(2), Some(2)), "{}", run.stdout);
    assert_eq!(ended(&checks, "failed"), ["the copy opens", "the journal opens"]);
    assert!(check(&checks, "the copy opens")["detail"].as_str().unwrap().contains("no passphrase"), "{checks:?}");
    // Without a copy no key is needed.
    let (run, _) = doctor_with(&scene, &[], &[("TOKENVAULT_KEY_FILE", &missing)]);
    assert_eq!(run.exit, Some(0), "{}", run.stdout);
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let (scene, _) = with_alice();
    let (key, store) = (write_key(&scene), store(&scene, "missing"));
    let (run, checks, list) = both(&scene, &[("TOKENVAULT_STORE", &store), ("TOKENVAULT_KEY_FILE", &key)]);
    assert_eq!((run.exit, list.exit), (Some(1), Some(1)), "{}{}", run.stdout, list.stderr);
    assert_eq!(ended(&checks, "failed"), ["its folder takes a file"; 2]);
}

#[test]
fn a_vault_of_its_own_that_is_named_as_the_copy_is_told() {
    let (scene, _) = with_alice();
    let (key, store) = (write_key(&scene), store(&scene, ""));
    let file = format!("file:{}", scene.path("copy.tv").display());
    for (arguments, stdin) in [(["init"], ""), (["save"], ALICE)] {
        let mut command = scene.command(&arguments);
        command.env("TOKENVAULT_STORE", &file).env("TOKENVAULT_KEY_FILE", &key);
        assert_eq!(feed(command, stdin).exit, Some(0));
    }
    let (run, checks, list) = both(&scene, &[("TOKENVAULT_STORE", &store), ("TOKENVAULT_KEY_FILE", &key)]);
    assert_eq!((run.exit, list.exit), (Some(2), Some(2)), "{}{}", run.stdout, list.stderr);
    assert_eq!(ended(&checks, "failed"), ["the copy opens"]);
    assert!(check(&checks, "the copy opens")["detail"].as_str().unwrap().contains("tokens of its own"), "{checks:?}");
}

#[test]
fn a_journal_that_cannot_be_written_is_told() {
    let (scene, _) = with_alice();
    let (key, store) = (write_key(&scene), store(&scene, ""));
    let wait = ("TOKENVAULT_LOCK_WAIT", "20ms");
    let variables = [("TOKENVAULT_STORE", &*store), ("TOKENVAULT_KEY_FILE", &*key), wait];
    assert_eq!(both(&scene, &variables).2.exit, Some(0));
    let journal = fs::File::open(scene.path("journal.tv")).unwrap();
    journal.lock_shared().unwrap();
    let (run, checks) = doctor_with(&scene, &[], &variables);
    assert_eq!(run.exit, Some(4), "{}", run.stdout);
    assert_eq!(of(&checks, "the lock for writing", "journal.tv")["result"], "failed");
    assert_eq!(ended(&checks, "failed"), ["the lock for writing"]);
}
