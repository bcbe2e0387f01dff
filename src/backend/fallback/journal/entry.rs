//! What a journal holds of one write: enough to make it again by the vault's rules, whatever has become of its record since.

use std::collections::HashMap;
use std::iter::once;
use std::sync::Arc;

use data_encoding::HEXLOWER;

use crate::backend::fallback::journal::part::{self, Part, Texts};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::fields::{Field, Fields};
use crate::identity::{Lineage, RecordName, Version};
use crate::record::Record;

/// A write that was acknowledged and has not come to the store.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its place in the order.
    pub(crate) number: u64,
    /// When it was acknowledged.
    pub(crate) at: Timestamp,
    /// What a play-back has noted before it wrote.
    pub(crate) aim: Option<Aim>,
    pub(crate) deed: Deed,
}

#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Save(Saving),
    Delete(Deleting),
    Clear(Clearing),
}

/// The record that a play-back has begun to write a save into, as it was before the first attempt. Whether an attempt took effect
/// may be unknown: what is otherwise by now was written by one, or by others after the save was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Aim {
    pub(crate) record: RecordName,
    pub(crate) lineage: Lineage,
    /// Without its set of tokens, of which the rules know what came later.
    pub(crate) fields: Arc<Fields>,
}

impl Aim {
    pub(crate) fn at(record: &Record) -> Self {
        let mut fields = Fields::clone(&record.fields);
        Field::GRANTED.into_iter().for_each(|field| fields.set(field, None));
        Self { record: record.name, lineage: record.lineage, fields: Arc::new(fields) }
    }

    /// The record that holds it.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub(super) fn record(&self, number: u64) -> Result<Record> {
        let texts = Texts::new().with("name", Some(self.record)).with("lineage", Some(of_lineage(self.lineage)));
        part::record(Part::Aim, number, &self.fields, texts, Timestamp::default())
    }

    /// Reads it back; `None` for anything else.
    pub(super) fn read(record: &Record) -> Option<Self> {
        let name = RecordName::parse(part::text(record, "name")?)?;
        let lineage = part::text(record, "lineage").and_then(to_lineage)?;
        Some(Self { record: name, lineage, fields: Arc::clone(&record.fields) })
    }
}

/// A deletion of every token that there was.
#[derive(Clone, Debug)]
pub(crate) struct Clearing {
    /// Those that were seen, with the sign-in that they had.
    pub(crate) seen: HashMap<RecordName, Lineage>,
}

impl Clearing {
    /// Whether it deletes this record of the store, having been acknowledged at `at`: not one that was made later, or signed in
    /// again.
    pub(crate) fn covers(&self, record: &Record, at: Timestamp) -> bool {
        let is_named = self.seen.contains_key(&record.name);
        let was_there = !is_named && record.created_at <= at && record.lineage.is_first();
        self.seen_of(record).any(|seen| seen.is_same(record.lineage)) || was_there || record.saved_at <= at
    }

    /// Whether it has seen this record, or one that has become part of it.
    pub(crate) fn has_seen(&self, record: &Record) -> bool {
        self.seen_of(record).next().is_some()
    }

    /// Whether nobody is shown this record meanwhile, which the store may not have in the state that was deleted.
    pub(super) fn hides(&self, record: &Record, at: Timestamp) -> bool {
        self.covers(record, at) || self.seen_of(record).any(|seen| !record.lineage.is_newer_than(seen))
    }

    /// The sign-ins that were seen of this record, and of those that have become part of it.
    fn seen_of(&self, record: &Record) -> impl Iterator<Item = Lineage> {
        once(&record.name).chain(&record.adopted).filter_map(|name| self.seen.get(name).copied())
    }
}

/// A save, and what became of its record in the journal.
#[derive(Clone, Debug)]
pub(crate) struct Saving {
    pub(crate) name: RecordName,
    /// The id that the token was given under.
    pub(crate) id: Option<Arc<str>>,
    pub(crate) given: Arc<Fields>,
    /// The state that it was decided on; `None`: it made the record.
    pub(crate) expected: Option<Version>,
    /// The state that it made.
    pub(crate) version: Version,
    /// The sign-in of that state.
    pub(crate) lineage: Lineage,
    /// What it started from; `None` where it made the record.
    pub(crate) seen: Option<Start>,
    /// Whether the token itself remembered that.
    pub(crate) has_base: bool,
}

impl Saving {
    /// Whether it began a sign-in.
    pub(crate) fn is_sign_in(&self) -> bool {
        self.seen.as_ref().is_none_or(|seen| !self.has_base && !seen.lineage.is_same(self.lineage))
    }
}

/// What a save started from: as the token was handed out, and as its record was then.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) handed_out: Arc<Fields>,
    pub(crate) fields: Arc<Fields>,
    pub(crate) lineage: Lineage,
}

/// A deletion of one record.
#[derive(Clone, Debug)]
pub(crate) struct Deleting {
    pub(crate) name: RecordName,
    /// The sign-in that was to be ended.
    pub(crate) lineage: Lineage,
    /// What the record was.
    pub(crate) fields: Arc<Fields>,
}

impl Entry {
    /// The records that hold it, in their first state.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub(super) fn records(&self) -> Result<Vec<Record>> {
        let texts = Texts::new();
        let empty = || Arc::new(Fields::new());
        let one = |part, fields: &Arc<Fields>, texts| part::record(part, self.number, fields, texts, self.at);
        Ok(match &self.deed {
            Deed::Save(save) => {
                let texts = texts.with("kind", Some("save")).with("name", Some(save.name));
                let texts = texts.with("id", save.id.as_deref()).with("expected", save.expected.map(of_version));
                let texts = texts.with("version", Some(of_version(save.version)));
                let texts = texts.with("lineage", Some(of_lineage(save.lineage)));
                let texts = texts.with("seen", save.seen.as_ref().map(|seen| of_lineage(seen.lineage)));
                let texts = texts.with("base", save.has_base.then_some("1"));
                let mut records = vec![one(Part::Entry, &save.given, texts)?];
                if let Some(seen) = &save.seen {
                    records.push(one(Part::Seen, &seen.fields, Texts::new())?);
                    if seen.handed_out != seen.fields {
                        records.push(one(Part::HandedOut, &seen.handed_out, Texts::new())?);
                    }
                }
                records
            }
            Deed::Delete(delete) => {
                let texts = texts.with("kind", Some("delete")).with("name", Some(delete.name));
                let texts = texts.with("lineage", Some(of_lineage(delete.lineage)));
                vec![one(Part::Entry, &empty(), texts)?, one(Part::Seen, &delete.fields, Texts::new())?]
            }
            Deed::Clear(Clearing { seen }) => {
                let mut texts = texts.with("kind", Some("clear"));
                for (name, lineage) in seen {
                    texts = texts.with("token", Some(format!("{name} {}", of_lineage(*lineage))));
                }
                vec![one(Part::Entry, &empty(), texts)?]
            }
        })
    }

    /// Reads it back from the records of its parts; `None` for anything else.
    pub(super) fn read(
        number: u64,
        entry: &Record,
        seen: Option<&Record>,
        handed_out: Option<&Record>,
    ) -> Option<Self> {
        let name = || RecordName::parse(part::text(entry, "name")?);
        let lineage = |key| part::text(entry, key).and_then(to_lineage);
        let deed = match part::text(entry, "kind")? {
            "save" => Deed::Save(Saving {
                name: name()?,
                id: part::text(entry, "id").map(Arc::from),
                given: Arc::clone(&entry.fields),
                expected: part::text(entry, "expected").and_then(to_version),
                version: part::text(entry, "version").and_then(to_version)?,
                lineage: lineage("lineage")?,
                seen: seen.and_then(|seen| {
                    let handed_out = Arc::clone(&handed_out.unwrap_or(seen).fields);
                    Some(Start { handed_out, fields: Arc::clone(&seen.fields), lineage: lineage("seen")? })
                }),
                has_base: part::text(entry, "base").is_some(),
            }),
            "delete" => Deed::Delete(Deleting {
                name: name()?,
                lineage: lineage("lineage")?,
                fields: Arc::clone(&seen?.fields),
            }),
            "clear" => Deed::Clear(Clearing { seen: part::texts(entry, "token").filter_map(to_pair).collect() }),
            _ => return None,
        };
        Some(Self { number, at: entry.created_at, aim: None, deed })
    }
}

fn to_pair(text: &str) -> Option<(RecordName, Lineage)> {
    let (name, lineage) = text.split_once(' ')?;
    Some((RecordName::parse(name)?, to_lineage(lineage)?))
}

fn of_version(version: Version) -> String {
    format!("{}.{}", version.sequence, HEXLOWER.encode(&version.nonce))
}

fn to_version(text: &str) -> Option<Version> {
    let (sequence, nonce) = text.split_once('.')?;
    Some(Version { sequence: sequence.parse().ok()?, nonce: HEXLOWER.decode(nonce.as_bytes()).ok()?.try_into().ok()? })
}

fn of_lineage(lineage: Lineage) -> String {
    format!("{}.{}", lineage.counter, HEXLOWER.encode(&lineage.nonce))
}

fn to_lineage(text: &str) -> Option<Lineage> {
    let (counter, nonce) = text.split_once('.')?;
    Some(Lineage { counter: counter.parse().ok()?, nonce: HEXLOWER.decode(nonce.as_bytes()).ok()?.try_into().ok()? })
}
