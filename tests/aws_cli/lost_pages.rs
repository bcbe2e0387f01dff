//! A page of the index that somebody has deleted: which it is, and what to do.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::{Client, Config};
use secrets_manager_simulator::wire::Request;
use serde_json::json;
use tokenvault::backend::secrets_manager::naming::Prefix;
use tokenvault::backend::secrets_manager::{SecretsManagerBackend, SecretsManagerOptions};
use tokenvault::fields::Field::{RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::pause::{Pause, Paused};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::scene::{Run, Scene};
use crate::service::ACCESS_KEY;

/// Waits for nothing.
#[derive(Debug)]
struct AtOnce;

impl Pause for AtOnce {
    fn pause(&self, _: Duration) -> Paused<'_> {
        Box::pin(std::future::ready(()))
    }
}

/// A vault whose index has been split, and one of its pages.
fn split() -> (Scene, String) {
    let scene = Scene::new();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(ACCESS_KEY, "any", None, None, "tests"))
        .http_client(scene.service.simulator.http_client());
    let options = SecretsManagerOptions {
        pause: Arc::new(AtOnce),
        ..SecretsManagerOptions::new(Prefix::parse("test/vault").unwrap())
    };
    let vault = Vault::new(Arc::new(SecretsManagerBackend::new(Client::from_conf(config.build()), options)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for number in 0..66 {
            let user = format!("user {number}");
            let mut token = OAuthToken::new().with(UserName, &user).with(RefreshToken, &format!("canary of {user}"));
            vault.save_token(&Context::new(), &mut token).await.unwrap();
        }
    });
    let names = scene.service.simulator.names();
    let pages: Vec<&String> = names.iter().filter(|name| name.starts_with("test/vault/index/")).collect();
    assert_eq!(pages.len(), 16);
    let page = pages[3].clone();
    (scene, page)
}

/// What needs every page: each at the same time as the others, since they look for a page for a while.
fn all(scene: &Scene) -> Vec<Run> {
    let commands = [&["list"][..], &["delete-all", "--yes"], &["rotate-key", "--kms-key-id", "new"]];
    thread::scope(|scope| {
        let runs = commands.map(|arguments| scope.spawn(|| scene.run(arguments, "")));
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

#[test]
fn a_page_that_is_gone_for_good_is_named_with_the_repair() {
    let (scene, page) = split();
    let simulator = &scene.service.simulator;
    simulator.keys(|keys| keys.create("new"));
    let request = json!({ "SecretId": page, "ForceDeleteWithoutRecovery": true });
    simulator.handle(&Request::new("DeleteSecret", &request)).unwrap();
    simulator.clock().advance(Duration::from_secs(200));
    for run in all(&scene) {
        run.assert_refused(5, &["a page of the index is missing", &format!("({page})"), "tokenvault verify --repair"]);
        assert!(!run.stderr.contains("restore-secret"), "nothing is there to restore: {}", run.stderr);
    }
}

#[test]
fn a_page_in_its_recovery_window_is_named_with_both_ways_back() {
    let (scene, page) = split();
    scene.service.simulator.keys(|keys| keys.create("new"));
    scene.service.simulator.handle(&Request::new("DeleteSecret", &json!({ "SecretId": page }))).unwrap();
    let restore = format!("aws secretsmanager restore-secret --secret-id {page}");
    let what = format!("a page of the index is scheduled for deletion ({page})");
    for run in all(&scene) {
        run.assert_refused(5, &[&what, &restore, "tokenvault verify --repair"]);
    }
}
