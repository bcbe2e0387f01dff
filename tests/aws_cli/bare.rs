//! A prefix under which there is no vault: only `init` makes one. A Region or an account that was mistaken for another is
//! such a prefix, too.

use crate::scene::{Scene, feed, sample};

const ALICE: &str = r#"{"user_name": "alice", "client_id": "1000.A", "refresh_token": "canary"}"#;

/// An id as the vault makes them.
const NAME: &str = "tvaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Runs it with a trail and without: neither may leave anything behind.
fn assert_refused(scene: &Scene, arguments: &[&str], pieces: &[&str]) {
    for trail in ["off", "stdout"] {
        let mut command = scene.command(arguments);
        command.env("TOKENVAULT_AUDIT", trail);
        let run = feed(command, ALICE);
        run.assert_refused(1, pieces);
        assert!(!run.stderr.contains("canary"), "{arguments:?}: {}", run.stderr);
        assert_eq!(scene.service.simulator.names(), Vec::<String>::new(), "{arguments:?}");
    }
}

#[test]
fn only_init_makes_a_vault() {
    let scene = Scene::bare();
    let from = sample("python7_filestore_plain.csv");
    let none = ["there is no vault under this prefix", "(aws:test/vault)", "tokenvault init", "verify --repair"];
    for arguments in [
        &["list"][..],
        &["save"],
        &["find", "--user", "alice"],
        &["get", "1"],
        &["get", NAME],
        &["delete", "1"],
        &["delete", NAME],
        &["delete", "1", "--purge"],
        &["delete-all", "--yes"],
        &["delete-all", "--yes", "--purge"],
        &["undelete", "1"],
        &["import", "--from", &from],
        &["import", "--from", &from, "--dry-run"],
        &["export", "--format-of", "python", "--reveal"],
        &["verify"],
        &["verify", "--repair"],
        &["rotate-key", "--kms-key-id", "new"],
        &["token", "--user", "alice", "--provider", "http://127.0.0.1:9"],
        &["status"],
    ] {
        assert_refused(&scene, arguments, &none);
    }
}

#[test]
fn a_copy_makes_no_vault() {
    let scene = Scene::bare();
    let (file, key) = (format!("file:{}", scene.path("vault.tv").display()), scene.path("vault.key"));
    let key = ["--key-file", key.to_str().unwrap()];
    let run = |arguments: &[&str]| feed(scene.command(&[arguments, &key].concat()), ALICE);
    assert_eq!(run(&["init", "--make-key-file", "--store", &file]).exit, Some(0));
    assert_eq!(run(&["save", "--store", &file]).exit, Some(0));
    for (from, to) in [("aws:test/vault", &*file), (&*file, "aws:test/vault")] {
        run(&["copy", "--from", from, "--to", to]).assert_refused(1, &["there is no vault", "tokenvault init"]);
        assert_eq!(scene.service.simulator.names(), Vec::<String>::new(), "{from}");
    }
}
