//! A vault in AWS with a journal, for what is written while AWS is out of reach.
#![allow(clippy::disallowed_methods, reason = "a test's own files")]

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;

use crate::provider::Provider;
use crate::scene::{Run, Scene, feed};

fn alice(access: &str, end: u64) -> String {
    format!(
        r#"{{"user_name": "alice", "client_id": "1000.A", "refresh_token": "1000.r", "access_token": "{access}", "expires_in": "{end}"}}"#
    )
}

const BOB: &str =
    r#"{"user_name": "bob", "client_id": "1000.A", "refresh_token": "1000.b", "access_token": "canary-b"}"#;

/// Runs the program over a vault with a copy and a journal. `away`: nobody listens where AWS should.
fn run(scene: &Scene, arguments: &[&str], stdin: &str, away: bool) -> Run {
    feed(command(scene, arguments, away), stdin)
}

fn command(scene: &Scene, arguments: &[&str], away: bool) -> Command {
    let mut command = scene.command(arguments);
    let path = |name| scene.path(name).to_str().unwrap().to_owned();
    let store = format!("aws:test/vault?fallback=file:{}&journal=file:{}", path("copy.tv"), path("journal.tv"));
    command.env("TOKENVAULT_STORE", store).env("TOKENVAULT_KEY_FILE", scene.path("key"));
    if away {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        command.env("AWS_ENDPOINT_URL", format!("http://{}", listener.local_addr().unwrap()));
        drop(listener);
    }
    command
}

fn done(scene: &Scene, arguments: &[&str], stdin: &str, away: bool) -> (String, String) {
    let run = run(scene, arguments, stdin, away);
    assert_eq!(run.exit, Some(0), "{arguments:?}: {}", run.stderr);
    (run.stdout.trim().to_owned(), run.stderr)
}

fn with_key() -> Scene {
    let scene = Scene::new();
    std::fs::write(scene.path("key"), [7; 32]).unwrap();
    std::fs::set_permissions(scene.path("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    scene
}

fn assert_sealed(scene: &Scene) {
    for name in ["copy.tv", "journal.tv"] {
        let bytes = std::fs::read(scene.path(name)).unwrap();
        for text in ["canary", "alice", "1000.A"] {
            assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()), "{name} holds {text}");
        }
    }
}

/// Alice's token, that of Bob and its end are in the journal, and AWS is away.
fn assert_looked_at_with_a_trail(scene: &Scene) {
    // AWS has the key of a trail, and the line of the look cannot be left.
    let mut status = command(scene, &["status", "--format", "json"], true);
    status.env("TOKENVAULT_AUDIT", format!("file:{}", scene.path("trail").display()));
    let status = feed(status, "");
    assert_eq!(status.exit, Some(0), "{}", status.stderr);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((&status["journal"]["entries"], &status["store"]["in_reach"]), (&3.into(), &false.into()), "{status}");
    assert_eq!(status["settings"]["audit_line_of_this_look"], false, "{status}");
    // A token that lives is told from the copy and the journal, also by its user.
    let token = ["token", "--user", "alice", "--provider", "http://127.0.0.1:9"];
    assert_eq!(done(scene, &token, "", true).0, "canary-2");
}

#[test]
fn what_is_written_while_aws_is_away_comes_to_it() {
    let scene = with_key();
    let (id, _) = done(&scene, &["save"], &alice("canary-1", 1_900_000_000_000), false);
    done(&scene, &["list"], "", false);
    let (again, said) = done(&scene, &["save"], &alice("canary-2", 1_900_003_600_000), true);
    assert!(again == id && said.contains("this is in the journal"), "{said}");
    let (bob, _) = done(&scene, &["save"], BOB, true);
    // Other processes see it; it is marked as what it is.
    let (access, said) = done(&scene, &["get", &id, "--field", "access_token"], "", true);
    assert!(access == "canary-2" && said.contains("what the journal has"), "{access}{said}");
    assert_eq!(done(&scene, &["find", "--user", "bob", "--reveal"], "", true).0.matches("canary-b").count(), 1);
    assert!(done(&scene, &["list"], "", true).0.contains(&bob));
    let (_, said) = done(&scene, &["delete", &bob], "", true);
    assert!(said.contains("this is in the journal"), "{said}");
    assert_sealed(&scene);
    // A look at it plays nothing back, also where it could.
    for is_away in [true, false] {
        let (status, _) = done(&scene, &["status", "--format", "json"], "", is_away);
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        assert_eq!(status["journal"]["entries"], 3, "{status}");
        assert_eq!(status["store"]["in_reach"] == false, is_away, "{status}");
        assert!(status["journal"]["oldest"].is_string() && status["journal"]["conflicts"] == 0, "{status}");
    }
    assert_looked_at_with_a_trail(&scene);
    let doctor = run(&scene, &["doctor", "--format", "json"], "", false);
    assert!(doctor.stdout.contains("the journal opens"), "{}{}", doctor.stdout, doctor.stderr);
    // What goes past the journal waits for it.
    for arguments in
        [&["export", "--format-of", "python", "--reveal"][..], &["undelete", &id], &["delete", &id, "--purge"]]
    {
        run(&scene, arguments, "", true).assert_refused(4, &["writes that go first"]);
    }
    let (access, said) = done(&scene, &["get", &id, "--field", "access_token"], "", false);
    assert!(access == "canary-2" && !said.contains("journal"), "{access}{said}");
    // It is in AWS, also for whoever has neither copy nor journal.
    let plain = scene.done(&["list", "--format", "json"], "");
    assert!(plain.contains(&id) && !plain.contains("bob"), "{plain}");
    assert_eq!(done(&scene, &["conflicts"], "", false).0, "no conflicts");
    let (status, _) = done(&scene, &["status", "--format", "json"], "", false);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["journal"]["entries"], 0, "{status}");
}

#[test]
fn a_refusal_is_not_journaled() {
    let scene = with_key();
    done(&scene, &["list"], "", false);
    let refusal = Failure::Refused(ServiceError::new("AccessDeniedException", "not today"));
    scene.service.simulator.inject(Fault::new(refusal).times(u64::MAX));
    run(&scene, &["save"], BOB, false).assert_refused(3, &["AWS refused the action"]);
    run(&scene, &["delete-all", "--yes"], "", false).assert_refused(3, &["AWS refused the action"]);
    run(&scene, &["list"], "", true).assert_refused(4, &["AWS could not be reached"]);
}

#[test]
fn what_is_acknowledged_outlives_what_answers_in_the_place_of_aws() {
    let scene = with_key();
    done(&scene, &["list"], "", false);
    let (bob, _) = done(&scene, &["save"], BOB, true);
    let stranger = Provider::start("");
    let before_aws = |arguments: &[&str], stdin: &str| {
        let mut command = command(&scene, arguments, false);
        command.env("AWS_ENDPOINT_URL", &stranger.url);
        feed(command, stdin)
    };
    for status in [200, 403, 404, 407, 429] {
        stranger.answers(status, "<html>sign in first</html>");
        let found = before_aws(&["find", "--user", "bob"], "");
        assert!(found.exit == Some(0) && found.stderr.contains("what the journal has"), "{status}: {}", found.stderr);
    }
    stranger.answers(403, "<html>sign in first</html>");
    let saved = before_aws(&["save"], &BOB.replace("bob", "carol"));
    assert!(saved.exit == Some(0) && saved.stderr.contains("this is in the journal"), "{}", saved.stderr);
    // Nor is a code that nobody knows the token's fault.
    let refusal = Failure::Refused(ServiceError::new("SomethingNewException", "not today"));
    scene.service.simulator.inject(Fault::new(refusal));
    run(&scene, &["list"], "", false).assert_refused(6, &["AWS did not take the request", "SomethingNewException"]);
    scene.service.simulator.clear_faults();
    assert!(done(&scene, &["find", "--user", "bob"], "", false).0.contains(&bob));
    assert_eq!(done(&scene, &["conflicts"], "", false).0, "no conflicts");
    let plain = scene.done(&["list"], "");
    assert!(plain.contains("bob") && plain.contains("carol"), "{plain}");
}

#[test]
fn what_does_not_stand_is_shown_until_it_is_cleared() {
    let scene = with_key();
    let (id, _) = done(&scene, &["save"], &alice("canary-1", 1_900_000_000_000), false);
    done(&scene, &["list"], "", false);
    // As long as Zoho's are.
    let here = format!("1000.canary-here.{}", "0123456789".repeat(6));
    done(&scene, &["save"], &alice(&here, 1_900_003_600_000), true);
    scene.done(&["save"], &alice("canary-there", 1_900_009_900_000));
    let (shown, _) = done(&scene, &["conflicts"], "", false);
    assert!(shown.contains(&id) && shown.contains("the store had a newer one") && !shown.contains("canary"), "{shown}");
    let (revealed, _) = done(&scene, &["conflicts", "--reveal"], "", false);
    assert!(revealed.contains(&here), "{revealed}");
    let (json, _) = done(&scene, &["conflicts", "--format", "json"], "", false);
    for piece in [r#""why": "overtaken""#, r#""access_token": "sha256:"#, r#""acknowledged_at": "20"#, r#""id": "tv"#] {
        assert!(json.contains(piece), "{piece}: {json}");
    }
    assert!(!json.contains("canary"), "{json}");
    assert_eq!(done(&scene, &["get", &id, "--field", "access_token"], "", false).0, "canary-there");
    assert_sealed(&scene);
    run(&scene, &["conflicts", "--clear"], "", false).assert_refused(2, &["nothing was forgotten"]);
    assert_eq!(done(&scene, &["conflicts", "--clear", "--yes"], "", false).0, "forgot 1 value");
    assert_eq!(done(&scene, &["conflicts"], "", false).0, "no conflicts");
    scene.run(&["conflicts"], "").assert_refused(2, &["no journal"]);
}

#[test]
fn what_there_is_to_say_of_copy_and_journal_takes_no_call() {
    use tokenvault::backend::file::KeySource;
    use tokenvault::open::{StoreLocation, open};
    let scene = with_key();
    done(&scene, &["list"], "", false);
    done(&scene, &["save"], BOB, true);
    let path = |name| scene.path(name).to_str().unwrap().to_owned();
    // As the program has it: the address is what copy and journal are known by.
    let store = format!(
        "aws:test/vault?region=us-east-1&endpoint=http://127.0.0.1:9&fallback=file:{}&journal=file:{}",
        path("copy-2.tv"),
        path("journal-2.tv")
    );
    let location = StoreLocation::parse(store.as_ref()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let key = || Ok(KeySource::KeyFile(scene.path("key")));
        let opened = open(&location, key, std::time::Duration::from_secs(1)).await.unwrap();
        let status = opened.away().await.unwrap().unwrap();
        assert_eq!((status.copy_as_of, status.unsaved), (None, 0));
        assert_eq!(status.longest_age.as_secs(), 3600);
        let journal = status.journal.unwrap();
        assert_eq!((journal.entries, journal.oldest, journal.blocked, journal.conflicts), (0, None, None, 0));
    });
    // Those of another store are refused.
    let store = store.replace("copy-2", "copy").replace("journal-2", "journal");
    let location = StoreLocation::parse(store.as_ref()).unwrap();
    runtime.block_on(async {
        let key = || Ok(KeySource::KeyFile(scene.path("key")));
        let refused = open(&location, key, std::time::Duration::from_secs(1)).await.unwrap_err();
        assert!(refused.message().contains("the journal is of another store"), "{refused}");
    });
}

#[test]
fn who_is_alone_refreshes_a_token_while_aws_is_away() {
    let (scene, provider) = (with_key(), Provider::start(r#"{"access_token": "canary-new", "expires_in": 3600}"#));
    let ended = alice("canary-1", 1_700_000_000_000).replace('}', r#", "client_secret": "canary-secret"}"#);
    let (id, _) = done(&scene, &["save"], &ended, false);
    done(&scene, &["list"], "", false);
    let token = ["token", "--user", "alice", "--provider", &provider.url];
    run(&scene, &token, "", true).assert_refused(4, &["the store is out of reach"]);
    assert_eq!(provider.asked().len(), 0);
    let alone = |rest: &str| {
        let mut command = command(&scene, &token, true);
        let store = command.get_envs().find(|(name, _)| *name == "TOKENVAULT_STORE").and_then(|(_, store)| store);
        let store = format!("{}&writers=one{rest}", store.unwrap().to_str().unwrap());
        command.env("TOKENVAULT_STORE", store);
        feed(command, "")
    };
    alone("").assert_refused(2, &["writers=one", "fallback_age of 5400 s"]);
    for asked in [1, 0] {
        let run = alone("&fallback_age=5400");
        assert_eq!((run.exit, run.stdout.trim()), (Some(0), "canary-new"), "{}", run.stderr);
        assert_eq!(provider.asked().len(), asked, "the second finds it in the journal");
    }
    done(&scene, &["list"], "", false);
    assert!(scene.done(&["get", &id, "--field", "access_token"], "").contains("canary-new"), "played back");
}
