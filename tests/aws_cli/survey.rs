//! `verify` and `verify --repair` over AWS.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use secrets_manager_simulator::wire::Request;
use serde_json::{Value, json};

use crate::scene::Scene;

const TOKEN: &str = r#"{"user_name": "ada", "client_id": "app", "refresh_token": "canary"}"#;

fn verified(scene: &Scene) -> Value {
    serde_json::from_str(&scene.done(&["verify", "--format", "json"], "")).unwrap()
}

#[test]
fn a_whole_vault_is_said_to_be_whole() {
    let scene = Scene::new();
    scene.done(&["save"], TOKEN);
    assert_eq!(scene.done(&["verify"], ""), "whole: 1 token in 1 page of the index\n");
    let survey = verified(&scene);
    assert_eq!((&survey["is_whole"], &survey["tokens"]), (&json!(true), &json!(1)));
}

#[test]
fn a_lost_index_is_damage_and_a_repair_that_is_killed_while_it_waits_has_mended_it() {
    let scene = Scene::new();
    scene.done(&["save"], TOKEN);
    let index = json!({ "SecretId": "test/vault/index", "RecoveryWindowInDays": 7 });
    scene.service.simulator.handle(&Request::new("DeleteSecret", &index)).unwrap();
    scene.run(&["verify"], "").assert_refused(5, &["the vault is not whole", "tokenvault verify --repair"]);
    let mut command = scene.command(&["verify", "--repair"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let said: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.contains("listed again")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.iter().any(|line| line.contains("building a new index")), "{said:?}");
    assert!(!said.iter().any(|line| line.contains("canary")));
    assert_eq!(verified(&scene)["is_whole"], json!(true));
    assert!(scene.done(&["list"], "").contains("ada"));
}

#[test]
fn only_a_vault_in_aws_is_repaired() {
    let scene = Scene::bare();
    let run = scene.run(&["verify", "--repair", "--store", "file:vault.tv"], "");
    run.assert_refused(2, &["only a vault in AWS"]);
}
