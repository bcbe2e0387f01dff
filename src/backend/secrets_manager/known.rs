//! What one process knows of the tokens' secrets: how far each has come, and which old version it met in force.
//!
//! A version that is older than what was seen before is a stale read, or somebody's will: an operator has put it back in
//! force. Which of the two shows after a while only. A stale read is over within seconds; so an old version is believed
//! once DescribeSecret has shown it in force twice, a minute apart, and nothing else was seen between.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::backend::secrets_manager::page::{Entry, seconds};
use crate::backend::secrets_manager::value::Writes;
use crate::backend::secrets_manager::version::VersionId;
use crate::clock::Timestamp;
use crate::identity::{RecordName, Version};
use crate::lookup::LookupKey;

/// How long an old version has to be in force before it is believed.
pub(super) const SET_BACK: Duration = Duration::from_mins(1);

/// How far the clocks of a fleet may be apart.
const CLOCKS_APART: Duration = Duration::from_hours(1);

/// More than this is forgotten: it saves calls, and the wait for what is being put back in force begins anew.
const MAX_KNOWN: usize = 1 << 16;

/// What was last seen of a token's secret. No text of the token is in it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) sequence: u64,
    pub(super) id: VersionId,
    pub(super) writes: Writes,
    /// The record's version and lookup keys; none of a tombstone.
    pub(super) live: Option<(Version, Vec<LookupKey>)>,
    /// Set where somebody has put this version in force by hand.
    pub(super) by_hand: Option<ByHand>,
    /// When that was.
    pub(super) noted: Timestamp,
}

/// What must be minded in replacing a version that was put in force by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByHand {
    /// The first attempt whose version did not exist when the version was met.
    pub(super) attempt: u32,
    /// The furthest that the secret had come before.
    pub(super) beyond: u64,
}

impl Seen {
    /// Whether an entry leads nowhere, and will not.
    ///
    /// A name that is dead comes back by a copy alone, once AWS has let go of it: then its entries are younger than that.
    pub(super) fn is_past(&self, entry: &Entry) -> bool {
        let bound = seconds(self.noted).saturating_add(u32::try_from(CLOCKS_APART.as_secs()).unwrap_or(u32::MAX));
        match &self.live {
            Some((_, keys)) => entry.sequence <= self.sequence && !keys.contains(&entry.key),
            None => entry.asserted_at <= bound,
        }
    }

    pub(super) fn keys(&self) -> &[LookupKey] {
        self.live.as_ref().map_or(&[], |(_, keys)| keys)
    }

    /// The keys that the index is known to lead here by. What was put in force by hand may be of another time than the
    /// index.
    pub(super) fn listed_keys(&self) -> &[LookupKey] {
        if self.by_hand.is_some() { &[] } else { self.keys() }
    }

    /// The sequence of the value that replaces this one: above all that was seen, so that nobody takes it for stale.
    pub(super) fn next_sequence(&self) -> u64 {
        self.by_hand.map_or(0, |by_hand| by_hand.beyond).max(self.sequence).saturating_add(1)
    }

    /// The version that replaces this one.
    pub(super) fn next_id(&self) -> VersionId {
        self.id.next(self.by_hand.map_or(0, |by_hand| by_hand.attempt))
    }

    /// The same, to be replaced by a value of a sequence of `least` or more.
    pub(super) fn raised_to(mut self, least: u64) -> Self {
        if self.next_sequence() < least {
            let attempt = self.by_hand.map_or(0, |by_hand| by_hand.attempt);
            self.by_hand = Some(ByHand { attempt, beyond: least.saturating_sub(1) });
        }
        self
    }
}

/// An old version that was met in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suspicion {
    pub(super) id: VersionId,
    /// When DescribeSecret first showed it.
    pub(super) since: Timestamp,
    /// The first attempt whose version did not exist then: all before it are of a time before `since`, and if one of them
    /// were in force, DescribeSecret would show that by now.
    pub(super) attempt: u32,
}

#[derive(Debug, Default)]
struct Known {
    seen: Option<Seen>,
    /// There is a state of this sequence: an older one was replaced.
    at_least: u64,
    suspicion: Option<Suspicion>,
    /// The last version that was not of our making, once it has been told of.
    told_of: Option<VersionId>,
}

/// What is known of each record's secret.
#[derive(Debug, Default)]
pub(super) struct AllKnown(Mutex<HashMap<RecordName, Known>>);

impl AllKnown {
    fn all(&self) -> MutexGuard<'_, HashMap<RecordName, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, name: RecordName, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut all = self.all();
        if all.len() >= MAX_KNOWN && !all.contains_key(&name) {
            all.clear();
        }
        change(all.entry(name).or_default())
    }

    pub(super) fn seen(&self, name: RecordName) -> Option<Seen> {
        self.all().get(&name).and_then(|known| known.seen.clone())
    }

    /// Whether an entry is known to lead nowhere, and never will.
    pub(super) fn is_past(&self, entry: &Entry) -> bool {
        let all = self.all();
        let seen = all.get(&entry.name).and_then(|known| known.seen.as_ref());
        seen.is_some_and(|seen| seen.is_past(entry))
    }

    /// Notes a state that was written, or read in force. Of two, the later stays.
    pub(super) fn note(&self, name: RecordName, seen: Seen) {
        self.with(name, |known| {
            if seen.sequence >= known.at_least {
                known.at_least = seen.sequence;
                known.suspicion = None;
                known.seen = Some(seen);
            }
        });
    }

    /// Notes a secret that is scheduled for deletion, and tells no more than that.
    pub(super) fn note_dead(&self, name: RecordName, now: Timestamp) {
        let unread = |at_least| Seen {
            sequence: at_least,
            id: VersionId::told(""),
            writes: Writes::default(),
            live: None,
            by_hand: None,
            noted: now,
        };
        self.with(name, |known| {
            let seen = known.seen.take().unwrap_or_else(|| unread(known.at_least));
            // A tombstone was written before.
            known.at_least = known.at_least.max(seen.sequence.saturating_add(u64::from(seen.live.is_some())));
            known.seen = Some(Seen { live: None, noted: now, ..seen });
        });
    }

    /// Notes that the state `held` is not the last one.
    pub(super) fn note_overtaken(&self, name: RecordName, held: &Seen) {
        self.with(name, |known| {
            known.at_least = known.at_least.max(held.sequence.saturating_add(1));
            known.seen.take_if(|seen| seen.id == held.id);
        });
    }

    /// Notes an old version as the one in force, whatever came after it. `before`: how far the secret had come, as far as
    /// others know.
    pub(super) fn note_set_back(&self, name: RecordName, mut seen: Seen, attempt: u32, before: u64) {
        self.with(name, |known| {
            seen.by_hand = Some(ByHand { attempt, beyond: before.max(known.at_least) });
            let told_of = known.told_of.take();
            *known = Known { at_least: seen.sequence, seen: Some(seen), suspicion: None, told_of };
        });
    }

    /// How far the secret is known to have come.
    pub(super) fn at_least(&self, name: RecordName) -> u64 {
        self.all().get(&name).map_or(0, |known| known.at_least)
    }

    pub(super) fn suspicion(&self, name: RecordName, id: &VersionId) -> Option<Suspicion> {
        let suspicion = self.all().get(&name).and_then(|known| known.suspicion.clone());
        suspicion.filter(|suspicion| suspicion.id == *id)
    }

    pub(super) fn suspect(&self, name: RecordName, suspicion: Suspicion) {
        self.with(name, |known| known.suspicion = Some(suspicion));
    }

    /// Another version than the suspected one was seen, wherever: whatever was suspected is over.
    pub(super) fn clear_of(&self, name: RecordName, other: &VersionId) {
        if let Some(known) = self.all().get_mut(&name) {
            known.suspicion.take_if(|suspicion| suspicion.id != *other);
        }
    }

    /// Whether this version, which is not of our making, has not been told of before.
    pub(super) fn is_news(&self, name: RecordName, id: &VersionId) -> bool {
        self.with(name, |known| known.told_of.replace(id.clone()).as_ref() != Some(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::LookupKind;

    fn seen(sequence: u64) -> Seen {
        let id = VersionId::told(sequence.to_string());
        Seen { sequence, id, writes: Writes::default(), live: None, by_hand: None, noted: Timestamp::from_millis(1) }
    }

    fn suspicion(of: &Seen) -> Suspicion {
        Suspicion { id: of.id.clone(), since: Timestamp::from_millis(1), attempt: 1 }
    }

    const NAME: RecordName = RecordName::from_bytes([1; 16]);

    #[test]
    fn what_is_noted_late_does_not_set_back_what_was_noted_before() {
        let known = AllKnown::default();
        known.note(NAME, seen(5));
        known.note(NAME, seen(4));
        assert_eq!(known.seen(NAME).unwrap().sequence, 5);
        known.note_overtaken(NAME, &seen(5));
        assert!(known.seen(NAME).is_none());
        assert_eq!(known.at_least(NAME), 6);
    }

    #[test]
    fn a_suspicion_goes_with_any_other_version_that_is_seen() {
        let known = AllKnown::default();
        let old = seen(3);
        known.note(NAME, seen(5));
        for other in [
            |known: &AllKnown| known.note(NAME, seen(6)),
            |known: &AllKnown| known.clear_of(NAME, &VersionId::told("x")),
        ] {
            known.suspect(NAME, suspicion(&old));
            known.clear_of(NAME, &old.id);
            assert!(known.suspicion(NAME, &old.id).is_some(), "the same once more");
            other(&known);
            assert!(known.suspicion(NAME, &old.id).is_none());
        }
    }

    #[test]
    fn what_replaces_a_version_put_back_is_above_all_that_was_seen() {
        let known = AllKnown::default();
        known.note(NAME, seen(9));
        known.note_set_back(NAME, seen(3), 2, 7);
        let held = known.seen(NAME).unwrap();
        assert_eq!((held.sequence, held.next_sequence(), held.next_id()), (3, 10, held.id.next(2)));
        assert_eq!(held.raised_to(20).next_sequence(), 20);
        assert_eq!(known.at_least(NAME), 3, "the version put back is no stale read from then on");
    }

    #[test]
    fn an_entry_for_a_dead_name_is_past_unless_it_was_written_long_after() {
        let known = AllKnown::default();
        let key = LookupKey::new(LookupKind::User, "ada");
        let entry = |asserted_at| Entry { key, name: NAME, sequence: 9, asserted_at };
        known.note_dead(NAME, Timestamp::from_millis(1_000_000));
        assert!(known.is_past(&entry(10)) && known.is_past(&entry(1000 + 3600)), "clocks may be apart");
        assert!(!known.is_past(&entry(1000 + 3601)), "a copy may have made it anew");
        known.note_dead(NAME, Timestamp::from_millis(2_000_000));
        assert!(known.is_past(&entry(1000 + 3601)), "it was looked at again");
    }

    #[test]
    fn what_is_known_is_bounded() {
        let known = AllKnown::default();
        for number in 0..=u32::try_from(MAX_KNOWN).unwrap() {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            known.suspect(RecordName::from_bytes(bytes), suspicion(&seen(1)));
        }
        assert!(known.all().len() <= MAX_KNOWN);
    }
}
