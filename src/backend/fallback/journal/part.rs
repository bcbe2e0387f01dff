//! The records that a journal is made of: they are no tokens, bear names of their own, and are sealed like any record.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::fields::Fields;
use crate::identity::{Lineage, RecordName, Version};
use crate::record::{Record, Writer};

/// Stands between a text's key and the text. No id that can be stored has a control character in it.
const SEPARATOR: char = '\u{1f}';

const PREFIX: [u8; 7] = *b"tv jour";

/// What a record of the journal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Mark = b'm' as isize,
    /// A write: what was given, and what it is.
    Entry = b'e' as isize,
    /// The record that a write started from.
    Seen = b's' as isize,
    /// The token as it was handed out, where that is another.
    HandedOut = b'h' as isize,
    /// The record that a play-back began to write a save into, as it was before.
    Aim = b'a' as isize,
    /// A value that did not stand.
    Lost = b'l' as isize,
}

impl Part {
    /// The name of this part of the entry with that number.
    pub(super) const fn name(self, number: u64) -> RecordName {
        let [a, b, c, d, e, f, g] = PREFIX;
        let [h, i, j, k, l, m, n, o] = number.to_be_bytes();
        RecordName::from_bytes([a, b, c, d, e, f, g, self as u8, h, i, j, k, l, m, n, o])
    }

    /// The number of the entry that a record is this part of.
    pub(super) fn number(self, name: RecordName) -> Option<u64> {
        let rest = name.as_bytes().strip_prefix(&PREFIX)?.strip_prefix(&[self as u8])?;
        Some(u64::from_be_bytes(rest.try_into().ok()?))
    }
}

/// Whether a record is the journal's own, and no token's.
pub(super) fn is_own(name: RecordName) -> bool {
    name.as_bytes().starts_with(&PREFIX)
}

/// Texts with keys, as a record's entries.
#[derive(Debug, Default)]
pub(super) struct Texts(Vec<Arc<str>>);

impl Texts {
    pub(super) fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub(super) fn with(mut self, key: &str, text: Option<impl fmt::Display>) -> Self {
        self.0.extend(text.map(|text| Arc::from(format!("{key}{SEPARATOR}{text}"))));
        self
    }
}

/// The text of this key.
pub(super) fn text<'r>(record: &'r Record, key: &str) -> Option<&'r str> {
    texts(record, key).next()
}

/// Every text of this key.
pub(super) fn texts<'r>(record: &'r Record, key: &str) -> impl Iterator<Item = &'r str> {
    record.ids.iter().filter_map(move |text| text.strip_prefix(key)?.strip_prefix(SEPARATOR))
}

/// A record of the journal in its first state.
///
/// # Errors
/// `Unavailable` where the system has no randomness to give.
pub(super) fn record(part: Part, number: u64, fields: &Arc<Fields>, texts: Texts, at: Timestamp) -> Result<Record> {
    Ok(Record {
        name: part.name(number),
        version: Version::first()?,
        fields: Arc::clone(fields),
        ids: texts.0,
        adopted: Vec::new(),
        lineage: Lineage { counter: 0, nonce: [0; 8] },
        longest_life: None,
        first_refresh: None,
        created_at: at,
        saved_at: at,
        writer: Writer::Save,
        lease: None,
    })
}

impl Texts {
    pub(super) fn into_ids(self) -> Vec<Arc<str>> {
        self.0
    }
}
