//! The virtual clock: it stands still until somebody moves it, or runs along with the system's.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, the precision in which the service tells times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// Milliseconds in a day.
const DAY: u64 = 24 * 60 * 60 * 1000;

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// The moment `duration` earlier; the epoch at the least.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long ago `earlier` was; zero where it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The beginning of the day, in UTC.
    #[must_use]
    pub const fn day(self) -> Self {
        Self(self.0 - self.0 % DAY)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, whole seconds, as CloudTrail writes it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0 / 1000).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_second(seconds) {
            Ok(time) => write!(formatter, "{time}"),
            Err(_) => write!(formatter, "{} ms after the epoch", self.0),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Tells every rule the time. Clones share it.
#[derive(Clone, Debug)]
pub struct Clock {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    millis: AtomicU64,
    running: AtomicBool,
    started: OnceLock<Instant>,
}

impl Clock {
    /// A clock that stands at `start`.
    pub fn at(start: Timestamp) -> Self {
        let shared = Shared {
            millis: AtomicU64::new(start.as_millis()),
            running: AtomicBool::new(false),
            started: OnceLock::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Lets the clock run along with the system's from its present time; there is no way back.
    pub fn run(&self) {
        self.shared.started.get_or_init(monotonic);
        self.shared.running.store(true, Ordering::Release);
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.shared.millis.load(Ordering::Acquire)).after(self.has_run())
    }

    fn has_run(&self) -> Duration {
        let started = self.shared.started.get().filter(|_| self.shared.running.load(Ordering::Acquire));
        started.map_or(Duration::ZERO, |started| monotonic().saturating_duration_since(*started))
    }

    /// Moves the clock on; it never goes back.
    pub fn advance(&self, duration: Duration) {
        self.shared.millis.fetch_add(millis(duration), Ordering::AcqRel);
    }

    /// Moves the clock on to `moment`, unless it is past that.
    pub fn advance_to(&self, moment: Timestamp) {
        self.shared.millis.fetch_max(moment.before(self.has_run()).as_millis(), Ordering::AcqRel);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock, for a clock that runs")]
fn monotonic() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_cloudtrail_writes_them() {
        assert_eq!(Timestamp::from_millis(1_700_000_000_123).to_string(), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn the_clock_stands_until_it_is_moved() {
        let clock = Clock::at(Timestamp::from_millis(5));
        assert_eq!(clock.now().as_millis(), 5);
        clock.clone().advance(Duration::from_millis(7));
        assert_eq!(clock.now().as_millis(), 12);
        clock.advance_to(Timestamp::from_millis(11));
        assert_eq!(clock.now().as_millis(), 12);
        clock.advance_to(Timestamp::from_millis(20));
        assert_eq!(clock.now().as_millis(), 20);
    }

    #[test]
    fn a_running_clock_never_goes_back() {
        let clock = Clock::at(Timestamp::from_millis(5));
        clock.run();
        let first = clock.now();
        assert!(first.as_millis() >= 5 && clock.now() >= first);
    }
}
