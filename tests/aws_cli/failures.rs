//! What does not work, and what is said of it.

use std::net::TcpListener;

use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::kms::KeyState;

use crate::scene::{Run, Scene, feed};
use crate::service::ACCESS_KEY;

const TOKEN: &str = r#"{"user_name": "alice", "refresh_token": "canary"}"#;

/// Runs `list` with one variable set or, where it is empty, taken away.
fn list_with(scene: &Scene, variables: &[(&str, &str)]) -> Run {
    let mut command = scene.command(&["list"]);
    for (name, value) in variables {
        if value.is_empty() {
            command.env_remove(name)
        } else {
            command.env(name, value)
        };
    }
    feed(command, "")
}

#[test]
fn a_vault_is_made_once_and_before_it_is_used() {
    let scene = Scene::bare();
    let none = &["there is no vault under this prefix", "(aws:test/vault)", "tokenvault init"];
    scene.run(&["list"], "").assert_refused(1, none);
    scene.run(&["save"], TOKEN).assert_refused(1, none);
    scene.run(&["find", "--user", "alice"], "").assert_refused(1, none);
    for args in [&["init", "--make-key-file"][..], &["init", "--kdf-passes", "2"]] {
        scene.run(args, "").assert_refused(2, &["no key file or passphrase", "a copy, which has a key file"]);
    }
    scene.done(&["init"], "");
    scene.done(&["save"], TOKEN);
    scene.run(&["init"], "").assert_refused(2, &["there is a vault under this prefix already", "(aws:test/vault)"]);
    assert!(scene.done(&["list"], "").contains("alice"), "the vault that was there is as it was");
}

#[test]
fn what_cannot_be_set_so_is_refused_before_any_call() {
    let scene = Scene::new();
    for (store, said) in [
        ("aws:/test", "the prefix cannot begin the name of a secret"),
        ("aws:test?canary=1", "a parameter that there is not"),
        ("aws:test?region=us-east-1&region=us-east-1", "names region twice"),
        ("aws:test?endpoint=canary", "no usable endpoint"),
    ] {
        let run = list_with(&scene, &[("TOKENVAULT_STORE", store)]);
        run.assert_refused(2, &[said]);
        assert!(!run.stderr.contains("canary"), "{}", run.stderr);
    }
    list_with(&scene, &[("AWS_REGION", "")]).assert_refused(2, &["no Region is set for AWS", "AWS_REGION"]);
    for value in ["true", "TRUE"] {
        let said = ["the AWS SDK would write tokens into the log", "try: unset LOG_SENSITIVE_BODIES"];
        list_with(&scene, &[("LOG_SENSITIVE_BODIES", value)]).assert_refused(2, &said);
    }
    let calls: u64 = scene.service.simulator.counters().operations().map(|(_, count)| count).sum();
    assert_eq!(calls, 1, "only that of init");
}

#[test]
fn what_only_a_file_can_do_is_refused() {
    let scene = Scene::new();
    for args in [&["backup", "copy"][..], &["change-passphrase"]] {
        scene.run(args, "").assert_refused(2, &["this store is no file", "(aws:test/vault)", "file:PATH"]);
    }
    assert!(!scene.path("copy").exists());
}

#[test]
fn no_credentials() {
    let scene = Scene::new();
    let run = list_with(&scene, &[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")]);
    run.assert_refused(3, &["AWS took no credentials", "AWS_PROFILE"]);
}

/// On a machine that is none of AWS's, something else may answer in the place of its metadata.
#[test]
fn no_region_and_no_machine_of_awss() {
    let scene = Scene::new();
    let endpoint = scene.service.endpoint();
    let metadata = [("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str())];
    let run = list_with(&scene, &[metadata[0], metadata[1], ("AWS_REGION", "")]);
    run.assert_refused(2, &["no Region is set for AWS"]);
    assert!(!run.stderr.contains("imds"), "what happened and what to try, and no warning before it: {}", run.stderr);
}

#[test]
fn no_right() {
    let scene = Scene::new();
    let reads = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]}"#;
    let reader = Principal::new("arn:aws:iam::123456789012:user/alice").policy(Policy::parse(reads).unwrap());
    scene.service.simulator.principals(|principals| principals.insert(ACCESS_KEY, reader));
    assert_eq!(scene.done(&["list"], ""), "no tokens\n");
    let run = scene.run(&["save"], TOKEN);
    run.assert_refused(
        3,
        &["AWS refused the action", "user/alice", "secretsmanager:PutSecretValue", "test/vault/index"],
    );
    assert!(!run.stderr.contains("canary"), "{}", run.stderr);
}

#[test]
fn a_key_that_does_not_work() {
    let scene = Scene::bare();
    scene.service.simulator.keys(|keys| keys.create("key-1"));
    let store = ("TOKENVAULT_STORE", "aws:test/vault?kms_key_id=key-1");
    let mut command = scene.command(&["init"]);
    command.env(store.0, store.1);
    assert_eq!(feed(command, "").exit, Some(0));
    assert_eq!(list_with(&scene, &[store]).stdout, "no tokens\n");
    scene.service.simulator.keys(|keys| keys.set("key-1", KeyState::Disabled));
    list_with(&scene, &[store]).assert_refused(3, &["the KMS key could not be used", "DecryptionFailure"]);
}

#[test]
fn nobody_listens() {
    let scene = Scene::new();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = list_with(&scene, &[("AWS_ENDPOINT_URL", &format!("http://{closed}"))]);
    let asked = format!("asked: http://{closed}, Region us-east-1");
    run.assert_refused(4, &["AWS could not be reached", &asked, "check the Region, the endpoint and the network"]);
}

/// Neither is on the command line: they come from the environment, a profile or the store's name.
#[test]
fn who_finds_no_vault_is_told_which_endpoint_and_region_were_asked() {
    let scene = Scene::bare();
    for (variable, value, region) in [
        ("AWS_PROFILE", "", "us-east-1"),
        ("AWS_REGION", "eu-west-1", "eu-west-1"),
        ("TOKENVAULT_STORE", "aws:test/vault?region=eu-west-3", "eu-west-3"),
    ] {
        let asked = format!("asked: {}, Region {region}", scene.service.endpoint());
        let said = ["there is no vault under this prefix", &asked, "check the prefix, the Region and the account"];
        list_with(&scene, &[(variable, value)]).assert_refused(1, &said);
    }
}

/// What one Region holds is not there in another.
mod localstack {
    use super::{Scene, feed};
    use crate::emulator::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, localstack::endpoint};

    #[test]
    fn a_wrong_region_is_named_where_its_vault_is_not_there() {
        let (scene, store) = (Scene::bare(), format!("aws:test/region-{:016x}", fastrand::u64(..)));
        let run = |arguments: &[&str], region: &str| {
            let mut command = scene.command(arguments);
            command.env("AWS_ENDPOINT_URL", endpoint()).env("TOKENVAULT_STORE", &store).env("AWS_REGION", region);
            command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
            feed(command, super::TOKEN)
        };
        assert_eq!(run(&["init"], REGION).exit, Some(0));
        assert_eq!(run(&["save"], REGION).exit, Some(0));
        let asked = format!("asked: {}, Region eu-west-1", endpoint());
        for arguments in [&["list"][..], &["save"], &["find", "--user", "alice"], &["delete-all", "--yes"]] {
            let said = ["there is no vault under this prefix", &asked, "check the prefix, the Region and the account"];
            run(arguments, "eu-west-1").assert_refused(1, &said);
        }
        assert!(run(&["list"], REGION).stdout.contains("alice"));
    }
}

#[test]
fn throttled_again_and_again_or_broken_off() {
    let scene = Scene::new();
    for (failure, said) in
        [(Failure::Throttled, "AWS throttled the request"), (Failure::InternalServiceError, "AWS gave no answer")]
    {
        scene.service.simulator.inject(Fault::new(failure).times(u64::MAX));
        scene.run(&["list"], "").assert_refused(4, &[said]);
        scene.service.simulator.clear_faults();
    }
    scene.service.simulator.inject(Fault::new(Failure::ConnectionLost).times(u64::MAX));
    let asked = format!("asked: {}, Region us-east-1", scene.service.endpoint());
    scene
        .run(&["list"], "")
        .assert_refused(4, &["AWS gave no answer", &asked, "try again; if it stays, check the endpoint"]);
    scene.service.simulator.clear_faults();
    assert_eq!(scene.done(&["list"], ""), "no tokens\n");
}

#[test]
fn one_break_is_nothing_to_speak_of() {
    let scene = Scene::new();
    scene.service.simulator.inject(Fault::new(Failure::ConnectionLost).on_writes().after_effect().times(1));
    scene.done(&["save"], TOKEN);
    scene.service.simulator.inject(Fault::new(Failure::ConnectionLost).times(1));
    assert!(scene.done(&["list"], "").contains("alice"));
}
