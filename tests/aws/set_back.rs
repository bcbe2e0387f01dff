//! Versions that somebody has put in force, or written, by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use secrets_manager_simulator::gate::{Call, Gate, Passage, Phase, Verdict};
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::{Staleness, Switches};
use tokenvault::error::{ErrorKind, Retry};
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, RedirectUrl, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::operator::Operator;
use crate::simulated::World;
use crate::warnings::Warnings;

const INDEX: &str = "test/vault/index";

async fn quiet() -> World {
    World::new(Settings::new().seed(1)).await
}

fn ada() -> OAuthToken {
    let token = OAuthToken::new().with(UserName, "ada").with(ClientId, "app").with(AccessToken, "first");
    token.with(RefreshToken, "canary")
}

fn secret(token: &OAuthToken) -> String {
    format!("test/vault/token/{}", token.id().unwrap())
}

async fn save(vault: &Vault, token: &OAuthToken) -> OAuthToken {
    let mut saved = token.clone();
    vault.save_token(&Context::new(), &mut saved).await.unwrap();
    saved
}

/// The token as it is found, with another access token that lives longer than those before.
async fn refresh(vault: &Vault, access: &str, expiry: u64) -> tokenvault::error::Result<()> {
    let mut token = OAuthToken::new().with(UserName, "ada");
    vault.find_token(&Context::new(), &mut token).await?;
    let mut token = token.with(AccessToken, access).with(ExpiresIn, &(1_795_311_652_000 + expiry).to_string());
    vault.save_token(&Context::new(), &mut token).await.map(drop)
}

async fn access(vault: &Vault) -> String {
    let mut token = OAuthToken::new().with(UserName, "ada");
    assert!(vault.find_token(&Context::new(), &mut token).await.unwrap().value);
    token.fields().text(AccessToken).unwrap().to_owned()
}

/// Ada, signed in and refreshed twice.
async fn refreshed_twice(vault: &Vault) -> OAuthToken {
    let token = save(vault, &ada()).await;
    refresh(vault, "second", 1000).await.unwrap();
    refresh(vault, "third", 2000).await.unwrap();
    token
}

fn pass(world: &World, seconds: u64) {
    world.simulator.clock().advance(Duration::from_secs(seconds));
}

fn assert_later(ended: tokenvault::error::Result<()>) {
    let error = ended.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{error}");
    assert!(error.hint().unwrap().contains("try again in a minute"));
}

#[tokio::test]
async fn a_token_that_was_put_back_is_saved_again_after_a_minute_and_what_came_after_is_named() {
    let (world, warnings) = (quiet().await, Warnings::gathered());
    let vault = world.vault("one");
    let secret = secret(&refreshed_twice(&vault).await);
    let operator = Operator::of(&world);
    let versions = operator.versions(&secret);
    operator.put_in_force(&secret, &versions[0]).await;
    let began = world.simulator.clock().now();
    assert_later(refresh(&vault, "late", 3000).await);
    assert!(world.simulator.clock().now().since(began) < Duration::from_secs(60), "nobody waits a minute for an error");
    assert_later(refresh(&vault, "late", 3000).await);
    assert_eq!(operator.current(&secret), versions[0], "nothing is written until it is sure");
    pass(&world, 61);
    refresh(&vault, "late", 3000).await.unwrap();
    assert_eq!(access(&vault).await, "late");
    assert_eq!(access(&world.vault("other")).await, "late");
    assert_eq!(warnings.naming(&[&versions[0], &versions[2], secret.rsplit('/').next().unwrap()]), 1);
    assert!(!warnings.hold("canary") && !warnings.hold("third"));
    world.assert_consistent("after a version was put back").await;
}

#[tokio::test]
async fn who_has_not_seen_what_came_after_takes_the_version_that_was_put_back_and_writes_over_nothing() {
    let world = quiet().await;
    let secret = secret(&refreshed_twice(&world.vault("one")).await);
    let operator = Operator::of(&world);
    let versions = operator.versions(&secret);
    operator.put_in_force(&secret, &versions[0]).await;
    let cold = world.vault("cold");
    assert_eq!(access(&cold).await, "first", "the operator's choice");
    assert_later(refresh(&cold, "late", 3000).await);
    pass(&world, 61);
    refresh(&cold, "late", 3000).await.unwrap();
    // Once more, back to the same version.
    operator.put_in_force(&secret, &versions[0]).await;
    let colder = world.vault("colder");
    assert_later(refresh(&colder, "later", 4000).await);
    pass(&world, 61);
    refresh(&colder, "later", 4000).await.unwrap();
    assert_eq!(access(&world.vault("coldest")).await, "later");
    for version in versions {
        assert!(operator.versions(&secret).contains(&version), "every version is there still");
    }
}

/// Shows a process states of so many changes ago, while that is not 0.
#[derive(Debug, Default)]
struct Late(AtomicUsize);

impl Gate for Late {
    fn pass(&self, call: &Call, phase: Phase) -> Passage {
        let back = if call.access_key == "late" { self.0.load(Ordering::SeqCst) } else { 0 };
        let verdict =
            if phase == Phase::Before && !call.operation.is_write() { Verdict::Stale(back) } else { Verdict::Go };
        Box::pin(std::future::ready(verdict))
    }
}

/// The hazard: a version was put back in force once, and a stale read shows it again when it has been replaced.
#[tokio::test]
async fn a_stale_read_of_a_version_that_was_put_back_once_overwrites_nothing() {
    let late = Arc::new(Late::default());
    let switches =
        Switches { staleness: Staleness::Adversarial, read_lag: Duration::from_secs(30), ..Switches::default() };
    let world = World::new(Settings::new().seed(1).switches(switches).gate(Arc::clone(&late) as _)).await;
    let (vault, other) = (world.vault("late"), world.vault("other"));
    let secret = secret(&refreshed_twice(&vault).await);
    let operator = Operator::of(&world);
    let first = operator.versions(&secret)[0].clone();
    operator.put_in_force(&secret, &first).await;
    pass(&world, 31);
    assert_later(refresh(&vault, "late", 3000).await);
    pass(&world, 61);
    refresh(&vault, "late", 3000).await.unwrap();
    let mut redirected = OAuthToken::new().with(UserName, "ada");
    other.find_token(&Context::new(), &mut redirected).await.unwrap();
    save(&other, &redirected.with(RedirectUrl, "https://there")).await;
    // Two changes ago the version was in force that had been put back.
    late.0.store(2, Ordering::SeqCst);
    let ended = refresh(&vault, "later", 4000).await;
    late.0.store(0, Ordering::SeqCst);
    if ended.is_err() {
        refresh(&vault, "later", 4000).await.unwrap();
    }
    let mut found = OAuthToken::new().with(UserName, "ada");
    other.find_token(&Context::new(), &mut found).await.unwrap();
    assert_eq!(found.fields().text(AccessToken), Some("later"));
    assert_eq!(found.fields().text(RedirectUrl), Some("https://there"), "what the other saved is not lost");
}

#[tokio::test]
async fn a_copy_of_an_old_version_written_by_hand_is_taken_up_and_told_of_once() {
    let (world, warnings) = (quiet().await, Warnings::gathered());
    let vault = world.vault("one");
    let secret = secret(&refreshed_twice(&vault).await);
    let operator = Operator::of(&world);
    let old = operator.value(&secret, &operator.versions(&secret)[0]);
    let by_hand = operator.write(&secret, old).await;
    let cold = world.vault("cold");
    assert_eq!(access(&cold).await, "first");
    assert_eq!(access(&cold).await, "first");
    assert_eq!(warnings.naming(&[&by_hand, "not written by a vault"]), 1);
    refresh(&cold, "late", 3000).await.unwrap();
    assert_eq!(access(&vault).await, "late", "who has seen later versions follows at once: it is above them all");
    world.assert_consistent("after a copy by hand").await;
}

#[tokio::test]
async fn who_has_seen_later_versions_takes_a_copy_by_hand_after_a_minute() {
    let world = quiet().await;
    let vault = world.vault("one");
    let secret = secret(&refreshed_twice(&vault).await);
    let operator = Operator::of(&world);
    let old = operator.value(&secret, &operator.versions(&secret)[0]);
    operator.write(&secret, old).await;
    assert_later(refresh(&vault, "late", 3000).await);
    pass(&world, 61);
    refresh(&vault, "late", 3000).await.unwrap();
    assert_eq!(access(&world.vault("cold")).await, "late");
}

#[tokio::test]
async fn a_version_of_before_a_key_change_is_listed_under_its_keys_again() {
    let (world, cx) = (quiet().await, Context::new());
    let vault = world.vault("one");
    let mut token = OAuthToken::new().with(AccessToken, "a");
    vault.save_token(&cx, &mut token).await.unwrap();
    let secret = secret(&token);
    save(&vault, &token.clone().with(RefreshToken, "r")).await;
    save(&vault, &ada()).await;
    let operator = Operator::of(&world);
    operator.put_in_force(&secret, &operator.versions(&secret)[0]).await;
    let by_id = async || vault.find_token_by_id(&cx, token.id().unwrap()).await;
    assert_later(by_id().await.map(drop));
    pass(&world, 61);
    let found = by_id().await.unwrap().value.unwrap();
    save(&vault, &OAuthToken::clone(&found).with(RedirectUrl, "https://there")).await;
    let mut by_access = OAuthToken::new().with(AccessToken, "a");
    assert!(vault.find_token(&cx, &mut by_access).await.unwrap().value, "its key had been taken out of the index");
    world.assert_consistent("after a key change was put back").await;
}

#[tokio::test]
async fn what_is_not_ours_under_a_tokens_name_is_an_error_that_says_what_to_do() {
    let world = quiet().await;
    let vault = world.vault("one");
    let secret = secret(&refreshed_twice(&vault).await);
    let bob = OAuthToken::new().with(UserName, "bob").with(ClientId, "app").with(RefreshToken, "r");
    save(&vault, &bob).await;
    let operator = Operator::of(&world);
    let whole = operator.current(&secret);
    let by_hand = operator.write(&secret, b"a password that somebody mistook it for".to_vec()).await;
    for vault in [&vault, &world.vault("cold")] {
        let error = refresh(vault, "late", 3000).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(secret.rsplit('/').next().unwrap()), "{error}");
        assert!(error.hint().unwrap().contains("update-secret-version-stage"));
        assert_eq!(operator.current(&secret), by_hand, "nothing was written over it");
        let mut found = OAuthToken::new().with(UserName, "bob");
        assert!(vault.find_token(&Context::new(), &mut found).await.unwrap().value, "others are in use all the while");
    }
    operator.put_in_force(&secret, &whole).await;
    refresh(&vault, "late", 3000).await.unwrap();
    assert_eq!(access(&world.vault("colder")).await, "late");
}

/// Three users, and the versions of the index from before each.
async fn three_users(world: &World) -> Vec<String> {
    let vault = world.vault("one");
    for user in ["ada", "bob", "cleo"] {
        save(&vault, &OAuthToken::new().with(UserName, user).with(RefreshToken, user)).await;
    }
    Operator::of(world).versions(INDEX)
}

async fn users(vault: &Vault) -> usize {
    vault.get_tokens(&Context::new()).await.unwrap().value.len()
}

#[tokio::test]
async fn a_page_of_the_index_that_was_put_back_loses_nobody() {
    let (world, warnings) = (quiet().await, Warnings::gathered());
    let versions = three_users(&world).await;
    let (operator, vault) = (Operator::of(&world), world.vault("one"));
    assert_eq!(users(&vault).await, 3);
    operator.put_in_force(INDEX, &versions[1]).await;
    assert_eq!(users(&vault).await, 3, "who has seen a later version follows to the last one");
    assert_eq!(warnings.naming(&[INDEX, &versions[1]]), 1);
    assert_eq!(users(&world.vault("cold")).await, 3, "and puts it in force again");
    operator.put_in_force(INDEX, &versions[0]).await;
    // Who has seen nothing is told by the first write.
    let cold = world.vault("colder");
    save(&cold, &OAuthToken::new().with(UserName, "cleo").with(RefreshToken, "again")).await;
    assert_eq!((users(&cold).await, users(&world.vault("coldest")).await), (3, 3));
    world.assert_consistent("after the index was put back").await;
}

#[tokio::test]
async fn an_index_restored_from_yesterday_loses_nobody() {
    let (world, warnings) = (quiet().await, Warnings::gathered());
    let versions = three_users(&world).await;
    let operator = Operator::of(&world);
    let yesterday = operator.value(INDEX, &versions[1]);
    pass(&world, 24 * 60 * 60);
    for attempt in 1..=3 {
        let by_hand = operator.write(INDEX, yesterday.clone()).await;
        let cold = world.vault("cold");
        assert_eq!(users(&cold).await, 3, "restored {attempt} times");
        assert_eq!(users(&cold).await, 3);
        assert_eq!(warnings.naming(&[INDEX, &by_hand]), 1, "told once");
    }
    let cold = world.vault("colder");
    save(&cold, &OAuthToken::new().with(UserName, "dan").with(RefreshToken, "r")).await;
    save(&cold, &OAuthToken::new().with(UserName, "cleo").with(RefreshToken, "again")).await;
    assert_eq!((users(&cold).await, users(&world.vault("coldest")).await), (4, 4));
    world.assert_consistent("after the index was restored").await;
}

#[tokio::test]
async fn an_index_that_is_not_ours_is_an_error_that_says_what_to_do() {
    let world = quiet().await;
    three_users(&world).await;
    let operator = Operator::of(&world);
    let (whole, by_hand) = (operator.current(INDEX), operator.write(INDEX, b"{}".to_vec()).await);
    let mut dan = OAuthToken::new().with(UserName, "dan").with(RefreshToken, "r");
    let error = world.vault("cold").save_token(&Context::new(), &mut dan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains(INDEX) && error.hint().unwrap().contains("update-secret-version-stage"));
    assert_eq!(operator.current(INDEX), by_hand);
    operator.put_in_force(INDEX, &whole).await;
    assert_eq!(users(&world.vault("colder")).await, 3);
}
