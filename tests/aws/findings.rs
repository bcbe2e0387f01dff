//! Damages that nobody's hand does: what a process leaves that was broken off, and how a repair ends it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_secretsmanager::primitives::Blob;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use tokenvault::backend::audit_key::AuditKeySource;
use tokenvault::backend::secrets_manager::repair::Stage;
use tokenvault::backend::secrets_manager::survey::{Survey, Trouble};
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{AccessToken, ClientId, GrantToken, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::cut::{Cut, VICTIM};
use crate::operator::Operator;
use crate::simulated::{World, client};

const INDEX: &str = "test/vault/index";

async fn signed_in(world: &World, users: usize) -> Vec<String> {
    let (vault, mut ids) = (world.vault("before"), Vec::new());
    for number in 0..users {
        let token = OAuthToken::new().with(UserName, &format!("user {number}")).with(ClientId, "app");
        let mut token = token.with(RefreshToken, &format!("canary of {number}"));
        vault.save_token(&Context::new(), &mut token).await.unwrap();
        ids.push(token.id().unwrap().to_owned());
    }
    ids
}

/// What is wrong, and with which secrets.
async fn found(world: &World) -> Vec<(Trouble, String)> {
    findings(&world.backend("auditor").verify(&Context::new()).await.unwrap().value)
}

fn findings(survey: &Survey) -> Vec<(Trouble, String)> {
    survey.findings.iter().map(|finding| (finding.trouble, finding.secret.clone())).collect()
}

/// Repairs, and answers what is wrong then, but for the pages of the index before, and how many entries the new one has.
async fn repaired(world: &World) -> (Vec<(Trouble, String)>, usize) {
    let built = Mutex::new(0);
    let told = |stage: Stage| {
        if let Stage::Building { entries } = stage {
            *built.lock().unwrap() = entries;
        }
    };
    let survey = world.backend("mender").repair(&Context::new(), &told).await.unwrap().value;
    let mut left = findings(&survey);
    left.retain(|(trouble, _)| *trouble != Trouble::PageLeft);
    (left, built.into_inner().unwrap())
}

async fn remove(world: &World, secret: &str) {
    let client = client(&world.simulator, "operator");
    client.delete_secret().secret_id(secret).force_delete_without_recovery(true).send().await.unwrap();
    world.simulator.clock().advance(Duration::from_secs(200));
}

async fn is_found(world: &World, wanted: OAuthToken) -> bool {
    world.vault("reader").find_token(&Context::new(), &mut wanted.clone()).await.unwrap().value
}

/// What shows that there was a vault once.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trace {
    None,
    /// What others keep there, and what a doctor left.
    NoneOfAVault,
    Token,
    /// One in its recovery window.
    DeletedToken,
    AuditKey,
    Page,
}

impl Trace {
    async fn leave(self, world: &World) {
        let id = signed_in(world, 1).await.remove(0);
        let secret = format!("test/vault/token/{id}");
        let client = client(&world.simulator, "operator");
        let create =
            async |name: &str| drop(client.create_secret().name(name).secret_string("x").send().await.unwrap());
        match self {
            Self::None | Self::Page | Self::AuditKey | Self::NoneOfAVault => remove(world, &secret).await,
            Self::DeletedToken => drop(client.delete_secret().secret_id(&secret).send().await.unwrap()),
            Self::Token => {}
        }
        match self {
            Self::NoneOfAVault => {
                create("test/vault/notes").await;
                create("test/other/index").await;
            }
            Self::AuditKey => drop(world.backend("before").audit_key(&Context::new()).await.unwrap()),
            Self::Page => create("test/vault/index/1/3").await,
            Self::None | Self::Token | Self::DeletedToken => {}
        }
        remove(world, INDEX).await;
    }
}

/// Only `init` makes an index. An empty one under a prefix that was mistyped would pass for the vault that is meant.
#[tokio::test]
async fn what_is_left_of_a_vault_is_repaired_and_where_nothing_is_nothing_is_made() {
    for trace in [Trace::None, Trace::NoneOfAVault, Trace::Token, Trace::DeletedToken, Trace::AuditKey, Trace::Page] {
        let world = World::new(Settings::new().seed(1)).await;
        trace.leave(&world).await;
        let (names, cx) = (world.simulator.names(), Context::new());
        let looked = world.backend("auditor").verify(&cx).await.map(|answer| findings(&answer.value));
        let repaired = world.backend("mender").repair(&cx, &|_| ()).await.map(|answer| findings(&answer.value));
        if [Trace::None, Trace::NoneOfAVault].contains(&trace) {
            for error in [looked.unwrap_err(), repaired.unwrap_err()] {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{trace:?}: {error:?}");
                assert!(error.hint().unwrap().contains("tokenvault init"), "{trace:?}: {error:?}");
            }
            assert_eq!(world.simulator.names(), names, "{trace:?}: nothing is made");
            continue;
        }
        let looked = looked.unwrap();
        assert!(looked.contains(&(Trouble::PageMissing, INDEX.to_owned())), "{trace:?}: {looked:?}");
        let left = repaired.unwrap();
        assert!(!left.iter().any(|(trouble, _)| trouble.is_damage()), "{trace:?}: {left:?}");
        let tokens = world.vault("reader").get_tokens(&cx).await.unwrap().value.len();
        assert_eq!(tokens, usize::from(trace == Trace::Token), "{trace:?}");
    }
}

/// An index of before its user was known: she is listed under the grant alone.
#[tokio::test]
async fn a_token_that_is_listed_under_one_of_its_keys_only_is_named_and_listed_under_all() {
    let world = World::new(Settings::new().seed(1)).await;
    let (cx, vault, operator) = (Context::new(), world.vault("before"), Operator::of(&world));
    let mut token = OAuthToken::new().with(ClientId, "app").with(GrantToken, "canary").with(AccessToken, "a");
    vault.save_token(&cx, &mut token).await.unwrap();
    let old = operator.value(INDEX, &operator.current(INDEX));
    vault.save_token(&cx, &mut token.clone().with(UserName, "ada")).await.unwrap();
    remove(&world, INDEX).await;
    let client = client(&world.simulator, "operator");
    client.create_secret().name(INDEX).secret_binary(Blob::new(old)).send().await.unwrap();

    let ada = OAuthToken::new().with(UserName, "ada");
    assert!(!is_found(&world, ada.clone()).await, "that is the damage");
    let secret = format!("test/vault/token/{}", token.id().unwrap());
    assert_eq!(found(&world).await, [(Trouble::KeyUnlisted, secret)]);
    assert_eq!(repaired(&world).await.0, []);
    assert!(is_found(&world, ada).await);
    world.assert_consistent("after a repair").await;
}

/// A repair that stops between the closing of the pages and the switch.
#[tokio::test]
async fn pages_that_a_repair_has_closed_and_left_are_named_and_the_next_repair_ends_it() {
    let cut = Arc::new(Cut::default());
    let world = World::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)).await;
    signed_in(&world, 70).await;
    let pages: BTreeSet<String> = world.secrets("test/vault/index/").await.into_iter().collect();
    assert_eq!((pages.len(), found(&world).await), (16, vec![]));
    // A page is read, written and read back.
    let told = |stage: Stage| {
        if matches!(stage, Stage::Closing { .. }) {
            cut.arm(9, true);
        }
    };
    world.backend(VICTIM).repair(&Context::new(), &told).await.unwrap_err();
    assert!(cut.was_cut());
    let closed: BTreeSet<String> = found(&world)
        .await
        .into_iter()
        .filter(|(what, _)| *what == Trouble::PageClosed)
        .map(|(_, page)| page)
        .collect();
    assert!((2..16).contains(&closed.len()) && closed.is_subset(&pages), "{closed:?}");
    let listed = world.vault("reader").get_tokens(&Context::new()).await.unwrap().value.len();
    assert_eq!(listed, 70, "readers go on with the old pages");

    assert_eq!(repaired(&world).await.0, []);
    assert_eq!(world.vault("reader").get_tokens(&Context::new()).await.unwrap().value.len(), 70);
    world.assert_consistent("after the next repair").await;
}

/// A log-out that stops between the tombstone and the deletion of the secret.
#[tokio::test]
async fn a_tombstone_that_is_left_is_named_and_a_repair_schedules_its_secret() {
    let world = World::new(Settings::new().seed(1)).await;
    let ids = signed_in(&world, 3).await;
    world.simulator.inject(Fault::new(Failure::ConnectionLost).on(Operation::DeleteSecret).times(u64::MAX));
    // The token is gone from the tombstone on, whatever the caller is told.
    let told = world.vault("before").delete_token(&Context::new(), &ids[1]).await;
    assert!(told.is_ok() || told.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unavailable), "{told:?}");
    world.simulator.clear_faults();

    let secret = format!("test/vault/token/{}", ids[1]);
    let left = found(&world).await;
    assert!(left.contains(&(Trouble::TombstoneLeft, secret.clone())), "{left:?}");
    assert!(!left.iter().any(|(trouble, _)| trouble.is_damage()), "{left:?}");
    assert_eq!(world.simulator.secret(&secret).unwrap().deleted, None);
    assert_eq!(repaired(&world).await.0, []);
    assert!(world.simulator.secret(&secret).unwrap().deleted.is_some());
    assert_eq!(world.vault("reader").get_tokens(&Context::new()).await.unwrap().value.len(), 2);
}

/// By whoever meets it after a while; until then it is left to whoever wrote it.
#[tokio::test]
async fn a_tombstone_that_is_left_is_finished_by_the_next_who_reads_it() {
    let world = World::new(Settings::new().seed(1)).await;
    let ids = signed_in(&world, 1).await;
    world.simulator.inject(Fault::new(Failure::ConnectionLost).on(Operation::DeleteSecret).times(u64::MAX));
    _ = world.vault("before").delete_token(&Context::new(), &ids[0]).await;
    world.simulator.clear_faults();
    for (seconds, is_finished) in [(200, false), (200, true)] {
        world.simulator.clock().advance(Duration::from_secs(seconds));
        let found = world.vault("reader").find_token_by_id(&Context::new(), &ids[0]).await.unwrap().value;
        assert!(found.is_none());
        let secret = world.simulator.secret(&format!("test/vault/token/{}", ids[0])).unwrap();
        assert_eq!(secret.deleted.is_some(), is_finished);
    }
}

/// Whoever gives a token another key lists that first.
#[tokio::test]
async fn an_entry_for_a_state_to_come_is_no_finding() {
    for left in 0.. {
        let cut = Arc::new(Cut::default());
        let world = World::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)).await;
        let mut token = OAuthToken::new().with(ClientId, "app").with(GrantToken, "canary").with(AccessToken, "a");
        world.vault("before").save_token(&Context::new(), &mut token).await.unwrap();
        cut.arm(left, false);
        let ended = world.vault(VICTIM).save_token(&Context::new(), &mut token.with(UserName, "ada")).await;
        assert_eq!(found(&world).await, [], "cut off after {left} calls");
        if ended.is_ok() {
            assert!(left > 3, "{left} calls are fewer than it makes");
            return;
        }
    }
}

#[tokio::test]
async fn a_repair_takes_out_entries_that_lead_to_nothing_and_no_others() {
    let world = World::new(Settings::new().seed(1)).await;
    let ids = signed_in(&world, 5).await;
    let secret = format!("test/vault/token/{}", ids[2]);
    remove(&world, &secret).await;
    assert_eq!(found(&world).await, [], "somebody may be about to make it");
    world.simulator.clock().advance(Duration::from_secs(600));
    assert_eq!(found(&world).await, [(Trouble::Dangling, secret.clone())]);
    let (left, entries) = repaired(&world).await;
    assert_eq!((left, entries), (vec![], 2 * 4), "each token is listed by its user and by its refresh token");
    for number in 0..5 {
        let wanted = OAuthToken::new().with(UserName, &format!("user {number}"));
        assert_eq!(is_found(&world, wanted).await, number != 2, "user {number}");
    }
    // The name was taken, so that nobody who was on the way makes a token under it.
    assert!(world.simulator.secret(&secret).unwrap().deleted.is_some());
}
