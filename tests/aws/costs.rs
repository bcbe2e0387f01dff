//! What a vault costs: the numbers of docs/costs.md, held against the calls that are made, and against each other.

use std::fmt::Write;
use std::time::Duration;

use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::growth::filled;
use crate::simulated::World;

const PAGE: &str = include_str!("../../docs/costs.md");

/// Dollars for a secret and month, for 10,000 calls, for a KMS key and month, for 10,000 requests of KMS.
const SECRET: f64 = 0.40;
const CALLS: f64 = 0.05 / 10_000.0;
const KEY: f64 = 1.00;
const REQUESTS: f64 = 0.03 / 10_000.0;

/// Refreshes of a token in a month of 730 hours.
const REFRESHES: f64 = 730.0;
/// Sign-ins of a user in a month.
const SIGN_INS: f64 = 1.0;

/// For so many tokens, so many secrets of the index (docs/index-size.md).
const SIZES: [(u32, u32); 4] = [(100, 1), (1000, 17), (10_000, 273), (100_000, 273)];

/// Calls of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Calls {
    reads: u64,
    writes: u64,
}

/// What each operation comes to, with an index of some size.
#[derive(Debug)]
struct Measured {
    pages: u32,
    find: Calls,
    refresh: Calls,
    sign_in: Calls,
}

async fn counted(world: &World, work: impl Future<Output = ()>) -> Calls {
    let counted = || {
        let counters = world.simulator.counters();
        let writes = counters.operations().filter(|(operation, _)| operation.is_write()).map(|(_, count)| count).sum();
        Calls { reads: counters.total() - writes, writes }
    };
    let before = counted();
    work.await;
    let after = counted();
    Calls { reads: after.reads - before.reads, writes: after.writes - before.writes }
}

fn most(one: Calls, other: Calls) -> Calls {
    Calls { reads: one.reads.max(other.reads), writes: one.writes.max(other.writes) }
}

async fn measured(tokens: usize, pages: u32) -> Measured {
    const SAMPLES: usize = 40;
    let (world, cx) = (filled(tokens).await, Context::new());
    let vault = world.vault("process");
    // What has just been written is not looked at.
    world.simulator.clock().advance(Duration::from_hours(1));
    let mut measured = Measured { pages, find: Calls::default(), refresh: Calls::default(), sign_in: Calls::default() };
    for number in 0..SAMPLES {
        let mut token = OAuthToken::new().with(UserName, &format!("user {}", number * tokens / SAMPLES));
        let cold = world.vault("cold");
        let find = counted(&world, async { assert!(cold.find_token(&cx, &mut token).await.unwrap().value) });
        measured.find = most(measured.find, find.await);
        let mut refreshed = token.with(AccessToken, "refreshed").with(ExpiresIn, "1795311652321");
        let refresh = counted(&world, async { drop(vault.save_token(&cx, &mut refreshed).await.unwrap()) });
        measured.refresh = most(measured.refresh, refresh.await);
        let mut new = OAuthToken::new().with(UserName, &format!("new {number}")).with(ClientId, "app");
        new = new.with(RefreshToken, &format!("new {number}")).with(AccessToken, "a");
        let sign_in = counted(&world, async { drop(vault.save_token(&cx, &mut new).await.unwrap()) });
        measured.sign_in = most(measured.sign_in, sign_in.await);
    }
    measured
}

#[expect(clippy::cast_precision_loss, reason = "far from 2^53")]
fn month(tokens: u32, refresh: &[Calls], sign_in: Calls) -> (f64, f64) {
    let sum = |part: fn(&Calls) -> u64| {
        let refreshes: u64 = refresh.iter().map(part).sum();
        f64::from(tokens) * (REFRESHES * refreshes as f64 + SIGN_INS * part(&sign_in) as f64)
    };
    let (reads, writes) = (sum(|calls| calls.reads), sum(|calls| calls.writes));
    // KMS: a read decrypts, a write makes a data key and decrypts (user guide, security-encryption).
    (CALLS * (reads + writes), KEY + REQUESTS * (reads + 2.0 * writes))
}

fn calls_table(all: &[Measured]) -> String {
    let mut table = "| secrets of the index | cold find, by user | refresh | first sign-in, at most |\n".to_owned();
    table += "|---:|---:|---:|---:|\n";
    for Measured { pages, find, refresh, sign_in } in all {
        let told = |calls: &Calls| format!("{} + {}", calls.reads, calls.writes);
        writeln!(table, "| {pages} | {} | {} | {} |", told(find), told(refresh), told(sign_in)).unwrap();
    }
    table
}

/// Whole dollars, with commas.
fn dollars(amount: f64) -> String {
    let digits = format!("{amount:.0}");
    let mut told = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

fn dollars_table(all: &[Measured]) -> String {
    let mut table = "| tokens | secrets of the index | storage | calls, held | total | calls, cold | total | KMS, held | KMS, cold |\n".to_owned();
    table += "|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for (tokens, pages) in SIZES {
        let calls = all.iter().find(|measured| measured.pages == pages).unwrap();
        let storage = SECRET * f64::from(tokens + pages);
        let (held, held_kms) = month(tokens, &[calls.refresh], calls.sign_in);
        let (cold, cold_kms) = month(tokens, &[calls.find, calls.refresh], calls.sign_in);
        let cells = [storage, held, storage + held, cold, storage + cold, held_kms, cold_kms].map(dollars).join(" | ");
        writeln!(table, "| {} | {pages} | {cells} |", dollars(tokens.into())).unwrap();
    }
    table
}

#[tokio::test]
async fn the_page_has_the_dollars_that_the_calls_come_to() {
    let mut all = Vec::new();
    for (tokens, pages) in &SIZES[..3] {
        all.push(measured(*tokens as usize, *pages).await);
    }
    for table in [calls_table(&all), dollars_table(&all)] {
        println!("{table}");
        assert!(PAGE.contains(&table), "docs/costs.md has to hold this table:\n{table}");
    }
    for price in ["USD 0.40", "USD 0.05", "USD 1.00", "USD 0.03"] {
        assert!(PAGE.contains(price), "docs/costs.md names {price}");
    }
}
