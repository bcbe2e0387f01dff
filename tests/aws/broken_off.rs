//! As `crash.rs`, for what is no user's call, and for the longest one: an operator's deletion for good, a vault that is being
//! made, the key of its trail, and a save that splits a page. Cut off at each call, before and after it took effect.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use secrets_manager_simulator::switches::Switches;
use tokenvault::backend::audit_key::AuditKeySource;
use tokenvault::backend::recovery::RecoveryWindow;
use tokenvault::backend::secrets_manager::SecretsManagerBackend;
use tokenvault::error::{ErrorKind, Result};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::undelete::purge;

use crate::crash::{Contents, contents, cut_off, sign_in, vault_with_past};
use crate::cut::{Cut, VICTIM};
use crate::simulated::World;

const AUDIT_KEY: &str = "test/vault/audit-key";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// A sign-up that finds its page of the index full.
    Split,
    Purge,
    PurgeAll,
    MakeAuditKey,
}

impl Act {
    async fn run(self, world: &World, who: &str, ada: &str) -> Result<()> {
        let (cx, backend) = (Context::new(), Arc::new(world.backend(who)));
        let vault = world.vault_over(Arc::clone(&backend) as _);
        match self {
            Self::Split => vault.save_token(&cx, &mut sign_in("new", "first")).await.map(drop),
            Self::Purge => purge(&vault, &*backend, &cx, ada).await.map(drop),
            Self::PurgeAll => backend.clear_for_good(&cx).await.map(drop),
            Self::MakeAuditKey => backend.audit_key(&cx).await.map(drop),
        }
    }

    fn after(self, before: &Contents) -> Contents {
        let mut after = before.clone();
        match self {
            Self::Split => drop(after.insert("new".to_owned(), "first".to_owned())),
            Self::Purge => drop(after.remove("ada")),
            Self::PurgeAll => after.clear(),
            Self::MakeAuditKey => {}
        }
        after
    }

    /// What has to be there, or not, once it was done; `keys` are what different processes have for the trail.
    fn assert_done(self, world: &World, secret: &str, what: &str) {
        // AWS takes two minutes to free a name.
        world.simulator.clock().advance(Duration::from_secs(300));
        let names = world.simulator.names();
        let count = |beginning: &str| names.iter().filter(|name| name.starts_with(beginning)).count();
        match self {
            Self::Split => assert_eq!(count("test/vault/index/"), 16, "{what}: {names:?}"),
            Self::Purge => assert!(!names.iter().any(|name| name == secret), "{what}: {names:?}"),
            Self::PurgeAll => assert_eq!(count("test/vault/token/"), 0, "{what}: {names:?}"),
            Self::MakeAuditKey => assert_eq!(count(AUDIT_KEY), 1, "{what}: {names:?}"),
        }
    }
}

/// A vault with a past, whose index is due to be split where the act is to split it; and ada's id.
async fn begun(act: Act) -> (World, String) {
    let world = World::new(Settings::new().seed(1).switches(Switches { trail: false, ..Switches::default() })).await;
    vault_with_past(&world).await;
    let (cx, vault) = (Context::new(), world.vault("before"));
    if act == Act::Split {
        for number in 0..60 {
            let mut passing = sign_in(&format!("passing {number}"), "x");
            vault.save_token(&cx, &mut passing).await.unwrap();
            vault.delete_token(&cx, passing.id().unwrap()).await.unwrap();
        }
        assert!(world.secrets("test/vault/index/").await.is_empty(), "full, and not split yet");
    }
    let tokens = vault.get_tokens(&cx).await.unwrap().value;
    let ada = tokens.iter().find(|token| token.user_name() == Some("ada")).unwrap();
    (world, ada.id().unwrap().to_owned())
}

async fn key_of(backend: &SecretsManagerBackend) -> [u8; 32] {
    *backend.audit_key(&Context::new()).await.unwrap().expose()
}

/// Cuts `act` off at each of its calls in turn. Answers how many there were.
async fn cut_everywhere(act: Act, with_effect: bool) -> usize {
    let (begun, ada) = begun(act).await;
    let secret = format!("test/vault/token/{ada}");
    let before = contents(&begun.vault("before")).await;
    let after = act.after(&before);
    for left in 0.. {
        let cut = Arc::new(Cut::default());
        let world = World { simulator: begun.simulator.forked(Arc::clone(&cut) as _) };
        cut.arm(left, with_effect);
        let done = act.run(&world, VICTIM, &ada).await;
        let what = format!("{act:?}, cut off after {left} calls, the next with effect: {with_effect}: {done:?}");
        let found = contents(&world.vault("next")).await;
        let is_half = act == Act::PurgeAll && found.iter().all(|(user, access)| before.get(user) == Some(access));
        assert!(found == after || (done.is_err() && (found == before || is_half)), "{what}: {found:?}");
        world.assert_consistent(&what).await;
        if done.is_ok() {
            act.assert_done(&world, &secret, &what);
        }
        act.run(&world, "again", &ada).await.unwrap_or_else(|error| panic!("{what}, again: {error:?}"));
        assert_eq!(contents(&world.vault("next")).await, after, "{what}, again");
        world.assert_consistent(&format!("{what}, again")).await;
        act.assert_done(&world, &secret, &format!("{what}, again"));
        if act == Act::MakeAuditKey {
            assert_eq!(key_of(&world.backend("one")).await, key_of(&world.backend("two")).await, "{what}");
        }
        if !cut.was_cut() {
            return left;
        }
    }
    0
}

cut_off! {
    a_sign_up_that_splits_a_page_and_is_cut_off_is_there_or_not: Act::Split, at least 20 calls;
    a_purge_that_is_cut_off_is_taken_up_again: Act::Purge, at least 5 calls;
    a_purge_of_everything_that_is_cut_off_is_taken_up_again: Act::PurgeAll, at least 10 calls;
    a_trails_key_that_is_cut_off_in_the_making_is_one: Act::MakeAuditKey, at least 3 calls;
}

/// By then its page is not full any more, and takes entries that the pages below do not have.
#[tokio::test]
async fn a_split_that_is_taken_up_a_day_later_loses_nothing_of_that_day() {
    let (begun, _) = begun(Act::Split).await;
    let cut = Arc::new(Cut::default());
    let world = World { simulator: begun.simulator.forked(Arc::clone(&cut) as _) };
    cut.arm(17, false);
    assert!(Act::Split.run(&world, VICTIM, "").await.is_err() && cut.was_cut());
    assert!(world.secrets("test/vault/index/").await.len() > 10, "most of the pages are there");
    world.simulator.clock().advance(Duration::from_hours(25));
    let (cx, vault) = (Context::new(), world.vault("next"));
    for number in 0..70 {
        vault.save_token(&cx, &mut sign_in(&format!("later {number}"), "first")).await.unwrap();
    }
    assert_eq!(world.secrets("test/vault/index/").await.len(), 16, "it was split in the end");
    assert_eq!(contents(&world.vault("reader")).await.len(), 3 + 70);
    world.assert_consistent("after the split").await;
}

#[tokio::test]
async fn a_vault_that_is_cut_off_in_the_making_is_there_or_not() {
    for with_effect in [false, true] {
        let mut left = 0;
        loop {
            let cut = Arc::new(Cut::default());
            let world = World { simulator: Simulator::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)) };
            cut.arm(left, with_effect);
            let done = world.backend(VICTIM).create(&Context::new()).await;
            let what = format!("cut off after {left} calls, the next with effect: {with_effect}: {done:?}");
            let is_there = !world.simulator.names().is_empty();
            assert!(is_there || done.is_err(), "{what}");
            // Whoever makes it again is told that it is there, or makes it.
            let again = world.backend("again").create(&Context::new()).await;
            let is_told = again.as_ref().is_err_and(|error| error.kind() == ErrorKind::InvalidInput);
            assert!(if is_there { is_told } else { again.is_ok() }, "{what}: {again:?}");
            vault_with_past(&world).await;
            assert_eq!(contents(&world.vault("next")).await.len(), 3, "{what}");
            world.assert_consistent(&what).await;
            if !cut.was_cut() {
                break;
            }
            left += 1;
        }
        assert!(left >= 1, "{left} calls are fewer than it makes");
    }
}
