//! What deletions leave in the index, where those who write it know nothing of them.
//!
//! A look at names is a step of its own between others': so sign-ins that look are cut off and put in order here, too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::Switches;
use tokenvault::backend::secrets_manager::survey::Trouble;
use tokenvault::fields::Field::{AccessToken, ClientId, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::crash::{Act, contents, cut_after, vault_with_past};
use crate::orders::in_orders;
use crate::schedules::{ACTORS, Act as Acting, AtGate, Held, Schedule, Waiting, bound, play};
use crate::simulated::{World, client};

const HOUR: Duration = Duration::from_hours(1);

/// A user signs in. Answers the token's id.
async fn sign_in(vault: &Vault, user: usize) -> String {
    let mut token = OAuthToken::new().with(UserName, &format!("user {user}")).with(ClientId, "app");
    token = token.with(RefreshToken, &format!("refresh {user}")).with(AccessToken, "access");
    vault.save_token(&Context::new(), &mut token).await.unwrap();
    token.id().unwrap().to_owned()
}

async fn signed_in(world: &World, users: usize) -> Vec<String> {
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

async fn delete(world: &World, id: &str) {
    assert!(world.vault("log-out").delete_token(&Context::new(), id).await.unwrap().value);
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
    dangling(&world).await
}

#[tokio::test]
async fn what_processes_without_memory_leave_does_not_pile_up() {
    let dangling = after_a_turnover(30, 20).await;
    assert!(dangling <= 15, "{dangling} of 480 that were left, beside 30 tokens");
}

#[tokio::test]
async fn nor_on_a_split_index() {
    let dangling = after_a_turnover(200, 40).await;
    assert!(dangling <= 100, "{dangling} of 960 that were left, beside 200 tokens");
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
    let before = world.simulator.counters();
    sign_in(&world.vault("sign-in"), 100).await;
    let after = world.simulator.counters();
    assert_eq!(dangling(&world).await, 1, "of two");
    assert_eq!(after.of(Operation::CreateSecret) - before.of(Operation::CreateSecret), 2, "a token and a tombstone");
    sign_in(&world.vault("sign-in"), 101).await;
    assert_eq!(dangling(&world).await, 0);
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

/// The past of `crash.rs`, and nine names on the same page that nobody will have to do with: seven are deleted, two are gone.
async fn old_page(world: &World) {
    vault_with_past(world).await;
    for (number, id) in signed_in(world, 9).await.iter().enumerate() {
        delete(world, id).await;
        if number < 2 {
            purge(world, id).await;
        }
    }
    world.simulator.clock().advance(HOUR);
}

async fn purge(world: &World, id: &str) {
    let operator = client(&world.simulator, "operator");
    let secret = format!("test/vault/token/{id}");
    operator.delete_secret().secret_id(secret).force_delete_without_recovery(true).send().await.unwrap();
    world.simulator.clock().advance(HOUR);
}

#[tokio::test]
async fn who_looks_and_is_cut_off_has_signed_in_or_not() {
    for act in [Act::SignUp, Act::SignInAgain, Act::BecomeKnown] {
        for with_effect in [false, true] {
            let calls = cut_after(old_page, act, with_effect).await;
            assert!(calls >= 4 + 8, "{act:?}: {calls} calls, looks and all");
        }
    }
}

/// So many orders of each pair: there are more of them than can be played.
const SOME: usize = 24;

#[tokio::test]
async fn who_looks_beside_others_loses_nobody() {
    let quiet = Switches { trail: false, ..Switches::default() };
    let before = World::new(Settings::new().seed(1).switches(quiet)).await;
    old_page(&before).await;
    let was = contents(&before.vault("reader")).await;
    let others = [Act::SignInAgain, Act::BecomeKnown, Act::LogOut, Act::Refresh, Act::DeleteAll];
    for pair in others.map(|other| [Act::SignUp, other]) {
        let both = |world: &World| {
            [0, 1].map(|actor| {
                let vault = world.vault(ACTORS[actor]);
                Box::pin(async move { pair[actor].run(&vault).await }) as Acting
            })
        };
        let judge = async |world: &World, ended: [tokenvault::error::Result<()>; 2], what: &str| {
            let found = contents(&world.vault("after")).await;
            let [one, other] = pair;
            let allowed = [other.after(&one.after(&was)), one.after(&other.after(&was))];
            assert!(ended.iter().all(Result::is_ok) && allowed.contains(&found), "{what}: {ended:?}, {found:?}");
            world.assert_consistent(what).await;
        };
        in_orders(&before, (&format!("{pair:?} on an old page"), bound(SOME)), both, judge).await;
    }
}

/// The first is held for so long that what it has announced is old, and the second looks at it.
struct Frozen {
    held: Held,
    world: World,
}

impl Schedule for Frozen {
    fn choose(&mut self, waiting: &Waiting) -> Option<usize> {
        let was_held = self.held.was_held();
        let chosen = self.held.choose(waiting);
        if self.held.was_held() && !was_held {
            self.world.simulator.clock().advance(HOUR);
        }
        chosen
    }

    fn went(&mut self, _: Duration) {}
}

#[tokio::test]
async fn a_creator_that_sleeps_while_another_looks_is_there_in_the_end() {
    let before = World::new(Settings::new().seed(1)).await;
    // With what the sleeper announces, eight.
    signed_in(&before, 7).await;
    let mut barred = 0;
    for calls in 0.. {
        let gate = AtGate::default();
        let world = World { simulator: before.simulator.forked(Arc::new(gate.clone())) };
        let mut frozen = Frozen { held: Held::new(0, calls), world: World { simulator: world.simulator.clone() } };
        let acts = [0, 1].map(|actor| {
            let vault = world.vault(ACTORS[actor]);
            Box::pin(async move {
                sign_in(&vault, 100 + actor).await;
                Ok(())
            }) as Acting
        });
        let played = play(&gate, world.simulator.clock(), acts, &mut frozen).await;
        let what = format!("held after {calls} calls: {:#?}", played.calls);
        let tokens = world.vault("after").get_tokens(&Context::new()).await.unwrap().value;
        assert_eq!(tokens.len(), 7 + 2, "{what}");
        world.assert_consistent(&what).await;
        barred += usize::from(world.simulator.counters().of(Operation::DeleteSecret) > 0);
        if !frozen.held.was_held() {
            break;
        }
    }
    assert!(barred > 0, "it was never taken for gone");
}
