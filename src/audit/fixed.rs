//! What a recorder's queue and writers have in common, and never change.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::audit::failure::Failure;
use crate::audit::keys::Keys;
use crate::audit::sink::OpenSink;
use crate::clock::Clock;

/// What never changes, but for a count.
#[derive(Debug)]
pub(crate) struct Fixed {
    pub(crate) sink: Arc<dyn OpenSink>,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
    /// The requests that it took to come by the keys.
    pub(crate) requests: Vec<String>,
    /// How many lines were not taken, of calls that went on without.
    pub(crate) lost: AtomicU64,
}

impl Fixed {
    /// Counts lines that were not taken, of calls that go on without, and tells of the first.
    pub(crate) fn count_lost(&self, count: u64, failure: &Failure) {
        if count > 0 && self.lost.fetch_add(count, Ordering::Relaxed) == 0 {
            tracing::error!(sink = %self.sink, cause = %failure, "the audit trail has lost a line, and may lose more");
        }
    }
}
