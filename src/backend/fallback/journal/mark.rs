//! What a journal says of itself. Every change of it is a change of this record too, which decides between two that change it
//! at once.

use std::sync::Arc;

use crate::backend::Change;
use crate::backend::fallback::journal::part::{self, Part, Texts};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::fields::Fields;
use crate::identity::Version;
use crate::record::Record;

#[derive(Clone, Debug)]
pub(crate) struct Mark {
    version: Option<Version>,
    /// The store that the writes are for.
    pub(super) of: Arc<str>,
    /// How many entries there are.
    pub(crate) count: u64,
    /// No entry has a lower number.
    pub(super) first: u64,
    /// The number of the next entry.
    pub(super) next: u64,
    /// The entries that clear everything.
    pub(super) clears: Vec<u64>,
    /// Why the entries stay, where that does not pass by itself.
    pub(super) blocked: Option<Arc<str>>,
    /// When the oldest of the values that did not stand was put there.
    pub(super) lost_since: Option<Timestamp>,
    /// So many bytes are written with it that say nothing. Not read back: the next change drops them.
    pub(super) room: usize,
}

impl Mark {
    /// Of an empty journal.
    pub(super) fn first(of: &Arc<str>) -> Self {
        let (version, of, blocked, lost_since) = (None, Arc::clone(of), None, None);
        Self { version, of, count: 0, first: 1, next: 1, clears: Vec::new(), blocked, lost_since, room: 0 }
    }

    pub(super) fn read(record: &Record) -> Option<Self> {
        let number = |key| part::text(record, key).and_then(|text| text.parse().ok());
        Some(Self {
            version: Some(record.version),
            of: Arc::from(part::text(record, "of")?),
            count: number("count")?,
            first: number("first")?,
            next: number("next")?,
            clears: part::texts(record, "clear").filter_map(|text| text.parse().ok()).collect(),
            blocked: part::text(record, "blocked").map(Arc::from),
            lost_since: number("lost").map(Timestamp::from_micros),
            room: 0,
        })
    }

    /// Whether the journal has not been changed in between.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.version == other.version
    }

    /// Whether an entry clears everything.
    pub(crate) fn has_clear(&self) -> bool {
        !self.clears.is_empty()
    }

    /// The commit's part that puts this in the place of what it came from.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub(super) fn change(&self) -> Result<Change> {
        let texts = Texts::new().with("of", Some(&self.of)).with("count", Some(self.count));
        let texts = texts.with("first", Some(self.first)).with("next", Some(self.next));
        let texts = texts.with("blocked", self.blocked.as_ref());
        let texts = texts.with("lost", self.lost_since.map(Timestamp::as_micros));
        let texts = texts.with("room", (self.room > 0).then(|| " ".repeat(self.room)));
        let texts = self.clears.iter().fold(texts, |texts, number| texts.with("clear", Some(number)));
        let mut record = part::record(Part::Mark, 0, &Arc::new(Fields::new()), texts, Timestamp::default())?;
        if let Some(version) = self.version {
            record.version = version.next()?;
        }
        Ok(Change { name: record.name, expected: self.version, value: Some(Arc::new(record)) })
    }
}
