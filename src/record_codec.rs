//! A record's bytes: format 1.
//!
//! ```text
//! format u8 = 1 | sequence u64 | version nonce 16 | lineage counter u64 | lineage nonce 8
//! | created u64 | saved u64 (microseconds) | writer u8 (1 save, 2 import) | entries to the end
//! entry: tag u8 | length u32 | bytes
//! tags: 1-9 the fields in the order of `Field::ALL`; 16 a brought id (any number, in order);
//!       17 the refresh token that the lineage began with; 18 (empty) it is the current one;
//!       19 a lease; 20 the name of a record that has become part of it, 16 bytes (any number);
//!       21 how long an access token lives, seconds u32
//! ```
//! Integers are big-endian. The record's name stands outside: what is sealed around a record names it.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::fields::{Field, Fields};
use crate::identity::{Lineage, RecordName, Version};
use crate::lease::Lease;
use crate::record::{Record, Writer};
use crate::secret::SecretText;

const FORMAT: u8 = 1;
const FIXED: usize = 1 + 8 + 16 + 8 + 8 + 8 + 8 + 1;
const TAG_BROUGHT_ID: u8 = 16;
const TAG_FIRST_REFRESH: u8 = 17;
const TAG_FIRST_REFRESH_IS_CURRENT: u8 = 18;
const TAG_LEASE: u8 = 19;
const TAG_ADOPTED: u8 = 20;
const TAG_LIFE: u8 = 21;

/// The record's bytes, without its name, in memory that is wiped.
pub fn encode(record: &Record) -> Zeroizing<Vec<u8>> {
    // Exactly the room it needs: a vector that grows leaves its old memory behind unwiped.
    let mut out = Zeroizing::new(Vec::with_capacity(encoded_len(record)));
    encode_onto(record, &mut out);
    out
}

/// How many bytes [`encode`] makes of the record.
pub fn encoded_len(record: &Record) -> usize {
    let lease = record.lease.as_ref().map_or(0, |lease| 5 + lease.to_text().len());
    let adopted = record.adopted.len() * (5 + 16);
    let life = record.longest_life.map_or(0, |_| 5 + 4);
    FIXED + entries(record).map(|(_, bytes)| 5 + bytes.len()).sum::<usize>() + lease + adopted + life
}

/// Puts what [`encode`] makes behind what is in `out`.
///
/// # Security
/// `out` must have room for [`encoded_len`] bytes: growing, it would leave its old memory behind unwiped.
pub fn encode_onto(record: &Record, out: &mut Vec<u8>) {
    out.push(FORMAT);
    out.extend_from_slice(&record.version.sequence.to_be_bytes());
    out.extend_from_slice(&record.version.nonce);
    out.extend_from_slice(&record.lineage.counter.to_be_bytes());
    out.extend_from_slice(&record.lineage.nonce);
    out.extend_from_slice(&record.created_at.as_micros().to_be_bytes());
    out.extend_from_slice(&record.saved_at.as_micros().to_be_bytes());
    out.push(match record.writer {
        Writer::Save => 1,
        Writer::Import => 2,
    });
    let mut put = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        // The rules bound every text far below 4 GiB before a record is made.
        out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    entries(record).for_each(|(tag, bytes)| put(tag, bytes));
    if let Some(lease) = &record.lease {
        put(TAG_LEASE, lease.to_text().as_bytes());
    }
    record.adopted.iter().for_each(|name| put(TAG_ADOPTED, name.as_bytes()));
    if let Some(life) = record.longest_life {
        put(TAG_LIFE, &u32::try_from(life.as_secs()).unwrap_or(u32::MAX).to_be_bytes());
    }
}

fn entries(record: &Record) -> impl Iterator<Item = (u8, &[u8])> {
    let fields = (1..).zip(Field::ALL).filter_map(|(tag, field)| Some((tag, record.fields.text(field)?.as_bytes())));
    let ids = record.ids.iter().map(|id| (TAG_BROUGHT_ID, id.as_bytes()));
    let first_refresh = record.first_refresh.as_ref().map(|first| {
        let is_current = record.fields.get(Field::RefreshToken).is_some_and(|current| current.ct_eq(first));
        let not_again: &[u8] = &[];
        match is_current {
            true => (TAG_FIRST_REFRESH_IS_CURRENT, not_again),
            false => (TAG_FIRST_REFRESH, first.expose().as_bytes()),
        }
    });
    fields.chain(ids).chain(first_refresh)
}

/// Reads a record's bytes back.
///
/// # Errors
/// `Unsupported` for a format or an entry that a newer build wrote, `Damaged` for anything else that is not format 1.
pub fn decode(name: RecordName, bytes: &[u8]) -> Result<Record> {
    let mut reader = Reader(bytes);
    match reader.byte()? {
        FORMAT => {}
        newer if newer > FORMAT => return Err(newer_format()),
        _ => return Err(malformed()),
    }
    let version = Version { sequence: reader.number()?, nonce: reader.array()? };
    let lineage = Lineage { counter: reader.number()?, nonce: reader.array()? };
    let created_at = Timestamp::from_micros(reader.number()?);
    let saved_at = Timestamp::from_micros(reader.number()?);
    let writer = match reader.byte()? {
        1 => Writer::Save,
        2 => Writer::Import,
        _ => return Err(malformed()),
    };
    let Entries { texts, ids, first_refresh, lease, adopted, longest_life } = reader.entries()?;
    let fields = Arc::new(Fields::read(texts).ok_or_else(malformed)?);
    let first_refresh = match first_refresh {
        FirstRefresh::None => None,
        FirstRefresh::Current => fields.get(Field::RefreshToken).map(SecretText::shared),
        FirstRefresh::Text(text) => Some(SecretText::new(text)),
    };
    Ok(Record {
        name,
        version,
        fields,
        ids,
        adopted,
        lineage,
        longest_life,
        first_refresh,
        created_at,
        saved_at,
        writer,
        lease,
    })
}

fn malformed() -> Error {
    Error::damaged("a record opened but is not in the record format")
}

fn newer_format() -> Error {
    Error::new(ErrorKind::Unsupported, "a record was written by a newer version of tokenvault")
        .with_hint("use that version, or a later one")
}

struct Entries<'a> {
    /// In the order of `Field::ALL`; empty ones are absent.
    texts: [&'a [u8]; 9],
    ids: Vec<Arc<str>>,
    first_refresh: FirstRefresh<'a>,
    lease: Option<Lease>,
    adopted: Vec<RecordName>,
    longest_life: Option<Duration>,
}

enum FirstRefresh<'a> {
    None,
    Current,
    Text(&'a str),
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count).ok_or_else(malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| malformed())
    }

    fn byte(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn entries(mut self) -> Result<Entries<'a>> {
        let mut out = Entries {
            texts: [&[]; 9],
            ids: Vec::new(),
            first_refresh: FirstRefresh::None,
            lease: None,
            adopted: Vec::new(),
            longest_life: None,
        };
        while !self.0.is_empty() {
            let tag = self.byte()?;
            let length = usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| malformed())?;
            let bytes = self.take(length)?;
            let text = || std::str::from_utf8(bytes).map_err(|_| malformed());
            match tag {
                1..=9 => *out.texts.get_mut(usize::from(tag) - 1).ok_or_else(malformed)? = bytes,
                TAG_BROUGHT_ID => out.ids.push(Arc::from(text()?)),
                TAG_FIRST_REFRESH => out.first_refresh = FirstRefresh::Text(text()?),
                TAG_FIRST_REFRESH_IS_CURRENT => out.first_refresh = FirstRefresh::Current,
                TAG_LEASE => out.lease = Some(Lease::parse(text()?).ok_or_else(malformed)?),
                TAG_ADOPTED => {
                    out.adopted.push(RecordName::from_bytes(bytes.try_into().map_err(|_| malformed())?));
                }
                TAG_LIFE => {
                    let seconds = u32::from_be_bytes(bytes.try_into().map_err(|_| malformed())?);
                    out.longest_life = Some(Duration::from_secs(seconds.into()));
                }
                _ => return Err(newer_format()),
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &[(Field, &str)], ids: &[&str], first_refresh: Option<&str>) -> Record {
        let mut held = Fields::new();
        for (field, text) in fields {
            held.set(*field, Some(SecretText::new(text)));
        }
        Record {
            name: RecordName::from_bytes([7; 16]),
            version: Version { sequence: 3, nonce: [1; 16] },
            fields: Arc::new(held),
            ids: ids.iter().map(|id| Arc::from(*id)).collect(),
            adopted: Vec::new(),
            lineage: Lineage { counter: 2, nonce: [9; 8] },
            longest_life: None,
            first_refresh: first_refresh.map(SecretText::new),
            created_at: Timestamp::from_micros(5),
            saved_at: Timestamp::from_micros(6),
            writer: Writer::Import,
            lease: None,
        }
    }

    fn assert_reads_back(record: &Record) {
        let bytes = encode(record);
        assert_eq!((bytes.len(), bytes.capacity()), (encoded_len(record), encoded_len(record)));
        let back = decode(record.name, &bytes).unwrap();
        assert_eq!((back.version, back.lineage, &back.ids), (record.version, record.lineage, &record.ids));
        assert_eq!((back.created_at, back.saved_at, back.writer), (record.created_at, record.saved_at, record.writer));
        assert!(back.fields == record.fields && back.first_refresh == record.first_refresh);
        assert_eq!((back.lease, back.adopted), (record.lease.clone(), record.adopted.clone()));
        assert_eq!(back.longest_life, record.longest_life);
    }

    #[test]
    fn records_read_back_as_written() {
        let all: Vec<_> = Field::ALL.into_iter().map(|field| (field, "tëxt,\"\r\n\0😀")).collect();
        assert_reads_back(&record(&all, &["1", "../2"], Some("other")));
        assert_reads_back(&record(&all, &[], Some("tëxt,\"\r\n\0😀")));
        assert_reads_back(&record(&[(Field::AccessToken, "a")], &[], None));
        let lease = Lease::grant(2, Timestamp::from_millis(7), "somebody").unwrap();
        assert_reads_back(&Record { lease: Some(lease), ..record(&all, &["1"], None) });
        let adopted = vec![RecordName::from_bytes([8; 16]), RecordName::from_bytes([9; 16])];
        assert_reads_back(&Record { adopted, ..record(&all, &["1"], None) });
        assert_reads_back(&Record { longest_life: Some(Duration::from_secs(3599)), ..record(&all, &["1"], None) });
    }

    #[test]
    fn every_cut_is_refused_or_reads_as_fewer_entries_and_none_panics() {
        let bytes = encode(&record(&[(Field::UserName, "u"), (Field::RefreshToken, "r")], &["1"], Some("r")));
        for end in 0..FIXED {
            assert_eq!(decode(RecordName::from_bytes([7; 16]), &bytes[..end]).unwrap_err().kind(), ErrorKind::Damaged);
        }
        for end in FIXED..bytes.len() {
            let _ = decode(RecordName::from_bytes([7; 16]), &bytes[..end]);
        }
    }

    #[test]
    fn what_a_newer_build_wrote_is_named_so() {
        let mut bytes = encode(&record(&[(Field::UserName, "u")], &[], None)).to_vec();
        bytes.extend_from_slice(&[77, 0, 0, 0, 0]);
        assert_eq!(decode(RecordName::from_bytes([7; 16]), &bytes).unwrap_err().kind(), ErrorKind::Unsupported);
        bytes[0] = 2;
        assert_eq!(decode(RecordName::from_bytes([7; 16]), &bytes).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
