//! A token that a newer version of the program has written: each command says so once, and touches nothing.

use data_encoding::BASE64;
use secrets_manager_simulator::wire::Request;
use serde_json::{Value, json};

use crate::scene::Scene;

const ALICE: &str = r#"{"user_name": "alice", "client_id": "1", "refresh_token": "canary", "access_token": "canary"}"#;

/// The byte that tells the format.
const FORMAT: usize = 4;

#[test]
fn a_token_of_a_newer_format_is_told_as_that() {
    let scene = Scene::new();
    let (alice, bob) = (scene.done(&["save"], ALICE), scene.done(&["save"], &ALICE.replace("alice", "bob")));
    let (alice, bob) = (alice.trim(), bob.trim());
    let secret = format!("test/vault/token/{alice}");
    let mut value = scene.service.simulator.secret(&secret).unwrap().labelled("AWSCURRENT").unwrap().value.clone();
    value[FORMAT] += 1;
    let token = format!("by-hand-{:032x}", fastrand::u128(..));
    let put = json!({ "SecretId": secret, "SecretBinary": BASE64.encode(&value), "ClientRequestToken": token });
    scene.service.simulator.handle(&Request::new("PutSecretValue", &put)).unwrap().json().unwrap();
    let newer = scene.service.simulator.secret(&secret).unwrap();

    let written = format!("a secret was written by a newer version of tokenvault ({secret})");
    let said = [&*written, "try: use that version, or a later one"];
    for arguments in [
        &["get", alice][..],
        &["get", alice, "--field", "access_token"],
        &["find", "--user", "alice"],
        &["list"],
        &["delete", alice],
        &["delete-all", "--yes"],
        &["save"],
    ] {
        let run = scene.run(arguments, ALICE);
        run.assert_refused(6, &said);
        assert_eq!(run.stderr.matches("error: ").count(), 1, "{arguments:?}: {}", run.stderr);
        assert!(!run.stderr.contains("canary"), "{arguments:?}: {}", run.stderr);
    }
    assert!(scene.done(&["get", bob], "").contains("bob"), "no other token is touched by it");

    let to_do = "where a newer tokenvault wrote it, use that version";
    let run = scene.run(&["verify"], "");
    run.assert_refused(5, &["the vault is not whole: 1 trouble", to_do]);
    assert!(run.stdout.contains(&format!("a token's secret holds no token, or one of a newer format: {secret}")));
    let run = scene.run(&["doctor", "--format", "json"], "");
    run.assert_refused(5, &["something that the vault needs does not work"]);
    let told: Value = serde_json::from_str(&run.stdout).unwrap();
    let mut failed = told["checks"].as_array().unwrap().iter().filter(|check| check["result"] == "failed");
    let (Some(tokens), None) = (failed.next(), failed.next()) else { panic!("one check fails: {told}") };
    assert_eq!(tokens["name"], "the tokens");
    let text = tokens.to_string();
    assert!(text.contains("one of a newer format") && text.contains(&secret) && text.contains(to_do), "{text}");
    assert_eq!(scene.service.simulator.secret(&secret).unwrap(), newer, "nothing is written over it");
}
