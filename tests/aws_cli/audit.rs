//! The audit trail of a vault in AWS, in CloudWatch Logs: written, read and checked by the program.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::logs::{Fault, Logs};
use crate::logs_server::LogsServer;
use crate::scene::{Run, Scene, feed};

const GROUP: &str = "/tokenvault/test";

struct Trail {
    scene: Scene,
    server: LogsServer,
}

#[allow(clippy::disallowed_methods, reason = "what the service takes for the time is the program's")]
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl Trail {
    fn new() -> Self {
        Self { scene: Scene::new(), server: LogsServer::start(Logs::with(GROUP, now())) }
    }

    fn place(&self, names: &str) -> String {
        format!("cloudwatch:{names}?endpoint={}", self.server.endpoint())
    }

    /// Runs the program with its trail in the stream "audit", or where `audit` says.
    fn run(&self, arguments: &[&str], stdin: &str, audit: &str) -> Run {
        let mut command = self.scene.command(arguments);
        feed(
            {
                command.env("TOKENVAULT_AUDIT", audit).env("TOKENVAULT_PRINCIPAL", "ada");
                command
            },
            stdin,
        )
    }

    fn done(&self, arguments: &[&str], stdin: &str) -> String {
        let run = self.run(arguments, stdin, &self.place(&format!("{GROUP}:audit")));
        assert_eq!(run.exit, Some(0), "{arguments:?}: {}{}", run.stdout, run.stderr);
        run.stdout
    }

    fn save(&self, user: &str) -> String {
        let token = format!(r#"{{"user_name": "{user}", "client_id": "c", "refresh_token": "canary-{user}"}}"#);
        self.done(&["save"], &token).trim().to_owned()
    }
}

#[test]
fn a_trail_in_cloudwatch_logs_is_written_read_and_checked() {
    let trail = Trail::new();
    let id = trail.save("alice@example.com");
    trail.save("bob@example.com");
    trail.done(&["get", &id], "");
    assert_ne!(trail.run(&["get", "unknown"], "", &trail.place(&format!("{GROUP}:audit"))).exit, Some(0));
    let whole = String::from_utf8(trail.server.logs.bytes()).unwrap();
    assert!(!whole.contains("canary") && !whole.contains("alice"), "{whole}");

    let (group, stream) = (trail.place(GROUP), trail.place(&format!("{GROUP}:audit")));
    for from in [&group, &stream] {
        let checked = trail.scene.run(&["audit", "verify", "--from", from], "");
        assert_eq!(checked.exit, Some(0), "{}{}", checked.stdout, checked.stderr);
        assert!(checked.stdout.contains("4 chains: 4 intact"), "{}{}", checked.stdout, checked.stderr);
        let calls = trail.scene.done(&["audit", "--from", from, "--format", "json"], "");
        assert_eq!(calls.lines().count(), 4, "{calls}");
        assert!(calls.lines().all(|line| whole.contains(line)));
    }
    // The place where lines go is where they are looked for.
    let listed = |arguments: &[&str]| {
        let table = trail.done(&[&["audit"], arguments].concat(), "");
        table.lines().filter(|line| line.contains(" ada ")).count()
    };
    assert_eq!(listed(&["--token", &id]), 2, "save and get");
    assert_eq!(listed(&["--user", "bob@example.com"]), 1);
    assert_eq!(listed(&["--outcome", "not-found"]), 1);
    let nothing = trail.scene.done(&["audit", "--from", &group, "--until", "1h"], "");
    assert!(!nothing.contains("save_token"), "{nothing}");
    let asked = trail.server.logs.state().calls.last().unwrap().1["endTime"].as_i64().unwrap();
    assert!((now() - asked).abs() < 600_000, "an hour ago, and an hour for calls that take long: {asked}");
    assert_eq!(listed(&["--from", &group, "--since", "1h"]), 4);

    // Another message under a line's number is found.
    let mut forged = trail.server.logs.state().events[1].clone();
    forged.message = forged.message.replace("\"ada\"", "\"eve\"");
    trail.server.logs.state().events[1] = forged;
    let checked = trail.scene.run(&["audit", "verify", "--from", &stream], "");
    checked.assert_refused(5, &["was changed"]);
}

#[test]
fn required_nothing_leaves_the_vault_without_its_line() {
    let trail = Trail::new();
    let id = trail.save("alice@example.com");
    let audit = trail.place(&format!("{GROUP}:audit"));
    trail.server.logs.state().always = Some(Fault::Denied);
    let run = trail.run(&["get", &id, "--reveal"], "", &audit);
    run.assert_refused(4, &["there is no answer", "logs:PutLogEvents"]);
    assert!(!run.stdout.contains("canary"), "{}", run.stdout);
    trail.run(&["delete", &id], "", &audit).assert_refused(4, &["nothing was done"]);
    trail.server.logs.let_go();
    trail.done(&["get", &id], "");
    let nowhere = trail.place("/not/there:audit");
    trail.run(&["get", &id], "", &nowhere).assert_refused(4, &["no log group /not/there"]);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let trail = Trail::new();
    for (audit, said) in [
        ("cloudwatch:", "log group"),
        ("cloudwatch:/only/a/group", "no stream"),
        ("cloudwatch:a:b:c", "log stream"),
        ("cloudwatch:a:b?kms_key_id=x", "a parameter that there is not"),
    ] {
        trail.run(&["list"], "", audit).assert_refused(2, &[said]);
    }
    trail.scene.run(&["audit", "--from", &trail.place("/not/there")], "").assert_refused(1, &["/not/there"]);
}
