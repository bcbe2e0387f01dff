//! A page of the index: which lookup keys lead to which records.
//!
//! The index is a superset. An entry is written before the secret that it leads to, and removed after it: so every live
//! secret is listed at every moment, and an entry may lead to nothing yet, or no more. `sequence` is that of the record's
//! state that the entry was written for; once the record has been seen at that state or a later one without the key, the
//! entry is known to be a left-over, whoever may still be on the way.

use crate::backend::secrets_manager::naming::PagePlace;
use crate::clock::Timestamp;
use crate::identity::RecordName;
use crate::lookup::LookupKey;

/// A page of more bytes than this is split before anything is added.
pub(super) const SPLIT_SIZE: usize = 48 * 1024;

/// A page that was written this often within 24 hours is split: the service keeps every version for that long, and takes
/// about a hundred (user guide, Quotas).
pub(super) const SPLIT_WRITES: usize = 64;

/// "This key leads to this record, from this state of it on."
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) key: LookupKey,
    pub(super) name: RecordName,
    pub(super) sequence: u64,
    /// When it was written last, in seconds since 1970.
    pub(super) asserted_at: u32,
}

impl Entry {
    /// Bytes of an entry in a value.
    pub(super) const LEN: usize = 16 + 16 + 8 + 4;

    fn is(&self, other: &Self) -> bool {
        (self.key, self.name) == (other.key, other.name)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PageKind {
    /// Sorted by key, then name; each pair once.
    Leaf(Vec<Entry>),
    /// Its entries are on the sixteen pages below it. It never becomes a leaf again within its epoch.
    Signpost,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Which building of the index the pages below this one belong to.
    pub(super) epoch: u64,
    /// In the root: the KMS key that the vault's secrets are to be under.
    pub(super) kms_key_id: Option<String>,
    pub(super) kind: PageKind,
}

impl Page {
    /// A page without entries.
    pub(super) fn empty(epoch: u64) -> Self {
        Self { epoch, kms_key_id: None, kind: PageKind::Leaf(Vec::new()) }
    }

    /// The entries; none on a signpost.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.kind {
            PageKind::Leaf(entries) => entries,
            PageKind::Signpost => &[],
        }
    }

    pub(super) fn is_signpost(&self) -> bool {
        self.kind == PageKind::Signpost
    }

    /// Whether a repair has closed the page: nothing is written to it any more, and a new one takes its place once the root
    /// says so. Its entries are right until then.
    pub(super) fn is_closed(&self, place: &PagePlace) -> bool {
        !place.is_root() && self.epoch != place.epoch()
    }

    /// The entries of a key, sorted by name.
    pub(super) fn of_key(&self, key: LookupKey) -> &[Entry] {
        let entries = self.entries();
        let start = entries.partition_point(|entry| entry.key < key);
        let rest = entries.get(start..).unwrap_or_default();
        rest.get(..rest.partition_point(|entry| entry.key == key)).unwrap_or_default()
    }

    /// Writes an entry, or raises the one of that key and name, to a later state and a later time.
    pub(super) fn assert(&mut self, entry: Entry) {
        let PageKind::Leaf(entries) = &mut self.kind else { return };
        let at = entries.partition_point(|other| (other.key, other.name) < (entry.key, entry.name));
        match entries.get_mut(at).filter(|other| other.is(&entry)) {
            Some(other) => {
                other.sequence = other.sequence.max(entry.sequence);
                other.asserted_at = other.asserted_at.max(entry.asserted_at);
            }
            None => entries.insert(at, entry),
        }
    }

    /// Takes out the entry of a key and name, unless it was written for a later state than `seen`.
    pub(super) fn retract(&mut self, key: LookupKey, name: RecordName, seen: u64) {
        self.retain(|entry| (entry.key, entry.name) != (key, name) || entry.sequence > seen);
    }

    pub(super) fn retain(&mut self, is_kept: impl FnMut(&Entry) -> bool) {
        if let PageKind::Leaf(entries) = &mut self.kind {
            entries.retain(is_kept);
        }
    }

    /// The entries, from those of a key on, and around.
    pub(super) fn starting_at(&self, key: LookupKey) -> impl Iterator<Item = &Entry> {
        let (before, after) = self.entries().split_at(self.entries().partition_point(|entry| entry.key < key));
        after.iter().chain(before)
    }

    /// Takes in what another has and this one has not.
    pub(super) fn unite(&mut self, other: &Self, place: &PagePlace) {
        other.entries().iter().filter(|entry| place.holds(entry.key)).for_each(|entry| self.assert(*entry));
    }

    /// Whether a page that is to be as this one must be split before, having been written `writes` times within 24 hours.
    ///
    /// One key's entries stay together however deep the page lies: a user who signs in and out all day long would leave
    /// sixteen more pages behind for every 64 times, and spare nobody anything.
    pub(super) fn is_due(&self, place: &PagePlace, writes: usize) -> bool {
        let size = self.entries().len() * Entry::LEN;
        let is_of_several = self.entries().windows(2).any(|pair| matches!(pair, [one, next] if one.key != next.key));
        is_of_several && place.can_split() && (size > SPLIT_SIZE || writes >= SPLIT_WRITES)
    }
}

/// Seconds since 1970, as entries have them.
pub(super) fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_millis() / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::LookupKind;

    fn key(number: u32) -> LookupKey {
        LookupKey::new(LookupKind::User, &number.to_string())
    }

    fn entry(number: u32, name: u8, sequence: u64) -> Entry {
        Entry { key: key(number), name: RecordName::from_bytes([name; 16]), sequence, asserted_at: 9 }
    }

    #[test]
    fn entries_are_sorted_and_each_pair_is_there_once() {
        let mut page = Page::empty(1);
        for (number, name) in [(3, 1), (1, 2), (3, 0), (2, 7), (1, 2)] {
            page.assert(entry(number, name, 1));
        }
        let mut sorted = page.entries().to_vec();
        sorted.sort_unstable();
        assert_eq!((page.entries().len(), page.entries()), (4, &sorted[..]));
        let names: Vec<RecordName> = page.of_key(key(3)).iter().map(|entry| entry.name).collect();
        assert_eq!(names, [RecordName::from_bytes([0; 16]), RecordName::from_bytes([1; 16])]);
        assert_eq!(page.of_key(key(4)), []);
    }

    #[test]
    fn an_entry_for_a_later_state_stays() {
        let mut page = Page::empty(1);
        page.assert(entry(1, 1, 5));
        page.assert(Entry { asserted_at: 8, ..entry(1, 1, 3) });
        assert_eq!(page.entries(), [entry(1, 1, 5)]);
        page.assert(Entry { asserted_at: 10, ..entry(1, 1, 3) });
        assert_eq!(page.entries()[0].asserted_at, 10, "it was announced anew");
        page.retract(key(1), RecordName::from_bytes([1; 16]), 4);
        assert_eq!(page.entries()[0].sequence, 5, "somebody is on the way to state 5");
        page.retract(key(1), RecordName::from_bytes([2; 16]), 9);
        assert_eq!(page.entries().len(), 1);
        page.retract(key(1), RecordName::from_bytes([1; 16]), 5);
        assert_eq!(page.entries(), []);
    }

    #[test]
    fn a_page_is_due_before_it_is_too_large_or_written_too_often() {
        let (root, mut page) = (PagePlace::root(), Page::empty(1));
        let full = SPLIT_SIZE / Entry::LEN;
        (0..u32::try_from(full).unwrap()).for_each(|number| page.assert(entry(number, 1, 1)));
        assert!(!page.is_due(&root, SPLIT_WRITES - 1));
        assert!(page.is_due(&root, SPLIT_WRITES));
        page.assert(entry(u32::MAX, 1, 1));
        assert!(page.is_due(&root, 0));
        let deepest = (0..32).fold(PagePlace::root(), |place, _| place.child(0, 1));
        assert!(!page.is_due(&deepest, SPLIT_WRITES));
        let mut of_one = Page::empty(1);
        (0..100).for_each(|name| of_one.assert(entry(7, name, 1)));
        assert!(!of_one.is_due(&root, SPLIT_WRITES), "one key cannot be split");
    }

    #[test]
    fn a_child_takes_in_its_own_keys_only() {
        let mut parent = Page::empty(1);
        (0..100).for_each(|number| parent.assert(entry(number, 1, 1)));
        let mut total = 0;
        for digit in 0..16 {
            let place = PagePlace::root().child(digit, 1);
            let mut child = Page::empty(1);
            child.unite(&parent, &place);
            assert!(child.entries().iter().all(|entry| place.holds(entry.key)));
            total += child.entries().len();
        }
        assert_eq!(total, 100);
    }
}
