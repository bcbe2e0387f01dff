//! What is done to a vault as a whole: another KMS key, deleting and bringing back, copies.

use std::process::Command;

use secrets_manager_simulator::kms::{KeyState, Right};

use crate::scene::{Run, Scene, feed};
use crate::service::ACCESS_KEY;

fn token(user: &str) -> String {
    format!(
        r#"{{"user_name": "{user}", "client_id": "1000.A", "refresh_token": "1000.{user}", "access_token": "1000.a"}}"#
    )
}

/// The program without a store of its own in the environment.
fn bare(scene: &Scene, arguments: &[&str]) -> Command {
    let mut command = scene.command(arguments);
    command.env_remove("TOKENVAULT_STORE");
    command
}

fn assert_done(run: &Run, pieces: &[&str]) {
    assert_eq!(run.exit, Some(0), "{}{}", run.stdout, run.stderr);
    for piece in pieces {
        assert!(
            run.stdout.contains(piece) || run.stderr.contains(piece),
            "no {piece:?} in {}{}",
            run.stdout,
            run.stderr
        );
    }
}

#[test]
fn a_vault_moves_to_another_key() {
    let scene = Scene::bare();
    scene.service.simulator.keys(|keys| ["old", "new"].into_iter().for_each(|id| keys.create(id)));
    let mut init = scene.command(&["init"]);
    init.env("TOKENVAULT_STORE", "aws:test/vault?kms_key_id=old");
    assert_done(&feed(init, ""), &[]);
    let id = scene.done(&["save"], &token("alice"));
    let gone = scene.done(&["save"], &token("bob"));
    scene.done(&["delete", gone.trim()], "");

    scene
        .run(&["rotate-key"], "")
        .assert_refused(2, &["the KMS key to move the vault to is not named", "--kms-key-id"]);
    scene.run(&["rotate-key", "--kms-key-id", "a b"], "").assert_refused(2, &["no id, alias or ARN"]);
    let moved = scene.run(&["rotate-key", "--kms-key-id", "new"], "");
    assert_done(
        &moved,
        &[
            "the vault is under new: moved 3 secrets of 4 secrets",
            "under old: 0 current values, 2 that an undelete needs, ",
            "old is needed to undelete tokens",
        ],
    );
    let json = scene.done(&["--format", "json", "rotate-key", "--kms-key-id", "new"], "");
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&report["moved"], &report["left"][0]["recoverable"]), (&0.into(), &2.into()), "{json}");

    scene.service.simulator.keys(|keys| keys.set("old", KeyState::Disabled));
    assert!(scene.done(&["get", id.trim()], "").contains("alice"));
    let other = scene.done(&["save"], &token("cleo"));
    let secret = format!("test/vault/token/{}", other.trim());
    assert_eq!(scene.service.simulator.secret(&secret).unwrap().key.as_deref(), Some("new"));
    let mut named = scene.command(&["list"]);
    named.env("TOKENVAULT_STORE", "aws:test/vault?kms_key_id=old");
    assert_done(&feed(named, ""), &["alice", "the store names another KMS key than the vault's index"]);
}

#[test]
fn what_could_not_be_moved_is_no_success() {
    let scene = Scene::new();
    scene.service.simulator.keys(|keys| {
        keys.create("new");
        keys.allow("new", ACCESS_KEY, [Right::Decrypt, Right::GenerateDataKey]);
    });
    scene.done(&["save"], &token("alice"));
    let run = scene.run(&["rotate-key", "--kms-key-id", "new"], "");
    run.assert_refused(3, &["1 current value could not be encrypted under the new key", "allow kms:Encrypt"]);
    assert!(run.stdout.contains("under aws/secretsmanager: 1 current value"), "{}", run.stdout);
    assert!(run.stderr.contains("aws/secretsmanager is still needed"), "{}", run.stderr);
    assert!(scene.done(&["list"], "").contains("alice"));
}

#[test]
fn what_was_deleted_comes_back_until_it_is_purged() {
    let scene = Scene::new();
    let id = scene.done(&["save"], &token("alice"));
    let id = id.trim();
    let said = scene.done(&["delete", id], "");
    assert!(said.contains(&format!("for 7 days `tokenvault undelete {id}` brings it back")), "{said}");
    scene.run(&["get", id], "").assert_refused(1, &["no token has this id", "tokenvault undelete ID"]);
    assert!(scene.done(&["undelete", id], "").contains(id));
    assert!(scene.done(&["get", id], "").contains("alice"));
    scene.run(&["undelete", id], "").assert_refused(2, &["another token has its id"]);
    scene.run(&["undelete", "nobody"], "").assert_refused(1, &["nothing is kept of a token with this id"]);

    scene.done(&["delete", id], "");
    scene.done(&["save"], &token("alice"));
    scene
        .run(&["undelete", id], "")
        .assert_refused(2, &["another token is of its user and client", "delete that one first"]);

    assert!(scene.done(&["delete", id, "--purge"], "").contains("deleted for good"), "also what was deleted before");
    scene.run(&["undelete", id], "").assert_refused(1, &["nothing is kept"]);
    scene.run(&["delete", "nobody", "--purge"], "").assert_refused(1, &["nothing was deleted"]);
    scene.run(&["delete-all", "--purge"], "").assert_refused(2, &["nothing was deleted", "--yes"]);
    let all = scene.done(&["delete-all", "--purge", "--yes"], "");
    assert!(all.contains("deleted 1 token, and ") && all.contains("nothing brings them back"), "{all}");
    assert_eq!(scene.done(&["list"], ""), "no tokens\n");
}

#[test]
fn a_file_keeps_nothing_of_what_was_deleted() {
    let scene = Scene::bare();
    let (store, key) = (format!("file:{}", scene.path("vault.tv").display()), scene.path("vault.key"));
    let run = |arguments: &[&str], stdin: &str| {
        let mut command = bare(&scene, &["--store", &store, "--key-file", key.to_str().unwrap()]);
        command.args(arguments);
        feed(command, stdin)
    };
    assert_done(&run(&["init", "--make-key-file"], ""), &[]);
    let id = run(&["save"], &token("alice")).stdout;
    for args in [&["delete", id.trim(), "--purge"][..], &["delete-all", "--yes", "--purge"]] {
        run(args, "").assert_refused(2, &["could be purged; nothing was deleted", "leave out --purge"]);
    }
    run(&["undelete", id.trim()], "").assert_refused(2, &["none can be brought back"]);
    run(&["rotate-key", "--kms-key-id", "new"], "").assert_refused(2, &["only a vault in AWS is under a KMS key"]);
    assert!(run(&["list"], "").stdout.contains("alice"));
    assert_eq!(run(&["delete", id.trim()], "").stdout, "deleted\n");
    for args in [&["--store", "memory:", "undelete", "1"][..], &["--store", "memory:", "delete", "1", "--purge"]] {
        feed(bare(&scene, args), "").assert_refused(2, &["this store keeps nothing"]);
    }
}

#[test]
fn a_sealed_file_is_the_backup_of_a_vault_in_aws() {
    let scene = Scene::new();
    let (file, key) = (format!("file:{}", scene.path("backup.tv").display()), scene.path("backup.key"));
    let key = ["--key-file", key.to_str().unwrap()];
    let run = |arguments: &[&str]| {
        let mut command = bare(&scene, &key);
        command.args(arguments);
        feed(command, "")
    };
    scene.done(
        &["save"],
        &format!("{}\n{}", token("alice"), r#"{"id": "brought", "user_name": "bob", "refresh_token": "1000.b"}"#),
    );
    run(&["copy", "--from", "aws:test/vault", "--to", &file])
        .assert_refused(1, &["there is no vault", "tokenvault init"]);
    assert_done(&run(&["init", "--make-key-file", "--store", &file]), &[]);

    let dry = run(&["copy", "--from", "aws:test/vault", "--to", &file, "--dry-run"]);
    assert_done(&dry, &["would copy: 2 new, 0 updated, 0 unchanged"]);
    assert_eq!(run(&["list", "--store", &file]).stdout, "no tokens\n");
    let first = run(&["copy", "--from", "aws:test/vault", "--to", &file]);
    assert_done(
        &first,
        &["copied: 2 new, 0 updated, 0 unchanged", "compared: 2 tokens in the source, 2 tokens in the target"],
    );
    assert_done(&run(&["copy", "--from", "aws:test/vault", "--to", &file]), &["copied: 0 new, 0 updated, 2 unchanged"]);
    assert!(run(&["get", "brought", "--store", &file]).stdout.contains("bob"));

    // Into another prefix, as after a loss of the first.
    assert_done(&run(&["init", "--store", "aws:test/other"]), &[]);
    assert_done(&run(&["copy", "--from", &file, "--to", "aws:test/other"]), &["copied: 2 new"]);
    let list = |store: &str| run(&["--format", "json", "list", "--reveal", "--store", store]).stdout;
    assert_eq!(list("aws:test/other"), list("aws:test/vault"));

    scene.done(&["delete-all", "--yes"], "");
    scene.done(&["save"], &token("alice"));
    let back = run(&["--format", "json", "copy", "--from", &file, "--to", "aws:test/vault"]);
    back.assert_refused(2, &["2 tokens were not copied"]);
    let report: serde_json::Value = serde_json::from_str(&back.stdout).unwrap();
    let reasons: Vec<&str> =
        report["conflicts"].as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("user and client")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("deleted there")), "{reasons:?}");
}

#[test]
fn of_two_files_each_has_its_own_key() {
    let scene = Scene::bare();
    let path = |name: &str| scene.path(name).to_str().unwrap().to_owned();
    let [one, two] = ["one.tv", "two.tv"].map(|name| format!("file:{}", path(name)));
    let run = |arguments: &[&str], stdin: &str| feed(bare(&scene, arguments), stdin);
    for (store, key) in [(&one, "one.key"), (&two, "two.key")] {
        assert_done(&run(&["init", "--make-key-file", "--store", store, "--key-file", &path(key)], ""), &[]);
    }
    let key = path("one.key");
    assert_done(&run(&["save", "--store", &one, "--key-file", &key], &token("alice")), &[]);
    let copy = ["copy", "--from", &one, "--to", &two, "--key-file", &key];
    run(&copy, "").assert_refused(2, &["the key of the vault to write into is not named", "--to-key-file"]);
    let with_key = |name: &str| run(&[&copy[..], &["--to-key-file", &path(name)]].concat(), "");
    with_key("one.key").assert_refused(3, &["does not open this vault"]);
    assert_done(&with_key("two.key"), &["copied: 1 new"]);
    for (from, to, said) in [
        (&*one, &*one, "the two stores are one"),
        (&*one, "memory:", "a vault in memory is empty"),
        ("memory:", &*one, "a vault in memory is empty"),
    ] {
        run(&["copy", "--from", from, "--to", to, "--key-file", &key], "").assert_refused(2, &[said]);
    }
    run(&["copy", "--from", &one, "--to", "aws:test/vault", "--key-file", &key, "--to-key-file", &key], "")
        .assert_refused(2, &["is no file, and has no key of its own"]);
}
