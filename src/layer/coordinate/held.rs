//! What this process knows of who holds which lease.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::lease::{LONGEST_DISTANCE, Lease, LeaseId};

/// How often the holder is handed the token again under the same lease.
const MAX_AGAIN: u8 = 2;

/// From this many on, what is past is forgotten.
const MANY: usize = 1024;

/// A token, and which end of it: of the one that follows nothing here is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct End {
    pub(super) name: RecordName,
    pub(super) at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Known {
    own: Option<Own>,
    /// Until when somebody may refresh, and from when on it is of use to ask the store for the next lease.
    ends_at: Timestamp,
    next_at: Timestamp,
    /// Before this no early lease is asked for.
    quiet_until: Timestamp,
    /// Told of every new token.
    changed: Arc<Notify>,
}

/// A lease that a caller of this process has.
#[derive(Debug)]
pub(super) struct Own {
    id: LeaseId,
    attempt: u32,
    caller: Option<Arc<str>>,
    again: u8,
    /// The store does not know of it.
    is_alone: bool,
}

impl Own {
    pub(super) fn new(lease: &Lease, caller: Option<&str>) -> Self {
        Self { id: lease.id, attempt: lease.attempt, caller: caller.map(Arc::from), again: 0, is_alone: false }
    }

    /// The same, where the store does not know of it.
    pub(super) fn alone(self, is_alone: bool) -> Self {
        Self { is_alone, ..self }
    }
}

/// How long a lease lasts from now on, and until the next may be asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) now: Timestamp,
    pub(super) ends_in: Duration,
    pub(super) next_in: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Held(Mutex<HashMap<End, Known>>);

impl Held {
    fn all(&self) -> MutexGuard<'_, HashMap<End, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lease that this very caller has, to be handed out once more.
    ///
    /// # Errors
    /// `Busy` where that was often enough.
    pub(super) fn again(&self, end: End, caller: Option<&str>, now: Timestamp) -> Result<Option<LeaseId>> {
        let mut all = self.all();
        let Some(known) = all.get_mut(&end).filter(|known| now < known.ends_at) else { return Ok(None) };
        let is_callers = |own: &&mut Own| caller.is_some() && own.caller.as_deref() == caller;
        let Some(own) = known.own.as_mut().filter(is_callers) else { return Ok(None) };
        if own.again >= MAX_AGAIN {
            let left = known.next_at.since(now).as_secs();
            return Err(Error::new(ErrorKind::Busy, "this caller was to refresh the token, and read it again instead")
                .with_hint(format!("see why its refresh fails; the next attempt is made in {left} s")));
        }
        own.again += 1;
        Ok(Some(own.id))
    }

    /// How much longer somebody holds the lease, and how long it is of no use to ask for the next; `None` where it is.
    pub(super) fn by_others(&self, end: End, now: Timestamp) -> Option<(Duration, Duration)> {
        let all = self.all();
        if let Some(known) = all.get(&end).filter(|known| now < known.next_at) {
            return Some((known.ends_at.since(now), known.next_at.since(now)));
        }
        // The store may tell of another end by now, and would grant a lease on that.
        let is_alone = |known: &Known| known.own.as_ref().is_some_and(|own| own.is_alone) && now < known.ends_at;
        let (_, known) = all.iter().find(|(other, known)| other.name == end.name && is_alone(known))?;
        Some((known.ends_at.since(now), known.ends_at.since(now)))
    }

    /// Which attempt the last lease was that a caller of this process had; 0 where none had one.
    pub(super) fn attempts(&self, end: End) -> u32 {
        self.all().get(&end).and_then(|known| known.own.as_ref()).map_or(0, |own| own.attempt)
    }

    /// Whether an early lease failed a moment ago.
    pub(super) fn is_quiet(&self, end: End, now: Timestamp) -> bool {
        self.all().get(&end).is_some_and(|known| now < known.quiet_until)
    }

    /// Notes a lease: a caller's of this process, or somebody else's.
    pub(super) fn note(&self, end: End, own: Option<Own>, times: Times) {
        let Times { now, ends_in, next_in } = times;
        self.with(end, now, |known| {
            (known.own, known.ends_at, known.next_at) = (own, now.after(ends_in), now.after(next_in));
        });
    }

    /// Notes that it is of no use to ask for an early lease before `until`.
    pub(super) fn be_quiet(&self, end: End, now: Timestamp, until: Timestamp) {
        self.with(end, now, |known| known.quiet_until = until);
    }

    /// Is told when the token has changed.
    pub(super) fn changed(&self, end: End, now: Timestamp) -> Arc<Notify> {
        self.with(end, now, |known| Arc::clone(&known.changed))
    }

    /// There is a new token.
    pub(super) fn settle(&self, name: RecordName) {
        self.all().retain(|end, known| {
            if end.name == name {
                known.changed.notify_waiters();
            }
            end.name != name
        });
    }

    /// Something was deleted.
    pub(super) fn wake_all(&self) {
        self.all().values().for_each(|known| known.changed.notify_waiters());
    }

    fn with<T>(&self, end: End, now: Timestamp, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut all = self.all();
        if all.len() >= MANY && !all.contains_key(&end) {
            // How many attempts there were may be known here only.
            let kept_for = |known: &Known| if known.own.is_some() { LONGEST_DISTANCE } else { Duration::ZERO };
            let is_past = |known: &Known| known.next_at.max(known.quiet_until).after(kept_for(known)) <= now;
            all.retain(|_, known| !is_past(known) || Arc::strong_count(&known.changed) > 1);
        }
        change(all.entry(end).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn end(number: u16) -> End {
        let [high, low] = number.to_be_bytes();
        let mut name = [0; 16];
        (name[0], name[1]) = (high, low);
        End { name: RecordName::from_bytes(name), at: Some(NOW) }
    }

    /// Of a lease that is not written nobody else knows how often it was tried.
    #[test]
    fn however_many_tokens_there_are_attempts_are_not_forgotten_when_the_next_is_due() {
        let held = Held::default();
        let lease = Lease::grant(3, NOW, "a test").unwrap();
        let times = Times { now: NOW, ends_in: Duration::from_secs(90), next_in: lease.distance() };
        held.note(end(0), Some(Own::new(&lease, None)), times);
        let due = NOW.after(lease.distance());
        for (now, expected) in [(due, 3), (due.after(LONGEST_DISTANCE), 0)] {
            for number in 1..=u16::try_from(MANY).unwrap() {
                held.be_quiet(end(number), now, now);
            }
            assert_eq!(held.attempts(end(0)), expected, "what is long past goes");
            assert!(held.all().len() <= MANY);
        }
    }
}
