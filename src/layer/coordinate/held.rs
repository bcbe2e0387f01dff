//! What this process knows of who holds which lease.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::fields::{Field, Fields};
use crate::identity::{Lineage, RecordName};
use crate::lease::{LONGEST_DISTANCE, Lease, LeaseId};
use crate::lookup::{LookupKey, LookupKind};

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

/// What a refresh spends. A token keeps it where its record becomes part of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    lineage: Lineage,
    refresh: Option<LookupKey>,
}

impl Grant {
    pub(super) fn new(lineage: Lineage, fields: &Fields) -> Self {
        let refresh = fields.text(Field::RefreshToken).map(|text| LookupKey::new(LookupKind::RefreshToken, text));
        Self { lineage, refresh }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.lineage.is_same(other.lineage) || (self.refresh.is_some() && self.refresh == other.refresh)
    }
}

#[derive(Debug, Default)]
struct Known {
    own: Option<Own>,
    /// The store was asked to write a lease, under which nobody was sent before its answer.
    is_sought: bool,
    /// Until when somebody may refresh, and from when on it is of use to ask the store for the next lease.
    ends_at: Timestamp,
    next_at: Timestamp,
    /// Before this no early lease is asked for.
    quiet_until: Timestamp,
    /// Told of every new token.
    changed: Arc<Notify>,
}

impl Known {
    /// Whether somebody is sent of whom the store does not know.
    fn is_alone(&self, now: Timestamp) -> bool {
        now < self.ends_at && self.own.as_ref().is_some_and(|own| own.alone.is_some())
    }
}

/// A lease that a caller of this process has.
#[derive(Debug)]
pub(super) struct Own {
    id: LeaseId,
    attempt: u32,
    caller: Option<Arc<str>>,
    again: u8,
    /// What was handed out, where the store does not know of it.
    alone: Option<Grant>,
}

impl Own {
    pub(super) fn new(lease: &Lease, caller: Option<&str>) -> Self {
        Self { id: lease.id, attempt: lease.attempt, caller: caller.map(Arc::from), again: 0, alone: None }
    }

    /// The same, where the store does not know that this was handed out.
    pub(super) fn alone(self, grant: Grant) -> Self {
        Self { alone: Some(grant), ..self }
    }
}

/// How long a lease lasts from now on, and until the next may be asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) now: Timestamp,
    pub(super) ends_in: Duration,
    pub(super) next_in: Duration,
}

type All = HashMap<End, Known>;

#[derive(Debug, Default)]
pub(super) struct Held(Mutex<All>);

impl Held {
    fn all(&self) -> MutexGuard<'_, All> {
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
    pub(super) fn by_others(&self, end: End, grant: Option<&Grant>, now: Timestamp) -> Option<(Duration, Duration)> {
        by_others(&self.all(), end, grant, now)
    }

    /// Which attempt the last lease was that a caller of this process had; 0 where none had one.
    pub(super) fn attempts(&self, end: End) -> u32 {
        self.all().get(&end).and_then(|known| known.own.as_ref()).map_or(0, |own| own.attempt)
    }

    /// Whether an early lease failed a moment ago.
    pub(super) fn is_quiet(&self, end: End, now: Timestamp) -> bool {
        self.all().get(&end).is_some_and(|known| now < known.quiet_until)
    }

    /// Notes a lease that the store tells of: somebody else's, or one that was sought here and of which nobody heard.
    pub(super) fn note(&self, end: End, times: Times) {
        let Times { now, ends_in, next_in } = times;
        self.with(end, now, |known| {
            if !known.is_alone(now) {
                (known.own, known.ends_at, known.next_at) = (None, now.after(ends_in), now.after(next_in));
            }
        });
    }

    /// Notes a lease of a caller of this process on what was found free, unless another has what it spends: records become part of each
    /// other, and who asked under another name was asked for at another turn. Answers how much longer that one has it.
    pub(super) fn note_own(&self, end: End, own: Own, grant: &Grant, times: Times) -> Option<(Duration, Duration)> {
        let Times { now, ends_in, next_in } = times;
        let mut all = self.all();
        let others = match &own.alone {
            Some(_) => by_others(&all, end, Some(grant), now),
            // The store knows of all others.
            None => alone_by_others(&all, end, Some(grant), now),
        };
        if others.is_none() {
            let known = entry(&mut all, end, now);
            (known.own, known.ends_at, known.next_at) = (Some(own), now.after(ends_in), now.after(next_in));
        }
        others
    }

    /// Notes that the store is asked for a lease which it has said to be free. Whoever lets go of that leaves one behind under which nobody
    /// is sent.
    pub(super) fn seek(&self, end: End, now: Timestamp) {
        self.with(end, now, |known| (known.is_sought, known.next_at) = (true, known.next_at.max(now)));
    }

    /// Whether a lease of this token is known to be one of a caller of this process, or of nobody.
    pub(super) fn has_sought(&self, end: End) -> bool {
        self.all().get(&end).is_some_and(|known| known.is_sought || known.own.is_some())
    }

    /// Notes that it is of no use to ask for an early lease before `until`.
    pub(super) fn be_quiet(&self, end: End, now: Timestamp, until: Timestamp) {
        self.with(end, now, |known| known.quiet_until = until);
    }

    /// Is told when the token has changed.
    pub(super) fn changed(&self, end: End, now: Timestamp) -> Arc<Notify> {
        self.with(end, now, |known| Arc::clone(&known.changed))
    }

    /// There is a new token of this record, that came of this lease.
    pub(super) fn settle(&self, name: RecordName, lease: Option<LeaseId>) {
        self.all().retain(|end, known| {
            let is_its_lease = lease.is_some() && known.own.as_ref().map(|own| own.id) == lease;
            if end.name == name || is_its_lease {
                known.changed.notify_waiters();
            }
            end.name != name && !is_its_lease
        });
    }

    /// Something was deleted.
    pub(super) fn wake_all(&self) {
        self.all().values().for_each(|known| known.changed.notify_waiters());
    }

    fn with<T>(&self, end: End, now: Timestamp, change: impl FnOnce(&mut Known) -> T) -> T {
        change(entry(&mut self.all(), end, now))
    }
}

fn entry(all: &mut All, end: End, now: Timestamp) -> &mut Known {
    if all.len() >= MANY && !all.contains_key(&end) {
        // How many attempts there were, and whose a lease is, may be known here only.
        let is_told_here = |known: &Known| known.own.is_some() || known.is_sought;
        let kept_for = |known: &Known| if is_told_here(known) { LONGEST_DISTANCE } else { Duration::ZERO };
        let is_past = |known: &Known| known.next_at.max(known.quiet_until).after(kept_for(known)) <= now;
        all.retain(|_, known| !is_past(known) || Arc::strong_count(&known.changed) > 1);
    }
    all.entry(end).or_default()
}

fn by_others(all: &All, end: End, grant: Option<&Grant>, now: Timestamp) -> Option<(Duration, Duration)> {
    if let Some(known) = all.get(&end).filter(|known| now < known.next_at) {
        return Some((known.ends_at.since(now), known.next_at.since(now)));
    }
    alone_by_others(all, end, grant, now)
}

/// Of leases that the store does not know of. It may tell of another end by now, or of the token as part of another record, and would
/// grant a lease on that.
fn alone_by_others(all: &All, end: End, grant: Option<&Grant>, now: Timestamp) -> Option<(Duration, Duration)> {
    let is_out = |(other, known): &(&End, &Known)| {
        let alone = known.own.as_ref().and_then(|own| own.alone.as_ref());
        let is_same = || grant.zip(alone).is_some_and(|(grant, alone)| grant.is_same(alone));
        known.is_alone(now) && (other.name == end.name || is_same())
    };
    let (_, known) = all.iter().find(is_out)?;
    Some((known.ends_at.since(now), known.ends_at.since(now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretText;

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
        let grant = Grant::new(Lineage::first().unwrap(), &Fields::new());
        assert_eq!(held.note_own(end(0), Own::new(&lease, None), &grant, times), None);
        let due = NOW.after(lease.distance());
        for (now, expected) in [(due, 3), (due.after(LONGEST_DISTANCE), 0)] {
            for number in 1..=u16::try_from(MANY).unwrap() {
                held.be_quiet(end(number), now, now);
            }
            assert_eq!(held.attempts(end(0)), expected, "what is long past goes");
            assert!(held.all().len() <= MANY);
        }
    }

    /// By then its record may be part of another.
    #[test]
    fn a_save_settles_its_lease_under_whatever_name() {
        let (held, lease) = (Held::default(), Lease::grant(1, NOW, "a test").unwrap());
        let times = Times { now: NOW, ends_in: Duration::from_secs(90), next_in: Duration::from_secs(90) };
        let grant = Grant::new(Lineage::first().unwrap(), &Fields::new());
        held.note_own(end(0), Own::new(&lease, None).alone(grant), &grant, times);
        held.settle(end(1).name, None);
        assert!(held.by_others(end(0), None, NOW).is_some());
        held.settle(end(1).name, Some(lease.id));
        assert_eq!(held.by_others(end(0), None, NOW), None);
    }

    /// Who was asked for under another name had another turn.
    #[test]
    fn of_two_who_found_the_same_free_one_is_noted() {
        let fields = |refresh: &str| {
            let mut fields = Fields::new();
            fields.set(Field::RefreshToken, Some(SecretText::new(refresh)));
            fields
        };
        let (held, own) = (Held::default(), || Own::new(&Lease::grant(1, NOW, "a test").unwrap(), None));
        let times = Times { now: NOW, ends_in: Duration::from_secs(90), next_in: Duration::from_secs(90) };
        let [first, second] = [(); 2].map(|()| Lineage::first().unwrap());
        let noted = |number, grant: &Grant, is_alone: bool| {
            let own = if is_alone { own().alone(*grant) } else { own() };
            held.note_own(end(number), own, grant, times).is_none()
        };
        assert!(noted(0, &Grant::new(first, &fields("one")), true));
        for is_alone in [true, false] {
            assert!(!noted(0, &Grant::new(second, &fields("another")), is_alone), "the same record");
            assert!(!noted(1, &Grant::new(first, &fields("another")), is_alone), "the same sign-in");
            assert!(!noted(1, &Grant::new(second, &fields("one")), is_alone), "the same refresh token");
        }
        assert!(noted(1, &Grant::new(second, &fields("another")), true), "another");
        held.note(end(0), Times { ends_in: Duration::ZERO, next_in: Duration::ZERO, ..times });
        assert!(held.by_others(end(0), None, NOW).is_some(), "the store does not know of it");
    }
}
