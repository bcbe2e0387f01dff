//! Tokens that are gone for good.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::settings::Settings;
use tokenvault::backend::recovery::{Purged, RecoveryWindow};
use tokenvault::error::{ErrorKind, Result};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::undelete;
use tokenvault::vault::Vault;

use crate::cut::Cut;
use crate::recovery::{access, bring_back, delete, saved, secret_of, sign_in};
use crate::simulated::{Time, World, client};

async fn purge(world: &World, id: &str) -> Result<bool> {
    let backend = Arc::new(world.backend("operator"));
    let vault = Vault::with_clock(Arc::clone(&backend) as _, Arc::new(Time(world.simulator.clone())));
    undelete::purge(&vault, &*backend, &Context::new(), id).await
}

#[tokio::test]
async fn a_purged_token_is_gone_for_good_and_leaves_no_name_behind() {
    let world = World::new(Settings::new().seed(1)).await;
    let (ada, bob) = (saved(&world, sign_in("ada", "first")).await, saved(&world, sign_in("bob", "first")).await);
    assert!(purge(&world, ada.id().unwrap()).await.unwrap());
    delete(&world, &bob).await;
    assert!(purge(&world, bob.id().unwrap()).await.unwrap(), "also what was deleted before");
    assert!(!purge(&world, "nobody").await.unwrap());
    // The service takes two minutes for it.
    world.simulator.clock().advance(Duration::from_secs(300));
    for token in [&ada, &bob] {
        assert!(world.simulator.secret(&secret_of(token)).is_none());
        assert_eq!(bring_back(&world, "operator", token.id().unwrap()).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    let again = saved(&world, sign_in("ada", "again")).await;
    assert_ne!(again.id(), ada.id(), "a name is used once");
    assert_eq!(access(&world, "ada").await.as_deref(), Some("again"));
    world.assert_consistent("after a purge").await;
}

#[tokio::test]
async fn everything_is_purged_what_was_deleted_before_too() {
    let world = World::new(Settings::new().seed(1)).await;
    let gone = saved(&world, sign_in("gone", "first")).await;
    delete(&world, &gone).await;
    for number in 0..3 {
        saved(&world, sign_in(&format!("user {number}"), "first")).await;
    }
    let own = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "arn:aws:secretsmanager:*:*:secret:test/vault/*"}]}"#;
    let purged = world.backend("operator").clear_for_good(&Context::new()).await.unwrap().value;
    assert_eq!(purged, Purged { deleted: 3, purged: 4, has_listed: true });
    world.simulator.clock().advance(Duration::from_secs(300));
    assert_eq!(world.simulator.names(), ["test/vault/index"]);

    let user = saved(&world, sign_in("user", "first")).await;
    let bounded = Principal::new("arn:aws:iam::123456789012:user/op").policy(Policy::parse(own).unwrap());
    world.simulator.principals(|principals| {
        for key in ["operator", "checker", "reader", "before"] {
            principals.insert(key, bounded.clone());
        }
    });
    let purged = world.backend("operator").clear_for_good(&Context::new()).await.unwrap().value;
    assert_eq!((purged.deleted, purged.purged, purged.has_listed), (1, 1, false));
    world.simulator.clock().advance(Duration::from_secs(300));
    assert!(world.simulator.secret(&secret_of(&user)).is_none());
}

/// Else whoever was signing in would make a secret that nothing leads to.
#[tokio::test]
async fn a_name_that_somebody_may_still_make_a_token_under_is_not_freed() {
    let cut = Arc::new(Cut::default());
    let world = World::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)).await;
    let victim = world.vault("victim");
    let token = || sign_in("ada", "first");
    let is_made = async |left| {
        cut.arm(left, false);
        victim.save_token(&Context::new(), &mut token()).await.is_ok()
    };
    // The index is read, then written and read back; the secret would come next.
    assert!(!is_made(4).await && cut.was_cut());
    assert_eq!(world.simulator.names(), ["test/vault/index"]);
    let purged = world.backend("operator").clear_for_good(&Context::new()).await.unwrap().value;
    assert_eq!(purged, Purged { deleted: 0, purged: 0, has_listed: true });
    world.simulator.clock().advance(Duration::from_secs(300));
    let [_, name] = &world.simulator.names()[..] else { panic!("the name was freed") };
    assert!(!purge(&world, name.rsplit('/').next().unwrap()).await.unwrap(), "there was no token");
    let late = client(&world.simulator, "victim").create_secret().name(name).secret_string("late").send().await;
    assert!(late.is_err());
    world.assert_consistent("after a purge").await;
}
