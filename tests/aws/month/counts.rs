//! What is counted in the course of a month.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) reads: usize,
    /// Outside of outages.
    pub(super) calm: Waits,
    /// In outages, and for as long as they are felt.
    pub(super) felt: Waits,
    pub(super) operations: usize,
    pub(super) log_outs: usize,
    /// Tokens that were handed out to be refreshed.
    pub(super) due: usize,
    pub(super) saves: usize,
    /// Refreshes whose save was cut off or refused: the next one has to be made anew.
    pub(super) unsaved: usize,
    /// Those that were cut off by a kill.
    pub(super) cut_off: usize,
    pub(super) refused: BTreeMap<String, usize>,
    pub(super) in_outage: usize,
    /// Saves of refreshed tokens among them.
    pub(super) saves_in_outage: usize,
    /// Those whose worker keeps the token, and saves it later.
    pub(super) kept: usize,
    /// What was kept by a worker that was killed.
    pub(super) lost: usize,
    pub(super) kinds_in_outage: BTreeSet<String>,
}

/// Reads that came to an end.
#[derive(Debug, Default)]
pub(super) struct Waits {
    pub(super) reads: usize,
    /// For a millisecond or more. A read that waits for nothing takes no virtual time, over sockets either.
    pub(super) waited: usize,
}

impl Waits {
    pub(super) fn note(&mut self, took: Duration) {
        self.reads += 1;
        self.waited += usize::from(took >= Duration::from_millis(1));
    }
}
