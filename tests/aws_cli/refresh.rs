//! Processes on one vault in AWS that need one token at once: the leases of real programs, by real time. And signing in.
#![allow(clippy::disallowed_methods, reason = "a test's own files")]

use std::process::Command;

use secrets_manager_simulator::operation::Operation;

use crate::at_once::run_at_once;
use crate::doctor::bench::deny;
use crate::provider::{Provider, in_seconds};
use crate::scene::{Scene, feed};

const GRANTED: &str = r#"{"access_token":"canary-new","expires_in":3600}"#;

/// `program` leads to an empty vault. Each of the 64 is started so often at most, as long as it says to try again.
fn one_refreshes(tries: usize, program: impl Fn(&[&str]) -> Command) {
    let provider = Provider::start(GRANTED);
    let token = format!(
        r#"{{"user_name": "ada", "client_id": "app", "client_secret": "canary", "refresh_token": "canary-refresh",
            "access_token": "canary-old", "expires_in": "{}"}}"#,
        in_seconds(-1)
    );
    let saved = feed(program(&["save"]), &token);
    assert_eq!(saved.exit, Some(0), "{}", saved.stderr);
    let asking = || program(&["token", "--provider", &provider.url, saved.stdout.trim()]);
    assert_eq!(run_at_once(64, tries, asking), ["canary-new"; 64]);
    assert_eq!(provider.asked().len(), 1);
}

#[test]
fn of_64_processes_that_ask_at_once_one_refreshes() {
    let scene = Scene::new();
    one_refreshes(1, |arguments| scene.command(arguments));
}

#[test]
fn who_looks_at_a_token_that_has_ended_writes_nothing() {
    let scene = Scene::new();
    let token = format!(
        r#"{{"user_name": "ada", "client_id": "app", "refresh_token": "canary", "access_token": "old", "expires_in": "{}"}}"#,
        in_seconds(-1)
    );
    let id = scene.done(&["save"], &token).trim().to_owned();
    let puts = || scene.service.simulator.counters().of(Operation::PutSecretValue);
    let before = puts();
    for looking in [&["get", &id][..], &["find", "--user", "ada"], &["list"]] {
        scene.done(looking, "");
        assert_eq!(puts(), before, "{looking:?}");
    }
}

/// A login over AWS with a right that is missing, or nobody there.
#[test]
fn a_login_asks_the_vault_first_and_says_what_is_left_where_it_takes_no_token() {
    let (scene, provider) = (Scene::bare(), Provider::start(GRANTED));
    std::fs::write(scene.path("secret"), "canary-secret").unwrap();
    std::fs::set_permissions(scene.path("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let login =
        ["login", "--provider", &provider.url, "--user", "ada", "--client-id", "app", "--client-secret-file", "secret"];
    scene.run(&login, "canary-code").assert_refused(1, &["there is no vault under this prefix"]);
    scene.done(&["init"], "");
    let mut away = scene.command(&login);
    away.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    feed(away, "canary-code").assert_refused(4, &["AWS could not be reached"]);
    assert_eq!(provider.asked().len(), 0);
    deny(&scene, "PutSecretValue");
    let denied = scene.run(&login, "canary-code");
    denied.assert_refused(
        3,
        &["the new refresh token lives at the provider, but it is not stored", "with a new grant code"],
    );
    assert!(!denied.stderr.contains("canary"), "{}", denied.stderr);
    assert_eq!(provider.asked().len(), 1);
}

mod localstack {
    use super::{Scene, feed, one_refreshes};
    use crate::emulator::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, localstack};

    #[test]
    fn of_64_processes_that_ask_at_once_one_refreshes() {
        let (scene, endpoint) = (Scene::bare(), localstack::endpoint());
        let store = format!("aws:test/refresh-{:016x}", fastrand::u64(..));
        let program = |arguments: &[&str]| {
            let mut command = scene.command(arguments);
            command.env("AWS_ENDPOINT_URL", &endpoint).env("TOKENVAULT_STORE", &store);
            command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
            command
        };
        let made = feed(program(&["init"]), "");
        assert_eq!(made.exit, Some(0), "{}", made.stderr);
        // It takes its time over the calls of 64 that look each second, and a reader gives up after ten.
        one_refreshes(3, program);
    }
}
