//! The vault's KMS key, and moving it to another.

use std::sync::Arc;

use secrets_manager_simulator::kms::{KeyState, Right};
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::Staleness;
use tokenvault::backend::secrets_manager::key_report::{KeyReport, KeyUse};
use tokenvault::error::{ErrorKind, Result};
use tokenvault::fields::Field::{AccessToken, ClientId, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::cut::Cut;
use crate::simulated::World;

fn sign_in(user: &str) -> OAuthToken {
    let refresh = format!("refresh of {user}");
    OAuthToken::new().with(UserName, user).with(ClientId, "app").with(RefreshToken, &refresh).with(AccessToken, "first")
}

async fn save(vault: &Vault, token: &mut OAuthToken) {
    vault.save_token(&Context::new(), token).await.unwrap();
}

async fn rotate(world: &World, who: &str, key: &str) -> Result<KeyReport> {
    world.backend(who).rotate_key(&Context::new(), key, &|_, _| ()).await.map(|answer| answer.value)
}

/// A vault under the key "old": ada, who was refreshed twice, and bob, who was deleted.
async fn vault_with_past(world: &World) -> OAuthToken {
    let vault = world.vault("before");
    let (mut ada, mut bob) = (sign_in("ada"), sign_in("bob"));
    save(&vault, &mut ada).await;
    save(&vault, &mut bob).await;
    for access in ["second", "third"] {
        ada = ada.with(AccessToken, access);
        save(&vault, &mut ada).await;
    }
    vault.delete_token(&Context::new(), bob.id().unwrap()).await.unwrap();
    ada
}

async fn users(vault: &Vault) -> Vec<String> {
    let tokens = vault.get_tokens(&Context::new()).await.unwrap().value;
    let mut users: Vec<String> = tokens.iter().map(|token| token.user_name().unwrap().to_owned()).collect();
    users.sort_unstable();
    users
}

#[tokio::test]
async fn new_secrets_are_made_under_the_key_of_the_index_whatever_the_store_names() {
    let world = World::under(Settings::new().seed(1), "old").await;
    for (number, named) in [None, Some("new"), Some("old")].into_iter().enumerate() {
        let vault = Vault::new(Arc::new(world.backend_naming("other", named)));
        save(&vault, &mut sign_in(&format!("user {number}"))).await;
    }
    world.assert_under("old", "three tokens and the index");
    let vault = world.vault("other");
    for number in 3..80 {
        save(&vault, &mut sign_in(&format!("user {number}"))).await;
    }
    assert_eq!(world.secrets("test/vault/index/").await.len(), 16);
    world.assert_under("old", "pages as well");
}

#[tokio::test]
async fn knowing_the_key_costs_no_call() {
    let calls = async |world: World| {
        save(&world.vault("before"), &mut sign_in("ada")).await;
        let before = world.simulator.counters().total();
        save(&world.vault("cold"), &mut sign_in("bob")).await;
        assert_eq!(world.simulator.counters().of(Operation::DescribeSecret), 0);
        world.simulator.counters().total() - before
    };
    let settings = || Settings::new().seed(1);
    assert_eq!(calls(World::under(settings(), "old").await).await, calls(World::new(settings()).await).await);
}

#[tokio::test]
async fn a_vault_moves_to_another_key_whole_and_makes_no_versions() {
    let world = World::under(Settings::new().seed(1), "old").await;
    let ada = vault_with_past(&world).await;
    let secret = format!("test/vault/token/{}", ada.id().unwrap());
    let versions = world.simulator.secret(&secret).unwrap().versions.len();
    let running = world.vault("running");
    assert_eq!(users(&running).await, ["ada"]);

    let report = rotate(&world, "operator", "new").await.unwrap();
    world.assert_under("new", "after the change");
    assert_eq!(world.simulator.secret(&secret).unwrap().versions.len(), versions);
    // The index, ada, and the audit trail's key, which is made; bob is deleted.
    assert_eq!((report.secrets, report.moved, report.current(), report.has_listed), (4, 3, 0, true), "{report:?}");
    // bob's tombstone and the value before it; what ada had first; the index as it was at first and with one entry.
    let KeyUse { current, recoverable, history } = report.left["old"];
    assert_eq!((current, recoverable), (0, 2));
    assert!(history >= 2, "{report:?}");
    assert_eq!(report.left.len(), 1);

    world.simulator.keys(|keys| keys.set("old", KeyState::Disabled));
    save(&running, &mut ada.clone().with(AccessToken, "fourth")).await;
    save(&running, &mut sign_in("cleo")).await;
    assert_eq!(users(&world.vault("next")).await, ["ada", "cleo"]);
    world.assert_under("new", "a running process makes new secrets under it");

    let again = rotate(&world, "operator", "new").await.unwrap();
    assert_eq!((again.moved, again.passes, again.left["old"].recoverable), (0, 1, 2), "{again:?}");
}

#[tokio::test]
async fn an_index_of_many_pages_moves_as_well() {
    let world = World::under(Settings::new().seed(1), "old").await;
    let vault = world.vault("before");
    for number in 0..70 {
        save(&vault, &mut sign_in(&format!("user {number}"))).await;
    }
    let report = rotate(&world, "operator", "new").await.unwrap();
    world.assert_under("new", "pages and tokens");
    assert_eq!((report.secrets, report.moved, report.current()), (17 + 70 + 1, 17 + 70 + 1, 0), "{report:?}");
    save(&vault, &mut sign_in("new user")).await;
    world.assert_under("new", "and new ones");
    assert_eq!(users(&world.vault("next")).await.len(), 71);
}

#[tokio::test]
async fn what_cannot_be_encrypted_anew_is_told_and_done_by_the_next_run() {
    let world = World::under(Settings::new().seed(1), "old").await;
    vault_with_past(&world).await;
    world.simulator.keys(|keys| {
        keys.allow("new", "operator", [Right::Decrypt, Right::GenerateDataKey]);
        keys.allow("new", "reader", [Right::Decrypt]);
    });
    let report = rotate(&world, "operator", "new").await.unwrap();
    // The index was written anew; the token was not.
    assert_eq!(report.current(), 1, "{report:?}");
    assert_eq!(users(&world.vault("reader")).await, ["ada"], "the old key still opens it");
    world.simulator.keys(|keys| keys.allow("new", "operator", [Right::Encrypt]));
    assert_eq!(rotate(&world, "operator", "new").await.unwrap().current(), 0);
    world.assert_under("new", "the second run");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_changes_nothing() {
    let world = World::under(Settings::new().seed(1), "old").await;
    vault_with_past(&world).await;
    world.simulator.keys(|keys| keys.set("new", KeyState::PendingDeletion));
    for (key, kind) in
        [("new", ErrorKind::PermissionDenied), ("none", ErrorKind::PermissionDenied), ("a b", ErrorKind::InvalidInput)]
    {
        assert_eq!(rotate(&world, "operator", key).await.unwrap_err().kind(), kind, "{key}");
        world.assert_under("old", key);
    }
    save(&world.vault("next"), &mut sign_in("cleo")).await;
    world.assert_under("old", "and goes on");
}

#[tokio::test]
async fn a_vault_leaves_the_accounts_own_key() {
    let world = World::new(Settings::new().seed(1)).await;
    world.simulator.keys(|keys| keys.create("new"));
    let ada = vault_with_past(&world).await;
    let report = rotate(&world, "operator", "new").await.unwrap();
    world.assert_under("new", "from aws/secretsmanager");
    assert_eq!(report.left["DefaultEncryptionKey"].recoverable, 2, "{report:?}");
    assert_eq!(ada.user_name(), Some("ada"));
}

#[tokio::test]
async fn without_the_right_to_list_the_report_says_so() {
    use secrets_manager_simulator::iam::policy::Policy;
    use secrets_manager_simulator::iam::principal::Principal;
    let world = World::under(Settings::new().seed(1), "old").await;
    vault_with_past(&world).await;
    let own = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "arn:aws:secretsmanager:*:*:secret:test/vault/*"}]}"#;
    let operator = Principal::new("arn:aws:iam::123456789012:user/op").policy(Policy::parse(own).unwrap());
    world.simulator.principals(|principals| principals.insert("operator", operator));
    let report = rotate(&world, "operator", "new").await.unwrap();
    assert!(!report.has_listed && report.current() == 0, "{report:?}");
    world.assert_under("new", "without ListSecrets");
}

#[tokio::test]
async fn reads_that_come_late_do_not_end_it_too_early() {
    for staleness in [Staleness::Lagging, Staleness::Adversarial, Staleness::Stalest] {
        let world = World::under(Settings::new().seed(3), "old").await;
        vault_with_past(&world).await;
        world.simulator.set(|switches| {
            switches.staleness = staleness;
            switches.empty_pages = 20;
        });
        rotate(&world, "operator", "new").await.unwrap();
        world.assert_under("new", &format!("{staleness:?}"));
    }
}

/// Cuts a change of the key off at each of its calls in turn, before or after the call took effect.
async fn cut_everywhere(with_effect: bool) -> usize {
    for left in 0.. {
        let cut = Arc::new(Cut::default());
        let world = World::under(Settings::new().seed(1).gate(Arc::clone(&cut) as _), "old").await;
        let ada = vault_with_past(&world).await;
        cut.arm(left, with_effect);
        let ended = rotate(&world, "victim", "new").await;
        let what = format!("cut off after {left} calls, the next with effect: {with_effect}: {ended:?}");
        let next = world.vault("next");
        assert_eq!(users(&next).await, ["ada"], "{what}");
        save(&next, &mut ada.clone().with(AccessToken, "fourth")).await;
        save(&next, &mut sign_in("cleo")).await;
        world.assert_consistent(&what).await;
        let report = rotate(&world, "operator", "new").await.unwrap_or_else(|error| panic!("{what}, again: {error:?}"));
        assert_eq!(report.current(), 0, "{what}");
        world.assert_under("new", &what);
        assert_eq!(users(&world.vault("after")).await, ["ada", "cleo"], "{what}");
        if !cut.was_cut() {
            return left;
        }
    }
    0
}

#[tokio::test]
async fn what_was_cut_off_before_a_call_is_taken_up_by_the_next_run() {
    assert!(cut_everywhere(false).await >= 25, "fewer calls than it makes");
}

#[tokio::test]
async fn what_was_cut_off_after_a_call_is_taken_up_by_the_next_run() {
    assert!(cut_everywhere(true).await >= 25, "fewer calls than it makes");
}

#[tokio::test]
async fn saves_go_on_while_it_runs() {
    let world = World::under(Settings::new().seed(1), "old").await;
    let vault = world.vault("busy");
    let mut tokens: Vec<OAuthToken> = (0..20).map(|number| sign_in(&format!("user {number}"))).collect();
    for token in &mut tokens {
        save(&vault, token).await;
    }
    let busy = async {
        for round in 0..4 {
            for (number, token) in tokens.iter_mut().enumerate() {
                *token = token.clone().with(AccessToken, &format!("round {round}"));
                save(&vault, token).await;
                save(&vault, &mut sign_in(&format!("new {round} {number}"))).await;
            }
        }
    };
    let (report, ()) = tokio::join!(rotate(&world, "operator", "new"), busy);
    assert_eq!(report.unwrap().current(), 0);
    world.assert_under("new", "whoever was made meanwhile");
    let found = world.vault("after").get_tokens(&Context::new()).await.unwrap().value;
    assert_eq!(found.len(), 100);
    let last = |token: &&Arc<OAuthToken>| token.fields().text(AccessToken) == Some("round 3");
    assert_eq!(found.iter().filter(last).count(), 20, "no save was lost");
}
