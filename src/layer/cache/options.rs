//! How much is kept, and for how long.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::pause::{Pause, SystemPause};

/// The bounds of a cache. All times are of the wall clock, and decided at use: nothing runs in the background.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheOptions {
    /// How many answers are kept. 1,000 unless set; with 0 nothing is. Each way in which one token is asked for is an
    /// answer of its own, and so is each "there is none". A write looks at all of them.
    pub capacity: usize,
    /// How long a token is answered without asking the store: what other processes write is seen after that time at the
    /// latest. 60 seconds unless set.
    pub time_to_live: Duration,
    /// How long "there is none" is answered without asking the store. 5 seconds unless set.
    pub negative_time_to_live: Duration,
    /// How long before its expiry an access token is not answered any more, so that a refresh by another process is seen.
    /// 10 seconds unless set: the SDKs refresh when less than 5 are left.
    pub expiry_margin: Duration,
    /// How long after its time to live a token is still answered while the store is out of reach: for so long, whoever
    /// cuts the network outlives a revoked right. 15 minutes unless set; with zero, never.
    pub longest_stale: Duration,
    /// How long the first read after the time to live waits for the store before it is answered with the old token.
    /// 1 second unless set.
    pub first_wait: Duration,
    /// For how long after a failure of the store old tokens are answered without asking it again. 5 seconds unless set.
    pub failure_memory: Duration,
    /// Tells the ages.
    pub clock: Arc<dyn Clock>,
    /// Bounds what is waited for: the store by `first_wait`, and everything by a caller's deadline.
    pub pause: Arc<dyn Pause>,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            capacity: 1_000,
            time_to_live: Duration::from_secs(60),
            negative_time_to_live: Duration::from_secs(5),
            expiry_margin: Duration::from_secs(10),
            longest_stale: Duration::from_mins(15),
            first_wait: Duration::from_secs(1),
            failure_memory: Duration::from_secs(5),
            clock: Arc::new(SystemClock),
            pause: Arc::new(SystemPause),
        }
    }
}
