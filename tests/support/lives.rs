//! Life after life, by seeds that are told.

use std::collections::HashMap;
use std::sync::Arc;

use tokenvault::clock::ManualClock;
use tokenvault::error::ErrorKind;
use tokenvault::store::Outcome;

use crate::life;
use crate::way::Way;

const STEPS: usize = 300;

/// The number that a variable of the environment names.
#[expect(clippy::disallowed_methods, reason = "the switches of this test, not of the vault")]
pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// Lives `lives` random lives by fresh ways each, and says by which seeds.
#[expect(clippy::print_stdout, reason = "the seeds are told always")]
pub(crate) fn live<W: Way>(lives: u64, ways: impl Fn(&Arc<ManualClock>) -> Vec<W>) {
    let (first, lives) = match number("TOKENVAULT_SEED") {
        Some(seed) => (seed, 1),
        None => (fastrand::u64(..u64::MAX / 2), lives * number("TOKENVAULT_SOAK").unwrap_or(1)),
    };
    println!("{lives} lives of {STEPS} steps, seeds from {first}; replay one with TOKENVAULT_SEED");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut ended = HashMap::new();
    for seed in first..first + lives {
        let clock = Arc::new(ManualClock::new(life::birth()));
        let ways = ways(&clock);
        for (how, often) in runtime.block_on(life::run(seed, STEPS, &ways, &clock)) {
            *ended.entry(how).or_insert(0) += often;
        }
    }
    println!("saves ended so: {ended:?}");
    let rarest =
        [Ok(Outcome::Superseded), Err(ErrorKind::Ambiguous), Err(ErrorKind::Gone), Err(ErrorKind::InvalidInput)];
    for how in rarest.into_iter().filter(|_| lives > 1) {
        assert!(ended.get(&how).is_some_and(|often| *often > 0), "no save ended as {how:?}: these lives prove little");
    }
}
