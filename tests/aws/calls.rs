//! How many calls each operation comes to.

use std::collections::BTreeSet;
use std::time::Duration;

use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::throttle::Group;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, RefreshToken, UserName};
use tokenvault::lookup::{LookupKey, LookupKind};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::simulated::World;

fn sign_in(user: &str) -> OAuthToken {
    let refresh = format!("refresh of {user}");
    OAuthToken::new().with(UserName, user).with(ClientId, "app").with(RefreshToken, &refresh).with(AccessToken, "a")
}

const READS: [Operation; 3] = [Operation::GetSecretValue, Operation::BatchGetSecretValue, Operation::DescribeSecret];

/// The (reads, writes) that `work` makes.
async fn counted<T>(world: &World, work: impl Future<Output = T>) -> (u64, u64) {
    let count = || {
        let counters = world.simulator.counters();
        let reads: u64 = READS.iter().map(|operation| counters.of(*operation)).sum();
        (reads, counters.total() - reads)
    };
    let before = count();
    work.await;
    let after = count();
    (after.0 - before.0, after.1 - before.1)
}

async fn signed_in(world: &World, users: usize) -> (Vault, OAuthToken) {
    let vault = world.vault("writer");
    let mut last = sign_in("user 0");
    for number in 0..users {
        last = sign_in(&format!("user {number}"));
        vault.save_token(&Context::new(), &mut last).await.unwrap();
    }
    (vault, last)
}

#[tokio::test]
async fn finding_takes_one_call_by_id_and_two_by_user() {
    let world = World::new(Settings::new().seed(1)).await;
    let (_, token) = signed_in(&world, 3).await;
    let (cx, id) = (Context::new(), token.id().unwrap().to_owned());
    let cold = world.vault("reader");
    let by_id = async { assert!(cold.find_token_by_id(&cx, &id).await.unwrap().value.is_some()) };
    assert_eq!(counted(&world, by_id).await, (1, 0));
    let cold = world.vault("reader");
    let by_user = async {
        let mut wanted = OAuthToken::new().with(UserName, "user 2");
        assert!(cold.find_token(&cx, &mut wanted).await.unwrap().value);
    };
    assert_eq!(counted(&world, by_user).await, (2, 0));
    let by_unknown_user = async {
        let mut wanted = OAuthToken::new().with(UserName, "nobody");
        assert!(!cold.find_token(&cx, &mut wanted).await.unwrap().value);
    };
    assert_eq!(counted(&world, by_unknown_user).await, (1, 0), "the index says so");
}

#[tokio::test]
async fn a_token_with_a_brought_id_is_found_by_it_in_two_calls() {
    let world = World::new(Settings::new().seed(1)).await;
    let (cx, vault) = (Context::new(), world.vault("writer"));
    vault.save_token(&cx, &mut sign_in("ada").with_id("brought")).await.unwrap();
    let cold = world.vault("reader");
    let find = async { assert!(cold.find_token_by_id(&cx, "brought").await.unwrap().value.is_some()) };
    assert_eq!(counted(&world, find).await, (2, 0));
}

#[tokio::test]
async fn a_refresh_writes_the_token_and_nothing_else() {
    let world = World::new(Settings::new().seed(1)).await;
    let (vault, mut token) = signed_in(&world, 3).await;
    token = token.with(AccessToken, "b").with(ExpiresIn, "1795311652321");
    let (_, writes) = counted(&world, async { vault.save_token(&Context::new(), &mut token).await.unwrap() }).await;
    assert_eq!(writes, 1);
}

#[tokio::test]
async fn a_new_token_takes_two_writes() {
    let world = World::new(Settings::new().seed(1)).await;
    let (vault, _) = signed_in(&world, 3).await;
    let save = async { vault.save_token(&Context::new(), &mut sign_in("new")).await.unwrap() };
    assert_eq!(counted(&world, save).await.1, 2);
}

#[tokio::test]
async fn a_save_under_a_new_id_looks_it_up_once() {
    let world = World::new(Settings::new().seed(1)).await;
    let (vault, _) = signed_in(&world, 3).await;
    let mut token = OAuthToken::new().with_id("brought").with(RefreshToken, "r");
    let save = async { vault.save_token(&Context::new(), &mut token).await.unwrap() };
    // The index: for the id, for the page to write, after the write, and once the token is there.
    assert_eq!(counted(&world, save).await, (4, 2));
}

#[tokio::test]
async fn a_delete_takes_two_writes() {
    let world = World::new(Settings::new().seed(1)).await;
    let (vault, token) = signed_in(&world, 3).await;
    let delete = async { assert!(vault.delete_token(&Context::new(), token.id().unwrap()).await.unwrap().value) };
    assert_eq!(counted(&world, delete).await.1, 2);
}

#[tokio::test]
async fn listing_reads_the_index_and_twenty_tokens_a_call() {
    let world = World::new(Settings::new().seed(1)).await;
    signed_in(&world, 50).await;
    let cold = world.vault("reader");
    let list = async { assert_eq!(cold.get_tokens(&Context::new()).await.unwrap().value.len(), 50) };
    assert_eq!(counted(&world, list).await, (1 + 3, 0));
    assert_eq!(world.simulator.counters().of(Operation::BatchGetSecretValue), 3);
}

#[tokio::test]
async fn without_the_right_to_batches_listing_reads_each_token() {
    let world = World::new(Settings::new().seed(1)).await;
    signed_in(&world, 50).await;
    let own = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "arn:aws:secretsmanager:*:*:secret:test/vault/*"}]}"#;
    let reader = Principal::new("arn:aws:iam::123456789012:user/reader").policy(Policy::parse(own).unwrap());
    world.simulator.principals(|principals| principals.insert("reader", reader));
    let vault = world.vault("reader");
    let asked = || world.simulator.counters().of(Operation::BatchGetSecretValue);
    let list = async || assert_eq!(vault.get_tokens(&Context::new()).await.unwrap().value.len(), 50);
    let first = counted(&world, list()).await;
    assert!((1..=3).contains(&asked()), "each of those that were under way at once: {}", asked());
    assert_eq!(first, (1 + asked() + 50, 0));
    let before = asked();
    assert_eq!(counted(&world, list()).await, (1 + 50, 0), "what was refused is not asked again");
    assert_eq!(asked(), before);
}

#[tokio::test]
async fn a_service_that_breaks_down_over_batches_is_not_asked_for_one_again() {
    let world = World::new(Settings::new().seed(1)).await;
    signed_in(&world, 5).await;
    let vault = world.vault("reader");
    let asked = || world.simulator.counters().of(Operation::BatchGetSecretValue);
    let list = async || assert_eq!(vault.get_tokens(&Context::new()).await.unwrap().value.len(), 5);
    world.simulator.inject(Fault::new(Failure::ConnectionLost).on(Operation::BatchGetSecretValue).times(1));
    list().await;
    world.simulator.inject(Fault::new(Failure::InternalServiceError).on(Operation::BatchGetSecretValue).times(1));
    list().await;
    assert_eq!(asked(), 2, "a lost call says nothing of the service");
    list().await;
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn what_is_refused_of_a_batch_is_refused_as_it_would_be_alone() {
    let world = World::new(Settings::new().seed(1)).await;
    let (vault, token) = signed_in(&world, 5).await;
    let secret = format!("test/vault/token/{}", token.id().unwrap());
    let policy = format!(
        r#"{{"Version": "2012-10-17", "Statement": [
        {{"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"}},
        {{"Effect": "Deny", "Action": "secretsmanager:GetSecretValue", "Resource": "arn:aws:secretsmanager:*:*:secret:{secret}*"}}]}}"#
    );
    let reader = Principal::new("arn:aws:iam::123456789012:user/reader").policy(Policy::parse(&policy).unwrap());
    let operator = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;
    let others = Principal::new("arn:aws:iam::123456789012:user/others").policy(Policy::parse(operator).unwrap());
    world.simulator.principals(|principals| {
        principals.insert("reader", reader);
        ["operator", "writer"].into_iter().for_each(|key| principals.insert(key, others.clone()));
    });
    let refused = world.vault("reader").get_tokens(&Context::new()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    assert!(refused.message().contains("GetSecretValue") && refused.message().contains(&secret), "{refused}");

    let client = crate::simulated::client(&world.simulator, "operator");
    client.delete_secret().secret_id(&secret).send().await.unwrap();
    assert_eq!(vault.get_tokens(&Context::new()).await.unwrap().value.len(), 4, "gone, as alone");
}

#[tokio::test]
async fn one_token_is_never_read_in_a_batch() {
    let world = World::new(Settings::new().seed(1)).await;
    signed_in(&world, 1).await;
    assert_eq!(world.vault("reader").get_tokens(&Context::new()).await.unwrap().value.len(), 1);
    assert_eq!(world.simulator.counters().of(Operation::BatchGetSecretValue), 0);
}

#[tokio::test]
async fn deleting_everything_takes_two_writes_a_token_and_one_a_page() {
    let world = World::new(Settings::new().seed(1)).await;
    let (vault, _) = signed_in(&world, 30).await;
    let clear = async { assert_eq!(vault.delete_tokens(&Context::new()).await.unwrap().value, 30) };
    assert_eq!(counted(&world, clear).await.1, 2 * 30 + 1);
    assert_eq!(world.simulator.counters().of(Operation::BatchGetSecretValue), 2, "twenty tokens a call");
}

/// The pages, in an index that was split once, of the keys that a user's token is found by.
fn pages_of(user: &str) -> BTreeSet<u8> {
    let keys = [(LookupKind::User, user.to_owned()), (LookupKind::RefreshToken, format!("refresh of {user}"))];
    keys.iter().map(|(kind, text)| LookupKey::new(*kind, text).as_bytes()[0] >> 4).collect()
}

#[tokio::test]
async fn deleting_everything_from_many_pages_takes_two_writes_a_token_or_dangling_name_and_one_a_page() {
    let world = World::new(Settings::new().seed(1)).await;
    signed_in(&world, 100).await;
    assert_eq!(world.secrets("test/vault/index/").await.len(), 16);
    // Somebody has deleted three for good: what leads to them dangles.
    let client = crate::simulated::client(&world.simulator, "operator");
    for secret in world.secrets("test/vault/token/").await.iter().step_by(40) {
        client.delete_secret().secret_id(secret).force_delete_without_recovery(true).send().await.unwrap();
    }
    world.simulator.clock().advance(Duration::from_secs(600));
    let vault = world.vault("cleaner");
    let clear = async { assert_eq!(vault.delete_tokens(&Context::new()).await.unwrap().value, 97) };
    assert_eq!(counted(&world, clear).await.1, 2 * 97 + 16 + 2 * 3);
}

#[tokio::test]
async fn a_split_index_costs_a_page_more() {
    let world = World::new(Settings::new().seed(1)).await;
    let (vault, token) = signed_in(&world, 100).await;
    let pages = world.secrets("test/vault/index/").await;
    assert_eq!(pages.len(), 16, "64 writes a day are enough for one page");
    let cx = Context::new();
    // Keys of one page, and of two.
    for (user, pages) in [("both", 1), ("each", 2)] {
        let is_so = |user: &String| pages_of(user).len() == pages;
        let user = (0..).map(|number| format!("{user} {number}")).find(is_so).unwrap();
        let save = async { vault.save_token(&cx, &mut sign_in(&user)).await.unwrap() };
        assert_eq!(counted(&world, save).await.1, pages as u64 + 1, "the pages of its two keys, and the token");
    }
    let cold = world.vault("reader");
    let by_user = async {
        let mut wanted = OAuthToken::new().with(UserName, token.user_name().unwrap());
        assert!(cold.find_token(&cx, &mut wanted).await.unwrap().value);
    };
    assert_eq!(counted(&world, by_user).await, (3, 0));
    assert_eq!(vault.get_tokens(&cx).await.unwrap().value.len(), 102);
}

/// The service counts batches by themselves, and takes a hundred a second.
#[tokio::test]
async fn batches_are_spaced_so_that_none_is_refused() {
    let world = World::new(Settings::new().seed(1)).await;
    signed_in(&world, 240).await;
    world.simulator.set(|switches| {
        switches.throttle = true;
        // 9 at once: 12 batches come to more, and 5 at first and 7 after their waits do not.
        (switches.burst, _) = (Duration::from_millis(150), switches.rates.insert(Group::Batch, 60));
    });
    let listed = world.vault("reader").get_tokens(&Context::new()).await.unwrap().value.len();
    let counters = world.simulator.counters();
    let refused = counters.refused("ThrottlingException");
    assert_eq!((listed, refused, counters.of(Operation::BatchGetSecretValue)), (240, 0, 12));
}
