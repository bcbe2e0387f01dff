//! How the index grows: held against the table of docs/index-size.md.

use std::sync::Arc;

use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::Switches;
use tokenvault::fields::Field::{AccessToken, ClientId, RefreshToken, UserName};
use tokenvault::import::row::{Row, Rows};
use tokenvault::import::{Ids, ImportOptions, import};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::ledger::{Account, HOUR, assert_within_quotas, is_full};
use crate::simulated::World;

const PAGE: &str = include_str!("../../docs/index-size.md");

/// How many tokens come at once.
const BATCH: usize = 1000;

/// The numbers of the page's row for so many tokens.
fn on_paper(tokens: usize) -> Vec<usize> {
    let numbers = |line: &str| -> Vec<usize> {
        line.split('|').filter_map(|cell| cell.trim().replace(',', "").parse().ok()).collect()
    };
    let mut rows = PAGE.lines().map(numbers);
    rows.find(|row| row.len() == 5 && row[0] == tokens).expect("the page has a row for as many")
}

fn rows(from: usize, count: usize) -> Rows {
    let row = |number: usize| {
        let token = OAuthToken::new().with(UserName, &format!("user {number}")).with(ClientId, "app");
        let token = token.with(RefreshToken, &format!("refresh {number}")).with(AccessToken, "access");
        Row { line: number + 1, id: Arc::from(number.to_string()), fields: Arc::new(token.fields().clone()) }
    };
    Rows { rows: (from..from + count).map(row).collect(), ..Rows::default() }
}

/// A vault with so many tokens, which came over some days.
pub(crate) async fn filled(tokens: usize) -> World {
    let switches = Switches { trail: false, throttle: true, ..Switches::default() };
    let world = World::new(Settings::new().seed(1).switches(switches)).await;
    let vault = world.vault("importer");
    let options = ImportOptions { ids: Ids::New, ..ImportOptions::default() };
    for from in (0..tokens).step_by(BATCH) {
        let rows = rows(from, BATCH.min(tokens - from));
        let summary = import(&vault, &Context::new(), &rows, &options).await.unwrap();
        assert_eq!(summary.new.len(), rows.rows.len());
        world.simulator.clock().advance(HOUR);
    }
    world
}

/// The most calls that a find by user takes which knows nothing yet.
async fn cold_find(world: &World, tokens: usize) -> u64 {
    let mut most = 0;
    for number in (0..tokens).step_by(tokens.div_ceil(50)) {
        let before = world.simulator.counters().total();
        let mut wanted = OAuthToken::new().with(UserName, &format!("user {number}"));
        assert!(world.vault("reader").find_token(&Context::new(), &mut wanted).await.unwrap().value);
        most = most.max(world.simulator.counters().total() - before);
    }
    most
}

/// How many levels of pages there are below the first.
fn levels(world: &World) -> usize {
    let names = world.simulator.names();
    let digits = names.iter().filter_map(|name| name.strip_prefix("test/vault/index/1/")).map(str::len);
    digits.max().unwrap_or_default()
}

async fn assert_as_on_paper(tokens: usize) {
    let world = filled(tokens).await;
    let (account, find) = (Account::of(&world), cold_find(&world, tokens).await);
    println!("{tokens} tokens: {} levels below the first, {find} calls of a cold find; {account}", levels(&world));
    assert_within_quotas(&world);
    let [_, entries, deep, pages, calls] = on_paper(tokens)[..] else { panic!("the row has five numbers") };
    assert_eq!(entries, 2 * tokens / 16_usize.pow(u32::try_from(deep).unwrap()), "the page's own formula");
    assert_eq!((levels(&world), account.pages, find), (deep, pages, calls as u64));
    assert_eq!(account.tokens, tokens);
}

#[tokio::test]
async fn a_hundred_tokens_take_what_is_written() {
    assert_as_on_paper(100).await;
}

#[tokio::test]
async fn a_thousand_tokens_take_what_is_written() {
    assert_as_on_paper(1000).await;
}

#[tokio::test]
async fn many_tokens_take_what_is_written() {
    assert_as_on_paper(if is_full() { 100_000 } else { 10_000 }).await;
}
