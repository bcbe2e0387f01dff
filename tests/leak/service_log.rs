//! What is printed at the highest log level over AWS, where the SDK and all that is below it log too, and what AWS itself
//! is told in clear: names, tags, descriptions, and whatever else CloudTrail writes down.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::wire::Request;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokenvault::fields::Field;

use crate::canary::{self, Wanted};
use crate::provider::Provider;
use crate::service::Service;
use crate::write;

struct Scene {
    folder: TempDir,
    service: Service,
    texts: [(Field, String); 9],
    /// An id that the token is brought with.
    id: String,
    secret_key: String,
}

impl Scene {
    fn new() -> Self {
        let random = &mut fastrand::Rng::new();
        let (texts, id, secret_key) = (canary::texts(random), canary::secret(random), canary::secret(random));
        Self { folder: TempDir::new().unwrap(), service: Service::start(), texts, id, secret_key }
    }

    fn text(&self, field: Field) -> &str {
        self.texts.iter().find(|(own, _)| *own == field).map(|(_, text)| text).unwrap()
    }

    fn json(&self) -> String {
        let texts = self.texts.iter().map(|(field, text)| (field.name().to_owned(), text.as_str().into()));
        Value::Object(texts.chain([("id".to_owned(), self.id.as_str().into())]).collect()).to_string()
    }

    /// All of it: users and ids are no secrets to who opens the vault, and nobody's business beside.
    fn all(&self) -> Wanted {
        let texts = self.texts.iter().filter(|(field, _)| *field != Field::ExpiresIn).map(|(_, text)| text.as_str());
        Wanted::new(texts.chain([self.id.as_str(), self.secret_key.as_str()]))
    }

    fn secrets(&self) -> Wanted {
        let secrets = self.texts.iter().filter(|(field, _)| field.is_secret()).map(|(_, text)| text.as_str());
        Wanted::new(secrets.chain([self.secret_key.as_str()]))
    }

    /// Runs a command, and looks at all that it logs and says, metrics among it.
    fn run(&self, args: &[&str], input: &str) -> Output {
        let output = self.run_at("aws:test/vault", args, input, false);
        self.secrets().assert_not_in(&output.stdout, &format!("standard output of {}", args[0]));
        output
    }

    fn command(&self, store: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenvault"));
        command.args(args).env_clear().current_dir(self.folder.path()).env("HOME", self.folder.path().join("home"));
        command.env("TOKENVAULT_LOG", "trace").env("TOKENVAULT_STORE", store);
        command.env("TOKENVAULT_AUDIT", "file:trail").env("TOKENVAULT_METRICS", "emf");
        command.env("TOKENVAULT_KEY_FILE", self.folder.path().join("key"));
        self.service.dress(&mut command, self.folder.path(), &self.secret_key);
        command
    }

    fn run_at(&self, store: &str, args: &[&str], input: &str, is_away: bool) -> Output {
        let mut command = self.command(store, args);
        if is_away {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            command.env("AWS_ENDPOINT_URL", format!("http://{}", listener.local_addr().unwrap()));
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        // What is no usable input is refused before any call, and some looks at the trail need none.
        let is_called = !store.starts_with("file:") && output.status.code() != Some(2) && args[0] != "audit";
        assert!(is_logged(&output.stderr) || !is_called, "{} logs all there is", args[0]);
        self.all().assert_not_in(&output.stderr, &format!("the log of {}", args[0]));
        output
    }

    fn refused(&self, args: &[&str]) {
        let output = self.run(args, "");
        assert!(!output.status.success() && !output.stderr.is_empty(), "{args:?} is refused, and says why");
    }

    /// Ids are what its lines are asked for by; they name no user.
    fn assert_trail_is_clean(&self) {
        let trail = std::fs::read(self.folder.path().join("trail")).unwrap();
        assert!(trail.len() > 1000);
        let texts = self.texts.iter().filter(|(field, _)| *field != Field::ExpiresIn).map(|(_, text)| text.as_str());
        Wanted::new(texts.chain([self.secret_key.as_str()])).assert_not_in(&trail, "the audit trail");
    }

    /// A command that has to succeed, and shows nothing but what was asked for.
    fn shows(&self, field: Field, args: &[&str]) {
        let output = self.run_at("aws:test/vault", args, "", false);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), self.text(field));
    }

    fn done(&self, args: &[&str], input: &str) {
        let output = self.run(args, input);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A life in which every call that the vault makes is made.
    fn live(&self) {
        self.done(&["init"], "");
        self.done(&["save"], &self.json());
        self.done(&["save"], &self.json());
        self.done(&["find", "--refresh-token-stdin"], self.text(Field::RefreshToken));
        self.done(&["find", "--user", self.text(Field::UserName)], "");
        self.done(&["get", &self.id], "");
        self.done(&["list"], "");
        for format in ["table", "json"] {
            self.done(&["status", "--format", format], "");
            self.done(&["doctor", "--format", format], "");
        }
        self.done(&["delete", &self.id], "");
        self.done(&["save"], &self.json());
        self.done(&["delete-all", "--yes"], "");
        let called = self.service.simulator.counters();
        for operation in
            [Operation::CreateSecret, Operation::DeleteSecret, Operation::GetSecretValue, Operation::PutSecretValue]
        {
            assert!(called.of(operation) > 0, "{operation} was logged, too");
        }
    }
}

fn is_logged(log: &[u8]) -> bool {
    let log = String::from_utf8_lossy(log);
    log.contains("TRACE") && log.contains("aws_smithy_runtime")
}

#[test]
fn over_aws_nothing_that_is_logged_holds_a_secret() {
    let scene = Scene::new();
    scene.live();
    scene.assert_trail_is_clean();
}

/// What asks the provider, and what takes tokens from one place to another.
#[test]
fn over_aws_no_grant_and_no_move_shows_a_secret() {
    let scene = Scene::new();
    let given = json!({ "access_token": scene.text(Field::AccessToken), "refresh_token": scene.text(Field::RefreshToken),
        "expires_in": 3600 });
    let provider = Provider::start(given.to_string().leak());
    let at = ["--provider", &provider.url];
    let (user, client) = (scene.text(Field::UserName), scene.text(Field::ClientId));
    write(&scene.folder.path().join("client-secret"), scene.text(Field::ClientSecret).as_bytes());
    scene.done(&["init"], "");
    let login = ["login", "--user", user, "--client-id", client, "--client-secret-file", "client-secret"];
    let signed_in = scene.run(&[&login[..], &at].concat(), scene.text(Field::GrantToken));
    let id = String::from_utf8(signed_in.stdout).unwrap().trim().to_owned();
    scene.shows(Field::AccessToken, &[&["token", "--user", user][..], &at].concat());
    // One that has ended is refreshed.
    let ended = json!({ "id": id, "access_token": "another", "expires_in": "1700000000000" });
    scene.done(&["save"], &ended.to_string());
    scene.shows(Field::AccessToken, &[&["token", &id][..], &at].concat());
    assert!(provider.asked().len() >= 2, "the code was exchanged, and the token refreshed");
    let made = scene.run_at("file:other.tv", &["init", "--make-key-file", "--key-file", "other.key"], "", false);
    assert!(made.status.success());
    scene.done(&["copy", "--from", "aws:test/vault", "--to", "file:other.tv", "--to-key-file", "other.key"], "");
    scene.done(&[&["delete", &id, "--revoke"][..], &at].concat(), "");
    scene.done(&["undelete", &id], "");
    scene.done(&[&["delete-all", "--yes", "--revoke"][..], &at].concat(), "");
    scene.done(&["delete-all", "--yes", "--purge"], "");
    scene.assert_trail_is_clean();
}

/// What is brought in, looked through, moved to another key, deleted for good.
#[cfg(feature = "import")]
#[test]
fn over_aws_no_upkeep_shows_a_secret() {
    let scene = Scene::new();
    scene.service.simulator.keys(|keys| ["table", "json"].into_iter().for_each(|id| keys.create(id)));
    scene.done(&["init"], "");
    scene.done(&["save"], &scene.json());
    scene.done(&["export", "--format-of", "python", "--reveal", "--to", "tokens.csv"], "");
    let broken = std::fs::read_to_string(scene.folder.path().join("tokens.csv")).unwrap();
    write(&scene.folder.path().join("broken.csv"), broken.replace("\r\n", ",\r\n1,").as_bytes());
    for format in ["table", "json"] {
        let done = |args: &[&str]| scene.done(&[args, &["--format", format]].concat(), "");
        for rest in [&["--dry-run"][..], &[], &["--overwrite"], &["--ids", "new"]] {
            done(&[&["import", "--from", "tokens.csv"], rest].concat());
        }
        scene.refused(&["import", "--from", "broken.csv", "--format", format]);
        done(&["verify"]);
        done(&["rotate-key", "--kms-key-id", format]);
        scene.refused(&["rotate-key", "--kms-key-id", "none", "--format", format]);
        done(&["delete", &scene.id]);
        done(&["undelete", &scene.id]);
        done(&["delete", &scene.id, "--purge"]);
        scene.refused(&["undelete", &scene.id, "--format", format]);
        scene.done(&["save"], &scene.json());
        let user = scene.text(Field::UserName);
        for rest in [&[][..], &["--user", user], &["--token", &scene.id], &["--timeline"], &["verify"]] {
            done(&[&["audit"], rest].concat());
        }
    }
    repaired(&scene);
    scene.assert_trail_is_clean();
}

/// A repair of a lost index, up to where it waits for ten minutes.
#[cfg(feature = "import")]
fn repaired(scene: &Scene) {
    let index = json!({ "SecretId": "test/vault/index", "RecoveryWindowInDays": 7 });
    scene.service.simulator.handle(&Request::new("DeleteSecret", &index)).unwrap();
    scene.refused(&["verify"]);
    let mut command = scene.command("aws:test/vault", &["verify", "--repair"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = Vec::new();
    for line in BufReader::new(child.stderr.take().unwrap()).split(b'\n') {
        log.extend(line.unwrap());
        if String::from_utf8_lossy(&log[log.len().saturating_sub(200)..]).contains("listed again") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_logged(&log) && String::from_utf8_lossy(&log).contains("building a new index"));
    scene.all().assert_not_in(&log, "the log of a repair");
    scene.done(&["verify"], "");
}

/// With a copy and a journal, on both sides of a cut, to a write that does not stand.
#[test]
fn no_log_of_the_journal_holds_a_secret() {
    let scene = Scene::new();
    write(&scene.folder.path().join("key"), &[7; 32]);
    scene.done(&["init"], "");
    let path = |name: &str| scene.folder.path().join(name).to_str().unwrap().to_owned();
    let store = format!("aws:test/vault?fallback=file:{}&journal=file:{}", path("copy.tv"), path("journal.tv"));
    let run = |args: &[&str], input: &str, is_away: bool| {
        let output = scene.run_at(&store, args, input, is_away);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        scene.secrets().assert_not_in(&output.stdout, &format!("standard output of {}", args[0]));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["save"], &scene.json(), false);
    run(&["list"], "", false);
    let ending = |end: &str| scene.json().replace(scene.text(Field::ExpiresIn), end);
    run(&["save"], &ending("2000000000001"), true);
    run(&["get", &scene.id], "", true);
    for format in ["table", "json"] {
        run(&["status", "--format", format], "", true);
    }
    // Somebody who knows of no journal has saved one that ends later.
    scene.done(&["save"], &ending("2000000900000"));
    for format in ["table", "json"] {
        assert!(!run(&["conflicts", "--format", format], "", false).is_empty());
        run(&["status", "--format", format], "", false);
        run(&["doctor", "--format", format], "", false);
    }
    for name in ["copy.tv", "journal.tv"] {
        let bytes = std::fs::read(scene.folder.path().join(name)).unwrap();
        scene.all().assert_not_in(&bytes, name);
    }
    scene.assert_trail_is_clean();
}

#[test]
fn no_name_tag_description_or_event_of_aws_holds_anything_of_a_token() {
    let scene = Scene::new();
    scene.live();
    let (simulator, all) = (&scene.service.simulator, scene.all());
    let names = simulator.names();
    assert!(names.len() >= 3, "the index, and a token that was saved twice");
    for name in &names {
        all.assert_not_in(name.as_bytes(), "the name of a secret");
        let described = simulator.handle(&Request::new("DescribeSecret", &json!({ "SecretId": name }))).unwrap();
        let described = described.json().unwrap();
        assert_eq!(described["Name"], name.as_str());
        all.assert_not_in(described.to_string().as_bytes(), "what DescribeSecret tells");
        for member in ["Description", "Tags"] {
            let is_empty = described.get(member).is_none_or(|told| told == "" || *told == json!([]));
            assert!(is_empty, "{member} holds something: {described}");
        }
    }
    simulator.clock().advance(Duration::from_secs(24 * 60 * 60));
    let events = simulator.trail();
    assert!(events.len() > 20 && events.iter().any(|event| event["eventName"] == "CreateSecret"), "{}", events.len());
    events.iter().for_each(|event| all.assert_not_in(event.to_string().as_bytes(), "an event of CloudTrail"));
}

/// Errors of every kind, in each call that a save makes; the service's own text repeats what it was sent.
#[test]
fn over_aws_no_error_holds_anything_of_a_token() {
    let scene = Scene::new();
    scene.done(&["init"], "");
    let echo = format!("Value '{}' at 'secretBinary' failed to satisfy constraint", scene.text(Field::AccessToken));
    let refused = |code: &'static str, message: &str| Failure::Refused(ServiceError::new(code, message));
    for operation in [Operation::GetSecretValue, Operation::PutSecretValue, Operation::CreateSecret] {
        for failure in [
            refused("ValidationException", &echo),
            refused("InvalidParameterException", &echo),
            refused("LimitExceededException", &echo),
            refused("AccessDeniedException", "User: alice is not authorized to perform this"),
            refused("DecryptionFailure", "the key is disabled"),
            refused("SomethingNew", &echo),
        ] {
            scene.service.simulator.inject(Fault::new(failure.clone()).on(operation));
            let output = scene.run(&["save"], &scene.json());
            assert!(!output.status.success() && !output.stderr.is_empty(), "{operation}, {failure:?}");
            scene.service.simulator.clear_faults();
        }
    }
    // What is tried again is logged all the same.
    for failure in [Failure::ConnectionLost, Failure::InternalServiceError, Failure::Throttled] {
        scene.service.simulator.inject(Fault::new(failure).times(2));
        scene.done(&["save"], &scene.json());
        scene.done(&["delete", &scene.id], "");
    }
}
