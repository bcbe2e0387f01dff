//! Deleted tokens that are brought back.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::Staleness;
use tokenvault::backend::recovery::RecoveryWindow;
use tokenvault::clock::{Clock, ManualClock, Timestamp};
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::fields::Field::{AccessToken, ClientId, RefreshToken, UserName};
use tokenvault::identity::RecordName;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::undelete;
use tokenvault::vault::Vault;

use crate::cut::Cut;
use crate::simulated::{Time, World, client};

pub(crate) fn sign_in(user: &str, access: &str) -> OAuthToken {
    let refresh = format!("refresh {access} of {user}");
    OAuthToken::new().with(UserName, user).with(ClientId, "app").with(RefreshToken, &refresh).with(AccessToken, access)
}

pub(crate) async fn saved(world: &World, mut token: OAuthToken) -> OAuthToken {
    world.vault("before").save_token(&Context::new(), &mut token).await.unwrap();
    token
}

pub(crate) async fn delete(world: &World, token: &OAuthToken) {
    assert!(world.vault("before").delete_token(&Context::new(), token.id().unwrap()).await.unwrap().value);
}

pub(crate) async fn bring_back(world: &World, who: &str, id: &str) -> Result<Arc<str>> {
    bring_back_by(world, who, id, Arc::new(Time(world.simulator.clone()))).await
}

async fn bring_back_by(world: &World, who: &str, id: &str, clock: Arc<dyn Clock>) -> Result<Arc<str>> {
    let backend = Arc::new(world.backend(who));
    let vault = Vault::with_clock(Arc::clone(&backend) as _, clock);
    undelete::undelete(&vault, &*backend, &Context::new(), id).await.map(|answer| answer.value)
}

/// The access token of a user.
pub(crate) async fn access(world: &World, user: &str) -> Option<String> {
    let mut wanted = OAuthToken::new().with(UserName, user);
    let is_there = world.vault("reader").find_token(&Context::new(), &mut wanted).await.unwrap().value;
    is_there.then(|| wanted.fields().text(AccessToken).unwrap().to_owned())
}

pub(crate) fn secret_of(token: &OAuthToken) -> String {
    format!("test/vault/token/{}", token.id().unwrap())
}

fn is_scheduled(world: &World, token: &OAuthToken) -> bool {
    world.simulator.secret(&secret_of(token)).unwrap().deleted.is_some()
}

#[tokio::test]
async fn a_deleted_token_comes_back_under_its_id() {
    let world = World::new(Settings::new().seed(1)).await;
    let token = saved(&world, sign_in("ada", "first")).await;
    delete(&world, &token).await;
    assert_eq!(access(&world, "ada").await, None);
    let id = bring_back(&world, "operator", token.id().unwrap()).await.unwrap();
    assert_eq!(Some(&*id), token.id());
    assert_eq!(access(&world, "ada").await.as_deref(), Some("first"));
    let found = world.vault("reader").find_token_by_id(&Context::new(), &id).await.unwrap().value.unwrap();
    assert_eq!((found.id(), found.fields().text(RefreshToken)), (token.id(), Some("refresh first of ada")));
    assert!(is_scheduled(&world, &token), "the old secret goes on to its end");
    world.assert_consistent("after an undelete").await;

    let late = world.vault("late").save_token(&Context::new(), &mut token.clone().with(AccessToken, "late")).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Gone, "a log-out is final for what was handed out before");
    let mut fresh = OAuthToken::clone(&found).with(AccessToken, "second");
    world.vault("late").save_token(&Context::new(), &mut fresh).await.unwrap();
    assert_eq!(access(&world, "ada").await.as_deref(), Some("second"));

    delete(&world, &token).await;
    assert_eq!(access(&world, "ada").await, None, "and can be deleted again, under the same id");
    world.assert_consistent("after the second deletion").await;
    bring_back(&world, "operator", &id).await.unwrap();
    assert_eq!(access(&world, "ada").await.as_deref(), Some("second"), "of two the one that was saved last");
}

/// The clocks of who brings it back and of who saves it then are an hour behind. Several times, since names are drawn.
#[tokio::test]
async fn what_came_back_is_later_than_what_it_came_of_whatever_the_clocks_say() {
    for _ in 0..8 {
        let world = World::new(Settings::new().seed(1)).await;
        let hour = 3_600_000;
        let now = Time(world.simulator.clone()).now().as_millis();
        let slow: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_millis(now - hour)));
        let token = saved(&world, sign_in("ada", "first")).await;
        delete(&world, &token).await;
        let id = bring_back_by(&world, "operator", token.id().unwrap(), Arc::clone(&slow)).await.unwrap();
        let vault = Vault::with_clock(Arc::new(world.backend("late")), Arc::clone(&slow));
        let found = vault.find_token_by_id(&Context::new(), &id).await.unwrap().value.unwrap();
        let mut fresh = OAuthToken::clone(&found).with(AccessToken, "second");
        vault.save_token(&Context::new(), &mut fresh).await.unwrap();
        delete(&world, &token).await;
        bring_back_by(&world, "operator", &id, slow).await.unwrap();
        assert_eq!(access(&world, "ada").await.as_deref(), Some("second"));
    }
}

#[tokio::test]
async fn an_id_that_was_brought_leads_to_it_again() {
    let world = World::new(Settings::new().seed(1)).await;
    let token = saved(&world, sign_in("ada", "first").with_id("brought")).await;
    assert_eq!(token.id(), Some("brought"));
    delete(&world, &token).await;
    assert_eq!(&*bring_back(&world, "operator", "brought").await.unwrap(), "brought");
    let found = world.vault("reader").find_token_by_id(&Context::new(), "brought").await.unwrap().value.unwrap();
    assert_eq!(found.user_name(), Some("ada"));
    world.assert_consistent("a brought id").await;
}

#[tokio::test]
async fn who_has_signed_in_again_is_left_alone() {
    let world = World::new(Settings::new().seed(1)).await;
    let token = saved(&world, sign_in("ada", "first")).await;
    delete(&world, &token).await;
    saved(&world, sign_in("ada", "again")).await;
    let error = bring_back(&world, "operator", token.id().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.message().contains("another token is of its user and client"), "{error}");
    assert_eq!(access(&world, "ada").await.as_deref(), Some("again"));
    assert!(is_scheduled(&world, &token));
    world.assert_consistent("refused").await;
}

#[tokio::test]
async fn what_was_never_deleted_or_is_gone_is_told_so() {
    let world = World::new(Settings::new().seed(1)).await;
    let token = saved(&world, sign_in("ada", "first")).await;
    let kind = |ended: Result<Arc<str>>| ended.unwrap_err().kind();
    assert_eq!(kind(bring_back(&world, "operator", token.id().unwrap()).await), ErrorKind::InvalidInput);
    assert_eq!(kind(bring_back(&world, "operator", "nobody").await), ErrorKind::NotFound);
    delete(&world, &token).await;
    let id = token.id().unwrap();
    bring_back(&world, "operator", id).await.unwrap();
    assert_eq!(kind(bring_back(&world, "operator", id).await), ErrorKind::InvalidInput, "it is there already");
    delete(&world, &token).await;
    world.simulator.clock().advance(Duration::from_secs(10 * 86_400));
    assert_eq!(kind(bring_back(&world, "operator", id).await), ErrorKind::NotFound, "its window is over");
    world.assert_consistent("nothing left").await;
}

#[tokio::test]
async fn what_somebody_else_deleted_comes_back_as_well() {
    let world = World::new(Settings::new().seed(1)).await;
    let token = saved(&world, sign_in("ada", "first")).await;
    client(&world.simulator, "operator").delete_secret().secret_id(secret_of(&token)).send().await.unwrap();
    assert_eq!(access(&world, "ada").await, None);
    bring_back(&world, "operator", token.id().unwrap()).await.unwrap();
    assert_eq!(access(&world, "ada").await.as_deref(), Some("first"));
    world.assert_consistent("deleted by hand").await;
}

/// Somebody has brought it back meanwhile.
#[tokio::test]
async fn what_is_alive_is_not_taken_for_deleted() {
    let world = World::new(Settings::new().seed(1)).await;
    let token = saved(&world, sign_in("ada", "first")).await;
    let name = RecordName::parse(token.id().unwrap()).unwrap();
    let error = world.backend("operator").exhume(&Context::new(), name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(access(&world, "ada").await.as_deref(), Some("first"));
}

#[tokio::test]
async fn it_is_the_last_value_that_comes_back_also_where_reads_come_late() {
    for seed in 0..20 {
        let world = World::new(Settings::new().seed(seed)).await;
        let mut token = saved(&world, sign_in("ada", "first")).await;
        let vault = world.vault("before");
        for access in ["second", "third"] {
            token = token.with(AccessToken, access);
            vault.save_token(&Context::new(), &mut token).await.unwrap();
        }
        vault.delete_token(&Context::new(), token.id().unwrap()).await.unwrap();
        world.simulator.set(|switches| switches.staleness = Staleness::Adversarial);
        // A read from before the deletion shows it alive; nobody is told that it can be brought back then.
        let mut ended = bring_back(&world, "operator", token.id().unwrap()).await;
        while ended.as_ref().is_err_and(|error| error.kind() != ErrorKind::NotFound) {
            world.simulator.clock().advance(Duration::from_secs(1));
            ended = bring_back(&world, "operator", token.id().unwrap()).await;
        }
        world.simulator.set(|switches| switches.staleness = Staleness::Off);
        if ended.is_err() {
            bring_back(&world, "operator", token.id().unwrap()).await.unwrap();
        }
        assert_eq!(access(&world, "ada").await.as_deref(), Some("third"), "seed {seed}");
        world.assert_consistent(&format!("seed {seed}")).await;
    }
}

/// The name of the record whose secret was made first.
fn secret_name(world: &World) -> String {
    let tokens =
        world.simulator.names().into_iter().filter_map(|name| Some(name.strip_prefix("test/vault/token/")?.to_owned()));
    tokens
        .min_by_key(|name| world.simulator.secret(&format!("test/vault/token/{name}")).unwrap().versions[0].created)
        .unwrap()
}

#[tokio::test]
async fn an_undelete_that_is_cut_off_is_taken_up_again() {
    for with_effect in [false, true] {
        for left in 0.. {
            let cut = Arc::new(Cut::default());
            let world = World::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)).await;
            let token = saved(&world, sign_in("ada", "first").with_id("brought")).await;
            delete(&world, &token).await;
            cut.arm(left, with_effect);
            let ended = bring_back(&world, "victim", "brought").await;
            let what = format!("cut off after {left} calls, the next with effect: {with_effect}: {ended:?}");
            let there = access(&world, "ada").await;
            assert!(there.as_deref() == Some("first") || (there.is_none() && ended.is_err()), "{what}: {there:?}");
            world.assert_consistent(&what).await;
            let name = secret_name(&world);
            if let Err(error) = &ended {
                assert!(
                    left < 6 || error.hint().is_some_and(|hint| hint.contains(&name)),
                    "{what}: {:?}",
                    error.hint()
                );
            }
            let again = bring_back(&world, "operator", &name).await;
            let is_there = |error: &Error| error.kind() == ErrorKind::InvalidInput;
            assert!(again.is_ok() || again.as_ref().is_err_and(is_there), "{what}, again: {again:?}");
            assert_eq!(access(&world, "ada").await.as_deref(), Some("first"), "{what}");
            world.assert_consistent(&format!("{what}, again")).await;
            if !cut.was_cut() {
                assert!(left >= 8, "{left} calls are fewer than it makes");
                break;
            }
        }
    }
}

/// To the first's name both lead, of which the second cannot be read: the first is not left in force.
#[tokio::test]
async fn an_undelete_that_can_read_one_of_two_records_leaves_both_deleted() {
    let world = World::new(Settings::new().seed(1)).await;
    let token = saved(&world, sign_in("ada", "first")).await;
    let elder = token.id().unwrap();
    delete(&world, &token).await;
    bring_back(&world, "operator", elder).await.unwrap();
    delete(&world, &token).await;
    let names: Vec<String> =
        world.simulator.names().into_iter().filter(|name| name.starts_with("test/vault/token/")).collect();
    assert!(names.len() == 2 && names.iter().any(|name| name.ends_with(elder)), "{names:?}");
    let second = names.iter().max().unwrap();
    let policy = format!(
        r#"{{"Statement": [{{"Effect": "Allow", "Action": "*", "Resource": "*"}},
            {{"Effect": "Deny", "Action": "secretsmanager:RestoreSecret", "Resource": "*:secret:{second}-*"}}]}}"#
    );
    let bounded = Principal::new("arn:aws:iam::123456789012:user/op").policy(Policy::parse(&policy).unwrap());
    let all = r#"{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;
    let anybody = Principal::new("arn:aws:iam::123456789012:user/any").policy(Policy::parse(all).unwrap());
    world.simulator.principals(|principals| {
        principals.insert("bounded", bounded);
        for key in ["operator", "checker", "reader", "before"] {
            principals.insert(key, anybody.clone());
        }
    });
    let error = bring_back(&world, "bounded", elder).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let hint = error.hint().unwrap();
    assert!(hint.contains(second.rsplit('/').next().unwrap()), "{hint}");
    assert_eq!(hint.matches("tokenvault undelete").count(), 1, "{hint}");
    for name in &names {
        assert!(world.simulator.secret(name).unwrap().deleted.is_some(), "{name}");
    }
    bring_back(&world, "operator", elder).await.unwrap();
    assert_eq!(access(&world, "ada").await.as_deref(), Some("first"));
    world.assert_consistent("taken up again").await;
}
