//! Processes on one vault in AWS that need one token at once: the leases of real programs, by real time.

use std::process::Command;

use crate::at_once::run_at_once;
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
