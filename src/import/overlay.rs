//! The records that an import deals with: those of the vault, and over them what the import makes of them. By lookup
//! key, so that ten thousand rows are ten thousand look-ups and no scan.

use std::collections::HashMap;
use std::sync::Arc;

use crate::backend::Change;
use crate::error::Result;
use crate::fields::Fields;
use crate::identity::RecordName;
use crate::lookup::LookupKey;
use crate::matching;
use crate::record::Record;

/// A record as it is after the rows so far.
pub(super) struct Entry {
    stored: Option<Arc<Record>>,
    pub(super) record: Arc<Record>,
    /// The last row that this record is.
    pub(super) line: Option<usize>,
}

impl Entry {
    /// Whether there is something to write: rows can also undo each other.
    pub(super) fn is_changed(&self) -> bool {
        self.stored.as_ref().is_none_or(|stored| stored.fields != self.record.fields || stored.ids != self.record.ids)
    }
}

/// What a lookup key leads to: at least one, each once. One needs no memory of its own; that is the common case.
enum Hits {
    One(usize),
    Many(Vec<usize>),
}

impl Hits {
    fn as_slice(&self) -> &[usize] {
        match self {
            Self::One(hit) => std::slice::from_ref(hit),
            Self::Many(hits) => hits,
        }
    }

    fn add(&mut self, hit: usize) {
        match self {
            Self::One(own) if *own == hit => {}
            Self::One(own) => *self = Self::Many(vec![hit.min(*own), hit.max(*own)]),
            Self::Many(hits) => {
                if let Err(at) = hits.binary_search(&hit) {
                    hits.insert(at, hit);
                }
            }
        }
    }
}

/// By place, which is the order in which they came.
#[derive(Default)]
pub(super) struct Overlay {
    entries: Vec<Entry>,
    names: HashMap<RecordName, usize>,
    keys: HashMap<LookupKey, Hits>,
}

impl Overlay {
    /// Over the records that are `stored`, with room for as many `rows`.
    pub(super) fn new(stored: Vec<Arc<Record>>, rows: usize) -> Self {
        let room = stored.len() + rows;
        let mut overlay = Self {
            entries: Vec::with_capacity(room),
            names: HashMap::with_capacity(room),
            // A record with an id has a user and a refresh token as a rule.
            keys: HashMap::with_capacity(3 * room),
        };
        for record in stored {
            // It may have been found in several ways.
            if overlay.names.contains_key(&record.name) {
                continue;
            }
            let keys = record.lookup_keys();
            overlay.add(Entry { stored: Some(Arc::clone(&record)), record, line: None }, &keys);
        }
        overlay
    }

    pub(super) fn get(&self, name: RecordName) -> Option<&Entry> {
        self.entries.get(*self.names.get(&name)?)
    }

    /// The record that `id` leads to, which has this key.
    pub(super) fn by_id(&self, id: &str, key: LookupKey) -> Option<&Entry> {
        let own = RecordName::parse(id).and_then(|name| self.get(name));
        own.or_else(|| self.at(key).find(|entry| entry.record.has_id(id)))
    }

    /// The record of this user and client. `keys` are those of `fields`, as [`matching::keys`] has them.
    pub(super) fn by_owner(&self, fields: &Fields, keys: &[LookupKey]) -> Option<&Entry> {
        self.all_at(keys).find(|entry| matching::is_same_owner(&entry.record.fields, fields))
    }

    /// The record that a save of `fields` would mean. `keys` are theirs.
    ///
    /// # Errors
    /// `Ambiguous`, as a save.
    pub(super) fn for_save(&self, fields: &Fields, keys: &[LookupKey]) -> Result<Option<&Entry>> {
        let candidates: Vec<Arc<Record>> = self.all_at(keys).map(|entry| Arc::clone(&entry.record)).collect();
        Ok(matching::for_save(fields, &candidates)?.and_then(|record| self.get(record.name)))
    }

    /// The record that a save of `fields` would mean, where the two have a token in common: what else they share does not
    /// show that they are of one sign-in.
    pub(super) fn with_common_token(&self, fields: &Fields, keys: &[LookupKey]) -> Option<&Entry> {
        let meant = self.for_save(fields, keys).ok().flatten()?;
        matching::holds_one_given(fields, &meant.record).then_some(meant)
    }

    /// Puts a row's record, of these keys, where there is none of its name.
    pub(super) fn put_new(&mut self, record: Record, keys: &[LookupKey], line: usize) {
        self.add(Entry { stored: None, record: Arc::new(record), line: Some(line) }, keys);
    }

    /// Puts a row's record over the one of its name. The old one's keys go on leading to it: a hit is a hint, and each rule
    /// looks at the record itself.
    pub(super) fn put_over(&mut self, record: Record) {
        let Some(at) = self.names.get(&record.name).copied() else { return };
        self.lead_to(at, &record.lookup_keys());
        if let Some(entry) = self.entries.get_mut(at) {
            entry.record = Arc::new(record);
        }
    }

    /// The line of the last row that the record of this name is.
    pub(super) fn set_line(&mut self, name: RecordName, line: usize) {
        if let Some(entry) = self.names.get(&name).and_then(|at| self.entries.get_mut(*at)) {
            entry.line = Some(line);
        }
    }

    /// What there is to write, in the order of the rows.
    pub(super) fn into_changes(self) -> Vec<Change> {
        let change = |entry: Entry| Change {
            name: entry.record.name,
            expected: entry.stored.map(|stored| stored.version),
            value: Some(entry.record),
        };
        self.entries.into_iter().filter(Entry::is_changed).map(change).collect()
    }

    fn add(&mut self, entry: Entry, keys: &[LookupKey]) {
        let at = self.entries.len();
        self.lead_to(at, keys);
        self.names.insert(entry.record.name, at);
        self.entries.push(entry);
    }

    fn lead_to(&mut self, at: usize, keys: &[LookupKey]) {
        for key in keys {
            self.keys.entry(*key).and_modify(|hits| hits.add(at)).or_insert(Hits::One(at));
        }
    }

    fn all_at(&self, keys: &[LookupKey]) -> impl Iterator<Item = &Entry> {
        keys.iter().flat_map(|key| self.at(*key))
    }

    fn at(&self, key: LookupKey) -> impl Iterator<Item = &Entry> {
        self.keys.get(&key).map_or(&[][..], Hits::as_slice).iter().filter_map(|at| self.entries.get(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_sorted_and_each_is_there_once() {
        let mut hits = Hits::One(2);
        for (hit, after) in [(2, &[2][..]), (1, &[1, 2]), (3, &[1, 2, 3]), (1, &[1, 2, 3])] {
            hits.add(hit);
            assert_eq!(hits.as_slice(), after);
        }
    }
}
