//! How old the copy may be, and when it is asked.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::pause::{Pause, SystemPause};

/// The bounds of a fallback. All times are of the wall clock, and decided at use: nothing runs in the background.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FallbackOptions {
    /// How old the copy may be for an answer: for so long, whoever cuts the network outlives a revoked right. 1 hour unless
    /// set.
    pub longest_age: Duration,
    /// How old the copy becomes before a read brings all of it up to date, which takes a list of the store. What is read
    /// and written meanwhile goes into it at once. 15 minutes unless set.
    pub sync_every: Duration,
    /// How long a read waits for the store where the copy could answer. 5 seconds unless set.
    pub first_wait: Duration,
    /// For how long after a failure of the store the copy answers without asking it again. 10 seconds unless set.
    pub failure_memory: Duration,
    /// Tells the ages.
    pub clock: Arc<dyn Clock>,
    /// Bounds what is waited for.
    pub pause: Arc<dyn Pause>,
}

impl Default for FallbackOptions {
    fn default() -> Self {
        Self {
            longest_age: Duration::from_hours(1),
            sync_every: Duration::from_mins(15),
            first_wait: Duration::from_secs(5),
            failure_memory: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
            pause: Arc::new(SystemPause),
        }
    }
}
