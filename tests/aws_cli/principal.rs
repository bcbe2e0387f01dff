//! Who the audit trail says it was: whoever AWS takes the credentials for.

use std::net::TcpListener;
use std::process::Command;

use crate::provider::Provider;
use crate::scene::{Scene, feed};

const ARN: &str = "arn:aws:sts::123456789012:assumed-role/crm/worker-7";

const ANSWER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
    <Arn>arn:aws:sts::123456789012:assumed-role/crm/worker-7</Arn><UserId>AROA:worker-7</UserId><Account>123456789012</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

/// The principals of a list's lines, and what was said on standard error.
fn principals(scene: &Scene, sts: &str) -> (Vec<String>, String) {
    principals_of(scene.command(&["list"]), sts)
}

fn principals_of(mut command: Command, sts: &str) -> (Vec<String>, String) {
    command.env("TOKENVAULT_AUDIT", "stdout").env("TOKENVAULT_FORMAT", "json").env("TOKENVAULT_PRINCIPAL", "sts:");
    command.env("TOKENVAULT_LOG", "warn").env("AWS_ENDPOINT_URL_STS", sts);
    let run = feed(command, "");
    assert_eq!(run.exit, Some(0), "{}", run.stderr);
    let lines = run.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let named = lines.filter_map(|line| line.get("principal").and_then(|name| name.as_str().map(str::to_owned)));
    (named.collect(), run.stderr)
}

#[test]
fn sts_is_asked_once_and_its_answer_stands_in_every_line() {
    let (scene, sts) = (Scene::new(), Provider::start(ANSWER));
    let (named, _) = principals(&scene, &sts.url);
    assert!(!named.is_empty() && named.iter().all(|name| name == ARN), "{named:?}");
    let asked = sts.asked();
    assert!(asked.len() == 1 && asked[0].contains("Action=GetCallerIdentity"), "{asked:?}");
}

#[test]
fn the_region_of_the_store_is_enough_to_ask_sts() {
    let (scene, sts) = (Scene::new(), Provider::start(ANSWER));
    let mut command = scene.command(&["list"]);
    command.env_remove("AWS_REGION").env("TOKENVAULT_STORE", "aws:test/vault?region=us-east-1");
    let (named, said) = principals_of(command, &sts.url);
    assert!(!named.is_empty() && named.iter().all(|name| name == ARN), "{named:?} {said}");
}

#[test]
fn without_an_answer_the_user_of_the_machine_is_named_and_nothing_is_stopped() {
    let (scene, sts) = (Scene::new(), Provider::start("no XML"));
    sts.answers(500, "canary");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for url in [sts.url.clone(), format!("http://{}", silent.local_addr().unwrap())] {
        let (named, said) = principals(&scene, &url);
        assert!(!named.is_empty() && named.iter().all(|name| name.starts_with("uid ")), "{named:?}");
        assert!(said.contains("AWS STS does not say who this is") && !said.contains("canary"), "{said}");
    }
}

#[test]
fn who_wants_no_trail_asks_nobody() {
    let (scene, sts) = (Scene::new(), Provider::start(ANSWER));
    let mut command = scene.command(&["list"]);
    command.env("TOKENVAULT_PRINCIPAL", "sts:").env("AWS_ENDPOINT_URL_STS", &sts.url);
    assert_eq!(feed(command, "").exit, Some(0));
    assert!(sts.asked().is_empty());
}
