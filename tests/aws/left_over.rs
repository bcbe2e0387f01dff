//! What deletions leave in the index, where those who write it know nothing of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::backend::secrets_manager::survey::Trouble;
use tokenvault::copy::{CopyOptions, copy};
use tokenvault::fields::Field::{AccessToken, ClientId, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::cut::{Cut, VICTIM};
use crate::simulated::{World, client};

pub(crate) const HOUR: Duration = Duration::from_hours(1);

pub(crate) const DAY: Duration = Duration::from_hours(24);

/// A user signs in. Answers the token's id.
pub(crate) async fn sign_in(vault: &Vault, user: usize) -> String {
    let mut token = OAuthToken::new().with(UserName, &format!("user {user}")).with(ClientId, "app");
    token = token.with(RefreshToken, &format!("refresh {user}")).with(AccessToken, "access");
    vault.save_token(&Context::new(), &mut token).await.unwrap();
    token.id().unwrap().to_owned()
}

pub(crate) async fn signed_in(world: &World, users: usize) -> Vec<String> {
    let (vault, mut ids) = (world.vault("first"), Vec::new());
    for user in 0..users {
        ids.push(sign_in(&vault, user).await);
    }
    world.simulator.clock().advance(HOUR);
    ids
}

/// How many names are listed that no token is under.
async fn dangling(world: &World) -> usize {
    let survey = world.backend("auditor").verify(&Context::new()).await.unwrap().value;
    assert!(survey.findings.iter().all(|finding| finding.trouble == Trouble::Dangling), "{:?}", survey.findings);
    survey.findings.len()
}

pub(crate) async fn delete(world: &World, id: &str) {
    assert!(world.vault("log-out").delete_token(&Context::new(), id).await.unwrap().value);
}

/// Deletes a token for good, as AWS does in the end, and tells nobody.
pub(crate) async fn purge(world: &World, id: &str) {
    let operator = client(&world.simulator, "operator");
    let secret = format!("test/vault/token/{id}");
    operator.delete_secret().secret_id(secret).force_delete_without_recovery(true).send().await.unwrap();
    world.simulator.clock().advance(HOUR);
}

/// As many users as there are stay signed in, while `days` of one log-out and one sign-in an hour go by, each in a process
/// of its own.
async fn after_a_turnover(users: usize, days: usize) -> usize {
    let world = World::new(Settings::new().seed(1)).await;
    let mut ids = signed_in(&world, users).await;
    for hour in 0..24 * days {
        ids.push(sign_in(&world.vault("sign-in"), users + hour).await);
        delete(&world, &ids[hour]).await;
        world.simulator.clock().advance(HOUR);
    }
    assert_eq!(world.vault("reader").get_tokens(&Context::new()).await.unwrap().value.len(), users);
    assert_eq!(world.secrets("test/vault/index/").await.len(), if users < 64 { 0 } else { 16 });
    dangling(&world).await
}

#[tokio::test]
async fn what_processes_without_memory_leave_does_not_pile_up() {
    let dangling = after_a_turnover(30, 20).await;
    assert!(dangling <= 8, "{dangling} of 480 that were left, beside 30 tokens");
}

#[tokio::test]
async fn nor_on_a_split_index() {
    let dangling = after_a_turnover(200, 40).await;
    assert!(dangling <= 60, "{dangling} of 960 that were left, beside 200 tokens");
}

/// A vault of so many users, of whom 20 have logged out; and a process that has listed it. Answers who is gone.
async fn listed(world: &World, users: usize) -> (Vault, Vec<String>) {
    let mut ids = signed_in(world, users).await;
    ids.truncate(20);
    for id in &ids {
        delete(world, id).await;
    }
    assert_eq!(dangling(world).await, 20);
    let vault = world.vault("worker");
    assert_eq!(vault.get_tokens(&Context::new()).await.unwrap().value.len(), users - 20);
    (vault, ids)
}

#[tokio::test]
async fn what_a_list_found_to_be_gone_goes_with_the_next_write() {
    let world = World::new(Settings::new().seed(1)).await;
    let (vault, gone) = listed(&world, 30).await;
    sign_in(&vault, 30).await;
    assert_eq!(dangling(&world).await, 0);
    let counters = world.simulator.counters();
    let looks = |id: &String| counters.of_secret(&format!("test/vault/token/{id}"), Operation::DescribeSecret);
    assert!(gone.iter().all(|id| looks(id) == 0), "what is known is not looked at");
    assert_eq!(counters.of(Operation::DescribeSecret), 8, "but eight of the others");
}

#[tokio::test]
async fn what_is_known_to_be_gone_is_not_handed_to_the_pages_of_a_split() {
    let world = World::new(Settings::new().seed(1)).await;
    let (vault, _) = listed(&world, 63).await;
    sign_in(&vault, 63).await;
    assert_eq!(world.secrets("test/vault/index/").await.len(), 16, "the next write was one too many");
    assert_eq!(dangling(&world).await, 0);
}

#[tokio::test]
async fn what_was_announced_just_now_is_not_looked_at() {
    let world = World::new(Settings::new().seed(1)).await;
    let vault = world.vault("first");
    for user in 0..20 {
        sign_in(&vault, user).await;
    }
    sign_in(&world.vault("sign-in"), 20).await;
    assert_eq!(world.simulator.counters().of(Operation::DescribeSecret), 0);
}

/// Of eight names, no value.
#[tokio::test]
async fn a_writer_looks_at_eight_names_and_reads_none() {
    let mut reads = BTreeSet::new();
    for (users, looks) in [(7, 0), (8, 8), (30, 8)] {
        let world = World::new(Settings::new().seed(1)).await;
        signed_in(&world, users).await;
        let before = world.simulator.counters();
        sign_in(&world.vault("sign-in"), 100 + users).await;
        let after = world.simulator.counters();
        let count = |operation| after.of(operation) - before.of(operation);
        assert_eq!(count(Operation::DescribeSecret), looks, "of {users}");
        assert_eq!(count(Operation::BatchGetSecretValue), 0);
        reads.insert(count(Operation::GetSecretValue));
    }
    assert_eq!(reads.len(), 1, "{reads:?}: as many as where nobody looks");
}

/// Somebody might still be about to make it: its name is taken first, and one at a time.
#[tokio::test]
async fn a_name_without_a_secret_is_taken_before_its_entries_go() {
    let world = World::new(Settings::new().seed(1)).await;
    let ids = signed_in(&world, 10).await;
    for id in &ids[..2] {
        purge(&world, id).await;
    }
    sign_in(&world.vault("sign-in"), 99).await;
    assert_eq!(dangling(&world).await, 2, "a save that is kept somewhere may still make them");
    world.simulator.clock().advance(30 * DAY);
    let before = world.simulator.counters();
    sign_in(&world.vault("sign-in"), 100).await;
    let after = world.simulator.counters();
    assert_eq!(dangling(&world).await, 1, "of two");
    assert_eq!(after.of(Operation::CreateSecret) - before.of(Operation::CreateSecret), 2, "a token and a tombstone");
    sign_in(&world.vault("sign-in"), 101).await;
    assert_eq!(dangling(&world).await, 0);
}

/// It is the first that would be looked at.
#[tokio::test]
async fn a_name_that_is_taken_over_is_not_looked_at() {
    let cut = Arc::new(Cut::default());
    let world = World::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)).await;
    signed_in(&world, 10).await;
    let page = |world: &World| world.simulator.secret("test/vault/index").unwrap().labelled("AWSCURRENT").cloned();
    let before = page(&world);
    let is_announced = async |calls| {
        cut.arm(calls, true);
        let mut token = OAuthToken::new().with(UserName, "user 100").with(ClientId, "app").with(AccessToken, "access");
        token = token.with(RefreshToken, "refresh 100");
        world.vault(VICTIM).save_token(&Context::new(), &mut token).await.unwrap_err();
        page(&world) != before
    };
    let mut calls = 0;
    while !is_announced(calls).await {
        calls += 1;
    }
    world.simulator.clock().advance(31 * DAY);
    assert_eq!(dangling(&world).await, 1, "the name that is announced");
    sign_in(&world.vault("sign-in"), 100).await;
    assert_eq!(dangling(&world).await, 0, "it has a token");
    assert_eq!(world.simulator.counters().of(Operation::DeleteSecret), 0);
}

#[tokio::test]
async fn where_looking_is_not_granted_a_process_tries_once_and_signs_in() {
    let world = World::new(Settings::new().seed(1)).await;
    signed_in(&world, 30).await;
    let refused = ServiceError::new("AccessDeniedException", "not for you");
    world.simulator.inject(Fault::new(Failure::Refused(refused)).on(Operation::DescribeSecret).times(u64::MAX));
    let vault = world.vault("worker");
    for user in 30..33 {
        sign_in(&vault, user).await;
    }
    assert_eq!(world.simulator.counters().refused("AccessDeniedException"), 8);
    assert_eq!(vault.get_tokens(&Context::new()).await.unwrap().value.len(), 33);
}

/// What a process has found dead is not so for ever: a copy brings names back once AWS has let go of them.
#[tokio::test]
async fn what_a_copy_brings_back_stays_listed() {
    let world = World::new(Settings::new().seed(1)).await;
    let ids = signed_in(&world, 3).await;
    let (kept, cx) = (MemoryBackend::new(), Context::new());
    let out = copy(&world.backend("copier"), &kept, &cx, &CopyOptions::default()).await.unwrap();
    for id in &ids {
        delete(&world, id).await;
    }
    let agent = world.vault("agent");
    assert!(agent.get_tokens(&cx).await.unwrap().value.is_empty(), "it knows that all three are dead");
    for id in &ids {
        purge(&world, id).await;
    }
    let back = copy(&kept, &world.backend("copier"), &cx, &CopyOptions::default()).await.unwrap();
    assert_eq!((out.new, back.new), (3, 3));
    sign_in(&agent, 3).await;
    assert_eq!(world.vault("reader").get_tokens(&cx).await.unwrap().value.len(), 4);
    world.assert_consistent("brought back").await;
    assert_eq!(dangling(&world).await, 0);
}
