//! What did not stand when a journal was played back: kept sealed for a while, for whoever wants to see it.

use std::fmt;
use std::sync::Arc;

use crate::backend::fallback::journal::part::{self, Part, Texts};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::fields::Fields;
use crate::record::Record;

/// A value that did not stand.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Lost {
    /// The id of the token that it was for, where there is one.
    pub id: Option<Arc<str>>,
    /// The value; empty for a deletion.
    pub fields: Arc<Fields>,
    /// Why it did not stand.
    pub why: Why,
    /// When it was acknowledged, by whichever side.
    pub acknowledged_at: Timestamp,
    /// When that was decided.
    pub at: Timestamp,
}

/// Why a value did not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// A save of the journal: the store had a newer value, or a newer sign-in.
    Overtaken,
    /// A value of the store: a save of the journal was the newer one.
    Replaced,
    /// A save of the journal: its token was deleted in the store.
    Deleted,
    /// A save of the journal that the rules refuse beside what the store has by now.
    Refused,
    /// A deletion of the journal: the token was signed in again.
    SignedInAgain,
}

impl Why {
    const ALL: [Self; 5] = [Self::Overtaken, Self::Replaced, Self::Deleted, Self::Refused, Self::SignedInAgain];

    /// Its name for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overtaken => "overtaken",
            Self::Replaced => "replaced",
            Self::Deleted => "deleted",
            Self::Refused => "refused",
            Self::SignedInAgain => "signed-in-again",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overtaken => "the store had a newer one",
            Self::Replaced => "the journal had a newer one",
            Self::Deleted => "the token was deleted in the store",
            Self::Refused => "the store has another token in its place",
            Self::SignedInAgain => "not deleted: the user had signed in again",
        })
    }
}

impl Lost {
    pub(crate) fn new(why: Why, id: Option<Arc<str>>, fields: &Arc<Fields>, times: (Timestamp, Timestamp)) -> Self {
        let (acknowledged_at, at) = times;
        Self { id, fields: Arc::clone(fields), why, acknowledged_at, at }
    }

    /// Whether it is the same value, whenever that was decided.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.why == other.why && self.id == other.id && self.fields == other.fields
    }

    /// Under a number that none with another value has: that of its entry, or the next free one.
    pub(super) fn record(&self, number: u64) -> Result<Record> {
        let texts = Texts::new().with("why", Some(self.why.name())).with("id", self.id.as_deref());
        let record = part::record(Part::Lost, number, &self.fields, texts, self.at)?;
        Ok(Record { created_at: self.acknowledged_at, ..record })
    }

    pub(super) fn read(record: &Record) -> Option<(u64, Self)> {
        let number = Part::Lost.number(record.name)?;
        let why = part::text(record, "why")?;
        let why = Why::ALL.into_iter().find(|known| known.name() == why)?;
        let id = part::text(record, "id").map(Arc::from);
        let (acknowledged_at, at) = (record.created_at, record.saved_at);
        Some((number, Self { id, fields: Arc::clone(&record.fields), why, acknowledged_at, at }))
    }
}
