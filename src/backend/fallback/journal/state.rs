//! What the entries of a journal make of a record.

use std::sync::Arc;

use crate::backend::Change;
use crate::backend::fallback::journal::part::{self, Texts};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::fields::Fields;
use crate::identity::{Lineage, RecordName, Version};
use crate::record::{Record, Writer};

/// A record as the entries leave it.
#[derive(Clone, Debug)]
pub(crate) enum State {
    Held(Held),
    /// Deleted, with the sign-in that it had.
    Deleted {
        name: RecordName,
        lineage: Lineage,
        number: u64,
        version: Version,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) record: Arc<Record>,
    /// The entry that made this state, and when that was acknowledged.
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
}

impl State {
    pub(crate) const fn number(&self) -> u64 {
        match self {
            Self::Held(Held { number, .. }) | Self::Deleted { number, .. } => *number,
        }
    }

    pub(crate) fn name(&self) -> RecordName {
        match self {
            Self::Held(held) => held.record.name,
            Self::Deleted { name, .. } => *name,
        }
    }

    fn version(&self) -> Version {
        match self {
            Self::Held(held) => held.record.version,
            Self::Deleted { version, .. } => *version,
        }
    }

    pub(super) fn read(record: &Record) -> Option<Self> {
        let number = |key| part::text(record, key)?.parse().ok();
        let entry = number("entry")?;
        if part::text(record, "deleted").is_some() {
            let (name, lineage, version) = (record.name, record.lineage, record.version);
            return Some(Self::Deleted { name, lineage, number: entry, version });
        }
        let mut own = record.clone();
        own.ids.retain(|id| !id.contains('\u{1f}'));
        let at = Timestamp::from_micros(number("at")?);
        Some(Self::Held(Held { record: Arc::new(own), number: entry, at }))
    }

    /// The commit's part that puts this in the place of `old`.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub(super) fn replacing(&self, old: Option<&Self>) -> Result<Change> {
        let texts = Texts::new().with("entry", Some(self.number()));
        let record = match self {
            Self::Held(held) => {
                let texts = texts.with("at", Some(held.at.as_micros()));
                let mut record = Record::clone(&held.record);
                record.ids.extend(texts.into_ids());
                record
            }
            Self::Deleted { name, lineage, version, .. } => Record {
                name: *name,
                version: *version,
                fields: Arc::new(Fields::new()),
                ids: texts.with("deleted", Some("")).into_ids(),
                adopted: Vec::new(),
                lineage: *lineage,
                longest_life: None,
                first_refresh: None,
                created_at: Timestamp::default(),
                saved_at: Timestamp::default(),
                writer: Writer::Save,
                lease: None,
            },
        };
        Ok(Change { name: record.name, expected: old.map(Self::version), value: Some(Arc::new(record)) })
    }

    /// The commit's part that takes this away.
    pub(super) fn removal(&self) -> Change {
        Change { name: self.name(), expected: Some(self.version()), value: None }
    }
}
