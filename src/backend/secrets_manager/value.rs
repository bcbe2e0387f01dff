//! What the secrets hold: a record, a tombstone, a page of the index, or the key of the audit trail. docs/aws-format.md has it for others.
//!
//! ```text
//! magic 4 "tvsm" | format u8 = 1 | kind u8 | sequence u64 | version id: length u8, bytes
//! | writes of the last 24 hours: count u8, then seconds since 1970 u32 each
//! kind 1, record:    name 16 | the record codec's bytes
//! kind 2, tombstone: name 16 | deleted at u64 (microseconds) | nonce 16
//! kind 3, leaf:      page | KMS key id: length u16, bytes | count u32 | entries: key 16, name 16, sequence u64, asserted at u32
//! kind 4, signpost:  page | KMS key id
//! kind 5, audit key: 32
//! kind 6, a doctor's: nothing
//! page: epoch u64 | digits: count u8, one byte each
//! ```
//! Integers are big-endian. The version id is the one that the value was written under: a value under another was copied
//! there by hand.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::backend::audit_key::AuditKey;
use crate::backend::secrets_manager::calls::{Bytes, MAX_VALUE, too_large};
use crate::backend::secrets_manager::naming::PagePlace;
use crate::backend::secrets_manager::page::{Entry, Page, PageKind};
use crate::backend::secrets_manager::version::VersionId;
use crate::byte_reader::Reader;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::lookup::LookupKey;
use crate::record::Record;
use crate::record_codec;

const MAGIC: [u8; 4] = *b"tvsm";
const FORMAT: u8 = 1;
const KIND_RECORD: u8 = 1;
const KIND_TOMBSTONE: u8 = 2;
const KIND_LEAF: u8 = 3;
const KIND_SIGNPOST: u8 = 4;
const KIND_AUDIT_KEY: u8 = 5;
const KIND_PROBE: u8 = 6;

/// An ordinary write leaves room for a tombstone, a lease, or the closing of a page: a secret has about a hundred versions
/// (user guide, Quotas).
pub(super) const MAX_WRITES: usize = 96;

/// Of those, a lease leaves room for itself, for the save that it is for, and for some more: a refresh token is not spent
/// whose successor could not be kept.
pub(super) const MAX_WRITES_BEFORE_LEASE: usize = MAX_WRITES - 10;

/// The save of a refreshed token may use what an ordinary write leaves.
pub(super) const MAX_WRITES_UNDER_LEASE: usize = 98;

/// Versions younger than this are never removed (API reference, PutSecretValue).
const KEPT: Duration = Duration::from_hours(24);

/// When a secret was written, as far as its versions still count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Writes(Vec<u32>);

impl Writes {
    /// These and one more, now.
    pub(super) fn and_now(&self, now: Timestamp) -> Self {
        let mut kept = self.recent(now);
        kept.push(seconds(now));
        // No more than fit the count; a secret of AWS has about a hundred versions.
        let surplus = kept.len().saturating_sub(usize::from(u8::MAX));
        kept.drain(..surplus);
        Self(kept)
    }

    /// How many of them lie within the last 24 hours.
    pub(super) fn count(&self, now: Timestamp) -> usize {
        self.recent(now).len()
    }

    /// Whether the last of them was so long ago at most.
    pub(super) fn are_within(&self, time: Duration, now: Timestamp) -> bool {
        let bound = seconds(now).saturating_sub(u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        self.0.last().is_some_and(|at| *at >= bound)
    }

    fn recent(&self, now: Timestamp) -> Vec<u32> {
        let bound = seconds(now).saturating_sub(u32::try_from(KEPT.as_secs()).unwrap_or(u32::MAX));
        self.0.iter().copied().filter(|at| *at > bound).collect()
    }
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_millis() / 1000).unwrap_or(u32::MAX)
}

/// What every value says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Counts the values of this secret.
    pub(super) sequence: u64,
    /// The version it was written as.
    pub(super) id: VersionId,
    pub(super) writes: Writes,
}

/// What a token's secret holds.
pub(super) enum Body {
    Record(Arc<Record>),
    /// Since when it is deleted.
    Tombstone(Timestamp),
}

pub(super) fn encode_record(head: &Head, record: &Record) -> Bytes {
    let body = record_codec::encode(record);
    let mut out = Zeroizing::new(Vec::with_capacity(HEAD_MAX + body.len()));
    put_head(&mut out, KIND_RECORD, head);
    out.extend_from_slice(record.name.as_bytes());
    out.extend_from_slice(&body);
    out
}

/// Checks that a record fits a secret, before anything is written for it.
///
/// # Errors
/// `InvalidInput` where it does not.
pub(super) fn check_size(record: &Record) -> Result<()> {
    if HEAD_MAX + record_codec::encoded_len(record) <= MAX_VALUE { Ok(()) } else { Err(too_large()) }
}

/// Random bytes tell the tombstones of two who delete at the same moment apart: the service takes the same bytes twice, and
/// both would say that they deleted the token. Records have the nonce of their version; of pages, two equal ones do the same.
pub(super) fn encode_tombstone(head: &Head, name: RecordName, at: Timestamp, nonce: [u8; 16]) -> Bytes {
    let mut out = Zeroizing::new(Vec::with_capacity(HEAD_MAX));
    put_head(&mut out, KIND_TOMBSTONE, head);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&at.as_micros().to_be_bytes());
    out.extend_from_slice(&nonce);
    out
}

pub(super) fn encode_page(head: &Head, place: &PagePlace, page: &Page) -> Bytes {
    let mut out = Zeroizing::new(Vec::new());
    let kind = if matches!(page.kind, PageKind::Leaf(_)) { KIND_LEAF } else { KIND_SIGNPOST };
    put_head(&mut out, kind, head);
    out.extend_from_slice(&page.epoch.to_be_bytes());
    out.push(u8::try_from(place.digits().len()).unwrap_or(u8::MAX));
    out.extend_from_slice(place.digits());
    let key_id = page.kms_key_id.as_deref().unwrap_or_default().as_bytes();
    out.extend_from_slice(&u16::try_from(key_id.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(key_id);
    if let PageKind::Leaf(entries) = &page.kind {
        out.extend_from_slice(&u32::try_from(entries.len()).unwrap_or(u32::MAX).to_be_bytes());
        for entry in entries {
            out.extend_from_slice(entry.key.as_bytes());
            out.extend_from_slice(entry.name.as_bytes());
            out.extend_from_slice(&entry.sequence.to_be_bytes());
            out.extend_from_slice(&entry.asserted_at.to_be_bytes());
        }
    }
    out
}

pub(super) fn encode_audit_key(head: &Head, key: &AuditKey) -> Bytes {
    let mut out = Zeroizing::new(Vec::with_capacity(HEAD_MAX));
    put_head(&mut out, KIND_AUDIT_KEY, head);
    out.extend_from_slice(key.expose());
    out
}

/// A doctor's secret holds nothing but when it was written.
pub(super) fn encode_probe(head: &Head) -> Bytes {
    let mut out = Zeroizing::new(Vec::with_capacity(HEAD_MAX));
    put_head(&mut out, KIND_PROBE, head);
    out
}

/// Head and room for a name, a time and a nonce.
const HEAD_MAX: usize = 4 + 1 + 1 + 8 + 1 + 64 + 1 + 4 * u8::MAX as usize + 40;

fn put_head(out: &mut Vec<u8>, kind: u8, head: &Head) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[FORMAT, kind]);
    out.extend_from_slice(&head.sequence.to_be_bytes());
    let id = head.id.as_str().as_bytes();
    out.push(u8::try_from(id.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(id);
    out.push(u8::try_from(head.writes.0.len()).unwrap_or(u8::MAX));
    head.writes.0.iter().for_each(|at| out.extend_from_slice(&at.to_be_bytes()));
}

/// Reads the value of a token's secret, which must be that of `name`.
///
/// # Errors
/// `Unsupported` for what is not ours, or newer; `Damaged` where it is another record's, or not in the format.
pub(super) fn decode_record(name: RecordName, bytes: &[u8]) -> Result<(Head, Body)> {
    let (kind, head, mut rest) = read_head(bytes)?;
    let own: [u8; 16] = rest.array().ok_or_else(malformed)?;
    if own != *name.as_bytes() {
        return Err(Error::damaged("a secret holds the token of another"));
    }
    let body = match kind {
        KIND_RECORD => Body::Record(Arc::new(record_codec::decode(name, rest.0)?)),
        KIND_TOMBSTONE if rest.0.len() == size_of::<u64>() + 16 => {
            Body::Tombstone(Timestamp::from_micros(rest.u64().ok_or_else(malformed)?))
        }
        _ => return Err(malformed()),
    };
    Ok((head, body))
}

/// Reads the value of a page's secret, which must be that of `place`.
///
/// # Errors
/// `Unsupported` for what is not ours, or newer; `Damaged` where it is another page's, or not in the format.
pub(super) fn decode_page(place: &PagePlace, bytes: &[u8]) -> Result<(Head, Page)> {
    let (kind, head, mut rest) = read_head(bytes)?;
    let (epoch, digits, kms_key_id) = read_page_head(&mut rest).ok_or_else(malformed)?;
    if digits != place.digits() {
        return Err(Error::damaged("a page of the index holds another page"));
    }
    let kind = match kind {
        KIND_LEAF => PageKind::Leaf(read_entries(&mut rest).ok_or_else(malformed)?),
        KIND_SIGNPOST => PageKind::Signpost,
        _ => return Err(malformed()),
    };
    if rest.0.is_empty() { Ok((head, Page { epoch, kms_key_id, kind })) } else { Err(malformed()) }
}

/// Reads the value of the secret that the key of the audit trail is in.
///
/// # Errors
/// `Unsupported` for what is not ours, or newer; `Damaged` where it is not in the format.
pub(super) fn decode_audit_key(bytes: &[u8]) -> Result<(Head, AuditKey)> {
    let (kind, head, rest) = read_head(bytes)?;
    let key = rest.0.as_array().filter(|_| kind == KIND_AUDIT_KEY).ok_or_else(malformed)?;
    Ok((head, AuditKey::new(key)))
}

/// Reads the value of a doctor's secret.
///
/// # Errors
/// `Unsupported` for what is not ours, or newer; `Damaged` where it is not in the format.
pub(super) fn decode_probe(bytes: &[u8]) -> Result<Head> {
    let (kind, head, rest) = read_head(bytes)?;
    if kind == KIND_PROBE && rest.0.is_empty() { Ok(head) } else { Err(malformed()) }
}

fn read_page_head<'a>(rest: &mut Reader<'a>) -> Option<(u64, &'a [u8], Option<String>)> {
    let (epoch, count) = (rest.u64()?, rest.u8()?);
    let digits = rest.take(usize::from(count))?;
    let length = rest.u16()?;
    let key_id = std::str::from_utf8(rest.take(usize::from(length))?).ok()?;
    Some((epoch, digits, (!key_id.is_empty()).then(|| key_id.to_owned())))
}

fn read_entries(rest: &mut Reader<'_>) -> Option<Vec<Entry>> {
    let count = usize::try_from(rest.u32()?).ok()?;
    if rest.0.len() != count.checked_mul(Entry::LEN)? {
        return None;
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(Entry {
            key: LookupKey::from_bytes(rest.array()?),
            name: RecordName::from_bytes(rest.array()?),
            sequence: rest.u64()?,
            asserted_at: rest.u32()?,
        });
    }
    Some(entries)
}

fn read_head(bytes: &[u8]) -> Result<(u8, Head, Reader<'_>)> {
    let mut reader = Reader(bytes);
    if reader.array() != Some(MAGIC) {
        return Err(Error::new(ErrorKind::Unsupported, "a secret under the vault's prefix is not the vault's")
            .with_hint(format!("use a prefix of the vault's own; {PUT_BACK}")));
    }
    match reader.u8() {
        Some(FORMAT) => {}
        Some(newer) if newer > FORMAT => {
            return Err(Error::new(ErrorKind::Unsupported, "a secret was written by a newer version of tokenvault")
                .with_hint("use that version, or a later one"));
        }
        _ => return Err(malformed()),
    }
    let (kind, head) = read_rest_of_head(&mut reader).ok_or_else(malformed)?;
    Ok((kind, head, reader))
}

fn read_rest_of_head(reader: &mut Reader<'_>) -> Option<(u8, Head)> {
    let (kind, sequence, length) = (reader.u8()?, reader.u64()?, reader.u8()?);
    let id = std::str::from_utf8(reader.take(usize::from(length))?).ok()?;
    let count = reader.u8()?;
    let writes = (0..count).map(|_| reader.u32()).collect::<Option<_>>()?;
    Some((kind, Head { sequence, id: VersionId::told(id), writes: Writes(writes) }))
}

/// What helps where somebody has written over a value.
const PUT_BACK: &str = "where it was written over by hand, put AWSCURRENT back on a version of the vault's, with `aws \
                        secretsmanager update-secret-version-stage`; `list-secret-version-ids` shows them";

fn malformed() -> Error {
    Error::damaged("a secret's value is not in the vault's format").with_hint(PUT_BACK)
}
