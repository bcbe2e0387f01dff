//! How fast to write, and how long to wait before trying again.
//!
//! The rates of Secrets Manager are the account's, shared with everybody else in it (user guide, Quotas: 50 a second for
//! PutSecretValue and its relatives together), and nothing tells how much of them is left. So writes begin slowly, rise
//! while they pass, and halve when one is throttled.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::pause::Pause;

/// Writes per second, unless told otherwise.
pub(super) const FIRST_RATE: f64 = 5.0;
const LEAST_RATE: f64 = 0.5;
/// The service's own bound on the largest group (user guide, Quotas).
const MOST_RATE: f64 = 50.0;
/// What every write that passes adds.
const RISE: f64 = 0.2;
/// What may be written at once after a rest.
const BURST: f64 = 5.0;

#[derive(Debug)]
struct Bucket {
    rate: f64,
    tokens: f64,
    filled_at: Timestamp,
}

/// Spaces the writes of one process, or its calls of another kind that the service counts by themselves.
#[derive(Debug)]
pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    pause: Arc<dyn Pause>,
    bucket: Mutex<Bucket>,
}

impl Pace {
    /// `first_rate`: writes per second to begin with.
    pub(super) fn new(clock: Arc<dyn Clock>, pause: Arc<dyn Pause>, first_rate: f64) -> Self {
        let rate = first_rate.clamp(LEAST_RATE, MOST_RATE);
        let bucket = Bucket { rate, tokens: BURST, filled_at: clock.now() };
        Self { clock, pause, bucket: Mutex::new(bucket) }
    }

    /// Another one by the same clock, for calls that are counted by themselves.
    pub(super) fn beside(&self, first_rate: f64) -> Self {
        Self::new(Arc::clone(&self.clock), Arc::clone(&self.pause), first_rate)
    }

    /// Waits for this call's turn.
    pub(super) async fn turn(&self) {
        let wait = self.book();
        if !wait.is_zero() {
            self.pause.pause(wait).await;
        }
    }

    /// Takes a place in the line; answers how long it is.
    fn book(&self) -> Duration {
        let now = self.clock.now();
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let gained = now.since(bucket.filled_at).as_secs_f64() * bucket.rate;
        bucket.tokens = (bucket.tokens + gained).min(BURST) - 1.0;
        bucket.filled_at = now;
        if bucket.tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-bucket.tokens / bucket.rate) }
    }

    pub(super) fn passed(&self) {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.rate = (bucket.rate + RISE).min(MOST_RATE);
    }

    pub(super) fn throttled(&self) {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.rate = (bucket.rate / 2.0).max(LEAST_RATE);
    }

    /// Waits before attempt `attempt` + 1: full jitter, so that those who met once do not meet again.
    pub(super) async fn back_off(&self, attempt: u32) {
        let ceiling = FIRST_WAIT.saturating_mul(1 << attempt.min(10)).min(LONGEST_WAIT);
        self.pause.pause(ceiling.mul_f64(fastrand::f64())).await;
    }

    /// Waits.
    pub(super) async fn wait(&self, duration: Duration) {
        self.pause.pause(duration).await;
    }

    /// Waits for a read to show what another has shown before: half of it at the least, so that the attempts together are
    /// sure to outlast any lag. Never long at once: somebody may be waiting for a token.
    pub(super) async fn catch_up(&self, attempt: u32) {
        let ceiling = FIRST_WAIT.saturating_mul(1 << attempt.min(10)).min(LONGEST_CATCH_UP);
        self.pause.pause(ceiling.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// How often a read is repeated that is older than what was seen: 11 seconds and more, by [`Pace::catch_up`].
pub(super) const MAX_STALE: u32 = 15;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_CATCH_UP: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::pause::Paused;

    #[derive(Debug)]
    struct Passing(Arc<ManualClock>);

    impl Pause for Passing {
        fn pause(&self, duration: Duration) -> Paused<'_> {
            self.0.advance(duration);
            Box::pin(std::future::ready(()))
        }
    }

    fn pace() -> (Arc<ManualClock>, Pace) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
        (Arc::clone(&clock), Pace::new(Arc::clone(&clock) as _, Arc::new(Passing(clock)), FIRST_RATE))
    }

    async fn seconds(clock: &ManualClock, pace: &Pace, writes: u32, after: impl Fn(&Pace)) -> f64 {
        let start = clock.now();
        for _ in 0..writes {
            pace.turn().await;
            after(pace);
        }
        clock.now().since(start).as_secs_f64()
    }

    #[tokio::test]
    async fn writes_begin_slowly_and_rise_while_they_pass() {
        let (clock, pace) = pace();
        assert!(seconds(&clock, &pace, 5, |_| ()).await < 0.001, "a burst passes at once");
        let slow = seconds(&clock, &pace, 50, |_| ()).await;
        assert!((9.0..=11.0).contains(&slow), "5 a second: {slow}");
        seconds(&clock, &pace, 300, Pace::passed).await;
        let fast = seconds(&clock, &pace, 500, Pace::passed).await;
        assert!((9.0..=11.0).contains(&fast), "never above 50 a second: {fast}");
    }

    #[tokio::test]
    async fn a_throttled_write_halves_the_rate_down_to_a_floor() {
        let (clock, pace) = pace();
        seconds(&clock, &pace, 5, |_| ()).await;
        pace.throttled();
        let halved = seconds(&clock, &pace, 25, |_| ()).await;
        assert!((9.0..=11.0).contains(&halved), "2.5 a second: {halved}");
        (0..20).for_each(|_| pace.throttled());
        let least = seconds(&clock, &pace, 5, |_| ()).await;
        // The first also makes up for what the wait before it was too short by.
        assert!((9.0..=13.0).contains(&least), "one in two seconds: {least}");
    }

    #[tokio::test]
    async fn a_late_read_is_waited_for_longer_than_any_is_late() {
        for _ in 0..100 {
            let (clock, pace) = pace();
            let began = clock.now();
            for attempt in 0..MAX_STALE {
                pace.catch_up(attempt).await;
            }
            let waited = clock.now().since(began).as_secs();
            assert!((11..=23).contains(&waited), "{waited} s");
        }
    }

    #[tokio::test]
    async fn waits_grow_up_to_a_bound_and_differ() {
        let (clock, pace) = pace();
        let mut waits = Vec::new();
        for attempt in 0..200 {
            let before = clock.now();
            pace.back_off(attempt).await;
            waits.push(clock.now().since(before));
        }
        assert!(waits.iter().all(|wait| *wait <= LONGEST_WAIT));
        assert!(waits[0] <= FIRST_WAIT);
        let differing: std::collections::HashSet<_> = waits.iter().collect();
        assert!(differing.len() > 150, "full jitter");
    }
}
