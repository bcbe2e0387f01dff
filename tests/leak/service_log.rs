//! What is printed at the highest log level over AWS, where the SDK and all that is below it log too.

use std::io::Write;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tokenvault::fields::Field;

use crate::canary::{self, Wanted};
use crate::service::Service;

#[test]
fn over_aws_nothing_that_is_logged_holds_a_secret() {
    let (folder, service, random) = (TempDir::new().unwrap(), Service::start(), &mut fastrand::Rng::new());
    let (texts, secret_key) = (canary::texts(random), canary::secret(random));
    let secrets = texts.iter().filter(|(field, _)| field.is_secret()).map(|(_, text)| text.as_str());
    let wanted = Wanted::new(secrets.chain([secret_key.as_str()]));
    let json = serde_json::Value::Object(
        texts.iter().map(|(field, text)| (field.name().to_owned(), text.as_str().into())).collect(),
    );
    let run = |args: &[&str], input: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenvault"));
        command.args(args).env_clear().current_dir(folder.path()).env("HOME", folder.path().join("home"));
        command.env("TOKENVAULT_LOG", "trace").env("TOKENVAULT_STORE", "aws:test/vault");
        service.dress(&mut command, folder.path(), &secret_key);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains("TRACE") && log.contains("aws_smithy_runtime"), "{args:?} logs all there is");
        wanted.assert_not_in(&output.stderr, &format!("the log of {args:?}"));
        wanted.assert_not_in(&output.stdout, &format!("standard output of {args:?}"));
    };
    let refresh = &texts.iter().find(|(field, _)| *field == Field::RefreshToken).unwrap().1;
    run(&["init"], "");
    run(&["save"], &json.to_string());
    run(&["save"], &json.to_string());
    run(&["find", "--refresh-token-stdin"], refresh);
    run(&["list"], "");
    run(&["delete-all", "--yes"], "");
    let called: Vec<String> = service.simulator.counters().operations().map(|(name, _)| name.to_string()).collect();
    for name in ["CreateSecret", "DeleteSecret", "GetSecretValue", "PutSecretValue"] {
        assert!(called.iter().any(|called| called == name), "{name} was logged, too: {called:?}");
    }
}
