//! Access tokens that live too short for what a secret of AWS takes of versions in a day.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::{Client, Config};
use serde_json::json;
use tokenvault::backend::secrets_manager::naming::Prefix;
use tokenvault::backend::secrets_manager::{SecretsManagerBackend, SecretsManagerOptions};
use tokenvault::clock::{ManualClock, Timestamp};
use tokenvault::fields::Field::{AccessToken, ExpiresIn, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::doctor::bench::{check, doctor};
use crate::scene::Scene;
use crate::service::ACCESS_KEY;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A user of this number signs in and refreshes once, by a clock that stands still: to the second, the access token lives so long.
fn refresh(scene: &Scene, user: usize, life: Duration) {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(ACCESS_KEY, "any", None, None, "tests"))
        .http_client(scene.service.simulator.http_client());
    let options = SecretsManagerOptions::new(Prefix::parse("test/vault").unwrap());
    let backend = SecretsManagerBackend::new(Client::from_conf(config.build()), options);
    let vault = Vault::with_clock(Arc::new(backend), Arc::new(ManualClock::new(NOW)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let user = format!("user {user}");
        let mut token = OAuthToken::new().with(UserName, &user).with(RefreshToken, &format!("canary of {user}"));
        vault.save_token(&Context::new(), &mut token).await.unwrap();
        let end = NOW.after(life).as_millis().to_string();
        token = token.with(AccessToken, "canary").with(ExpiresIn, &end);
        vault.save_token(&Context::new(), &mut token).await.unwrap();
    });
}

/// A minute may lie between the provider's answer and the save that tells: so the bounds of 20 and 40 minutes are a minute lower.
#[test]
fn access_tokens_that_live_too_short_are_told_and_what_follows() {
    let keep_in_a_file = "live for less than 20 minutes, their saves run out of what AWS keeps of versions in a day; keep \
        such tokens in a file";
    let each_process = "live for less than 40 minutes, one refreshes for each process, not for all machines";
    let scene = Scene::new();
    // The shortest counts: each user comes beside those before.
    for (user, (life, result, detail, to_do)) in [
        (None, "ok", "not known: no token has been refreshed yet", None),
        (Some(60 * 60), "ok", "60 min at the least", None),
        (Some(39 * 60), "ok", "39 min at the least", None),
        (Some(39 * 60 - 1), "warning", "one lives for 38 min", Some(each_process)),
        (Some(19 * 60), "warning", "one lives for 19 min", Some(each_process)),
        (Some(19 * 60 - 1), "warning", "one lives for 1139 s", Some(keep_in_a_file)),
        (Some(60 * 60), "warning", "one lives for 1139 s", Some(keep_in_a_file)),
    ]
    .into_iter()
    .enumerate()
    {
        if let Some(life) = life {
            refresh(&scene, user, Duration::from_secs(life));
        }
        let (run, checks) = doctor(&scene, &[]);
        assert_eq!(run.exit, Some(0), "{}", run.stderr);
        let row = check(&checks, "lives of access tokens");
        assert_eq!((&row["result"], &row["detail"]), (&json!(result), &json!(detail)), "{life:?}: {row}");
        let told = row["to_do"].as_str();
        assert!(told.is_some_and(|told| to_do.is_some_and(|to_do| told.contains(to_do))) || told == to_do, "{row}");
    }
}
