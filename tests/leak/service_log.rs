//! What is printed at the highest log level over AWS, where the SDK and all that is below it log too, and what AWS itself
//! is told in clear: names, tags, descriptions, and whatever else CloudTrail writes down.

use std::io::Write;
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
use crate::service::Service;

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

    /// Runs a command, and looks at all that it logs and says.
    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenvault"));
        command.args(args).env_clear().current_dir(self.folder.path()).env("HOME", self.folder.path().join("home"));
        command.env("TOKENVAULT_LOG", "trace").env("TOKENVAULT_STORE", "aws:test/vault");
        self.service.dress(&mut command, self.folder.path(), &self.secret_key);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains("TRACE") && log.contains("aws_smithy_runtime"), "{} logs all there is", args[0]);
        self.all().assert_not_in(&output.stderr, &format!("the log of {}", args[0]));
        self.secrets().assert_not_in(&output.stdout, &format!("standard output of {}", args[0]));
        output
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

#[test]
fn over_aws_nothing_that_is_logged_holds_a_secret() {
    Scene::new().live();
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
