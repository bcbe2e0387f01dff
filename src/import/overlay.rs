//! The records that an import deals with: those of the vault, and over them what the import makes of them. By lookup
//! key, so that ten thousand rows are ten thousand look-ups and no scan.

use std::collections::HashMap;
use std::sync::Arc;

use crate::backend::Change;
use crate::error::Result;
use crate::fields::{Field, Fields};
use crate::identity::RecordName;
use crate::lookup::{LookupKey, LookupKind};
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

#[derive(Default)]
pub(super) struct Overlay {
    entries: HashMap<RecordName, Entry>,
    keys: HashMap<LookupKey, Vec<RecordName>>,
}

impl Overlay {
    pub(super) fn new(stored: Vec<Arc<Record>>) -> Self {
        let mut overlay = Self::default();
        for record in stored {
            let entry = Entry { stored: Some(Arc::clone(&record)), record, line: None };
            overlay.insert(entry);
        }
        overlay
    }

    pub(super) fn get(&self, name: RecordName) -> Option<&Entry> {
        self.entries.get(&name)
    }

    /// The record that `id` leads to.
    pub(super) fn by_id(&self, id: &str) -> Option<&Entry> {
        let own = RecordName::parse(id).and_then(|name| self.get(name));
        own.or_else(|| self.at(LookupKey::new(LookupKind::Id, id)).find(|entry| entry.record.has_id(id)))
    }

    /// The record of this user and client.
    pub(super) fn by_owner(&self, fields: &Fields) -> Option<&Entry> {
        let user = fields.text(Field::UserName)?;
        self.at(LookupKey::new(LookupKind::User, user))
            .find(|entry| matching::is_same_owner(&entry.record.fields, fields))
    }

    /// The record that a save of `fields` would mean.
    ///
    /// # Errors
    /// `Ambiguous`, as a save.
    pub(super) fn for_save(&self, fields: &Fields) -> Result<Option<&Entry>> {
        let keys = matching::keys(fields);
        let candidates: Vec<Arc<Record>> =
            keys.iter().flat_map(|key| self.at(*key)).map(|entry| Arc::clone(&entry.record)).collect();
        Ok(matching::for_save(fields, &candidates)?.and_then(|record| self.get(record.name)))
    }

    /// The record that a save of `fields` would mean, where the two have a token in common: what else they share does not
    /// show that they are of one sign-in.
    pub(super) fn with_common_token(&self, fields: &Fields) -> Option<&Entry> {
        let meant = self.for_save(fields).ok().flatten()?;
        matching::holds_one_given(fields, &meant.record).then_some(meant)
    }

    /// Puts a row's record over the one of its name, if there is one. The old one's keys go on leading to it: a hit is
    /// a hint, and each rule looks at the record itself.
    pub(super) fn put(&mut self, record: Record, line: Option<usize>) {
        let old = self.entries.remove(&record.name);
        let line = line.or(old.as_ref().and_then(|old| old.line));
        self.insert(Entry { stored: old.and_then(|old| old.stored), record: Arc::new(record), line });
    }

    /// The line of the last row that the record of this name is.
    pub(super) fn set_line(&mut self, name: RecordName, line: usize) {
        if let Some(entry) = self.entries.get_mut(&name) {
            entry.line = Some(line);
        }
    }

    /// What there is to write.
    pub(super) fn into_changes(self) -> Vec<Change> {
        let change = |entry: Entry| Change {
            name: entry.record.name,
            expected: entry.stored.map(|stored| stored.version),
            value: Some(entry.record),
        };
        self.entries.into_values().filter(Entry::is_changed).map(change).collect()
    }

    fn insert(&mut self, entry: Entry) {
        for key in entry.record.lookup_keys() {
            let names = self.keys.entry(key).or_default();
            if !names.contains(&entry.record.name) {
                names.push(entry.record.name);
            }
        }
        self.entries.insert(entry.record.name, entry);
    }

    fn at(&self, key: LookupKey) -> impl Iterator<Item = &Entry> {
        self.keys.get(&key).into_iter().flatten().filter_map(|name| self.get(*name))
    }
}
