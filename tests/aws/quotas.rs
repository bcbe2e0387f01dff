//! Days of use in virtual time: nothing is refused for a quota, and nothing that was acknowledged is lost.
//!
//! Shortened, so that an unoptimised build takes seconds; TOKENVAULT_SIMULATE=full runs them at their full length.

use std::time::Duration;

use fastrand::Rng;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::ledger::{Account, DAY, HOUR, Ledger, assert_within_quotas, is_full, strict};
use crate::simulated::World;

const PROCESSES: usize = 4;

/// A service, and four processes on its vault.
async fn fleet() -> (World, Vec<Vault>, Rng) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let world = World::new(strict(seed)).await;
    // Until every read shows the vault that was made just now.
    world.simulator.clock().advance(Duration::from_secs(60));
    let processes = (0..PROCESSES).map(|number| world.vault(&format!("process {number}"))).collect();
    (world, processes, Rng::with_seed(seed))
}

fn sign_in(user: &str, time: usize) -> OAuthToken {
    let token = OAuthToken::new().with(UserName, user).with(ClientId, "app");
    token
        .with(RefreshToken, &format!("refresh {time} of {user}"))
        .with(AccessToken, &format!("access {time} of {user}"))
}

async fn end(world: &World, ledger: &Ledger, what: &str) -> Account {
    let account = Account::of(world);
    println!("{what}: {account}");
    assert_within_quotas(world);
    ledger.assert_nothing_is_lost(world).await;
    account
}

#[tokio::test]
async fn a_thousand_sign_ups_in_a_day() {
    const IN_A_DAY: u32 = 1000;
    let users = if is_full() { IN_A_DAY } else { 400 };
    let (world, processes, _) = fleet().await;
    let mut ledger = Ledger::default();
    for user in 0..users {
        let mut token = sign_in(&format!("user {user}"), 0);
        processes[user as usize % PROCESSES].save_token(&Context::new(), &mut token).await.unwrap();
        ledger.saved(&token);
        world.simulator.clock().advance(DAY / IN_A_DAY);
    }
    let account = end(&world, &ledger, &format!("{users} sign-ups, {IN_A_DAY} a day")).await;
    assert_eq!(account.tokens, users as usize);
}

/// Tokens that are refreshed before each full hour, spread over it, by whichever process meets them.
async fn refresh(users: usize, days: usize, rotates: bool) {
    let (world, processes, mut random) = fleet().await;
    let (cx, mut ledger) = (Context::new(), Ledger::default());
    let mut held = Vec::new();
    let step = HOUR * 55 / 60 / u32::try_from(users).unwrap();
    for user in 0..users {
        let mut token = sign_in(&format!("user {user}"), 0);
        processes[0].save_token(&cx, &mut token).await.unwrap();
        ledger.saved(&token);
        held.push(token);
        world.simulator.clock().advance(step);
    }
    let index_writes = world.index_writes();
    let refreshes = days * 24 * 60 / 55;
    for time in 1..=refreshes {
        for token in &mut held {
            let user = token.user_name().unwrap().to_owned();
            let new = sign_in(&user, time);
            token.set(AccessToken, new.fields().get(AccessToken).cloned());
            if rotates {
                token.set(RefreshToken, new.fields().get(RefreshToken).cloned());
            }
            *token =
                token.clone().with(ExpiresIn, &format!("{}", world.simulator.clock().now().as_millis() + 3_600_000));
            processes[random.usize(..PROCESSES)].save_token(&cx, token).await.unwrap();
            ledger.saved(token);
            world.simulator.clock().advance(step);
        }
    }
    let account = end(&world, &ledger, &format!("{users} tokens, {refreshes} refreshes each in {days} days")).await;
    assert_eq!(account.tokens, users);
    assert_eq!(world.index_writes(), index_writes, "a refresh does not write the index");
}

#[tokio::test]
async fn tokens_that_are_refreshed_every_hour_for_a_week() {
    refresh(if is_full() { 2000 } else { 30 }, 7, false).await;
}

#[tokio::test]
async fn a_provider_that_gives_a_new_refresh_token_at_each_refresh() {
    refresh(if is_full() { 200 } else { 10 }, 7, true).await;
}

/// Logs out and returns, both at times drawn at random.
#[tokio::test]
async fn users_who_log_out_and_return_up_to_fifteen_times_a_day() {
    let (users, days) = if is_full() { (300, 7) } else { (50, 2) };
    let (world, processes, mut random) = fleet().await;
    let (cx, mut ledger) = (Context::new(), Ledger::default());
    let start = world.simulator.clock().now();
    let mut times = vec![0; users];
    for day in 0..days {
        // Nobody returns within the seconds in which another process may not see the log-out.
        let mut due: Vec<(Duration, usize)> = Vec::new();
        for user in 0..users {
            let mut minutes: Vec<u32> = (0..24 * 60).step_by(2).collect();
            random.shuffle(&mut minutes);
            minutes.truncate(2 * random.usize(..=15));
            due.extend(minutes.into_iter().map(|minute| (DAY * day + HOUR * minute / 60, user)));
        }
        due.sort_unstable();
        for (at, user) in due {
            let past = world.simulator.clock().now().since(start);
            world.simulator.clock().advance(at.saturating_sub(past));
            let vault = &processes[random.usize(..PROCESSES)];
            let name = format!("user {user}");
            let mut token = OAuthToken::new().with(UserName, &name);
            if vault.find_token(&cx, &mut token).await.unwrap().value {
                assert!(vault.delete_token(&cx, token.id().unwrap()).await.unwrap().value);
                ledger.deleted(&name);
            } else {
                times[user] += 1;
                let mut token = sign_in(&name, times[user]);
                vault.save_token(&cx, &mut token).await.unwrap();
                ledger.saved(&token);
            }
        }
    }
    let returns: usize = times.iter().sum();
    let account = end(&world, &ledger, &format!("{users} users, {returns} sign-ins in {days} days")).await;
    assert_eq!(account.tokens, ledger.len());
}

/// Refused by the vault, before AWS would; and the index does not grow for it.
#[tokio::test]
async fn a_user_who_signs_in_and_out_without_end_is_stopped_for_a_day() {
    let (world, processes, _) = fleet().await;
    let cx = Context::new();
    let mut sign_ins = 0;
    let refused = loop {
        world.simulator.clock().advance(Duration::from_secs(180));
        let mut token = sign_in("ada", sign_ins);
        match processes[0].save_token(&cx, &mut token).await {
            Ok(_) => sign_ins += 1,
            Err(error) => break error,
        }
        assert!(processes[0].delete_token(&cx, token.id().unwrap()).await.unwrap().value);
    };
    println!("stopped after {sign_ins} sign-ins");
    assert_eq!(refused.kind(), ErrorKind::QuotaReached, "{refused}");
    assert!((96..256).contains(&sign_ins), "{sign_ins}");
    assert!(world.secrets("test/vault/index").await.len() <= 33);
    assert_within_quotas(&world);
    processes[1].save_token(&cx, &mut sign_in("bob", 0)).await.unwrap();
    world.simulator.clock().advance(DAY);
    processes[2].save_token(&cx, &mut sign_in("ada", sign_ins)).await.unwrap();
}
