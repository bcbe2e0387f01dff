//! A frame: the changes of one sync, sealed. docs/format.md has it for readers of other make.
//!
//! ```text
//! marker 4 | sealed length u32 | frame number u64 | tag of the frame before 16 | nonce 12 | sealed bytes, tag 16 last
//! AAD: format u16 | vault id 16 | frame number u64 | tag of the frame before 16
//! plaintext: count u16, then for each change
//!   kind u8 (1 put, 2 tombstone) | record name 16 | time u64 (microseconds) | length u32 | record
//! ```
//! Integers are big-endian. A tombstone's length is 0. For the first frame the tag before is the header's. The highest
//! bit of the count marks a frame that is a part of a commit.
//!
//! A frame without changes closes what was written at once: the parts before it, or what the file was made or rewritten
//! with. A file that has none was cut to less than a commit.

use std::ops::Range;

use crate::backend::file::header::FORMAT;
use crate::byte_reader::Reader;
use crate::clock::Timestamp;
use crate::crypto::aead::{DataKey, NONCE_LEN, Refused, TAG_LEN};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;

/// What a frame begins with. No UTF-8 text holds it, and no run of zeros.
pub(super) const MARKER: [u8; 4] = [0x54, 0x56, 0xF7, 0xA3];
/// Bytes before the sealed ones.
pub(super) const HEAD_LEN: usize = 4 + 4 + 8 + TAG_LEN + NONCE_LEN;
/// The most that one frame seals.
pub(super) const MAX_PLAINTEXT: usize = 1024 * 1024;
/// The longest frame.
pub(super) const MAX_FRAME: usize = HEAD_LEN + MAX_PLAINTEXT + TAG_LEN;
/// Bytes of a change without its record.
pub(super) const PART_LEN: usize = 1 + 16 + 8 + 4;

pub(super) const COUNT_LEN: usize = 2;
/// In the count: the commit goes on.
pub(super) const IS_PART: u16 = 1 << 15;
const MIN_SEALED: usize = COUNT_LEN + TAG_LEN;
const AAD_LEN: usize = 2 + 16 + 8 + TAG_LEN;
pub(super) const KIND_PUT: u8 = 1;
pub(super) const KIND_TOMBSTONE: u8 = 2;

/// What a frame says of itself, in the clear. Nothing of it is to be believed before the frame is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// Bytes after the head, the tag included.
    pub(super) sealed_len: usize,
    pub(super) number: u64,
    pub(super) tag_before: [u8; TAG_LEN],
    pub(super) nonce: [u8; NONCE_LEN],
}

impl FrameHead {
    /// Reads the head at the start of `bytes`; `None` where there is none within the bounds.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.array()? != MARKER {
            return None;
        }
        let sealed_len = usize::try_from(reader.u32()?).ok()?;
        if !(MIN_SEALED..=MAX_PLAINTEXT + TAG_LEN).contains(&sealed_len) {
            return None;
        }
        Some(Self { sealed_len, number: reader.u64()?, tag_before: reader.array()?, nonce: reader.array()? })
    }

    pub(super) fn encode(&self) -> Result<[u8; HEAD_LEN]> {
        let sealed_len = u32::try_from(self.sealed_len).map_err(|_| too_long())?;
        let mut out = [0; HEAD_LEN];
        let parts: [&[u8]; 5] =
            [&MARKER, &sealed_len.to_be_bytes(), &self.number.to_be_bytes(), &self.tag_before, &self.nonce];
        join(&mut out, &parts);
        Ok(out)
    }
}

/// Fills `out` with `parts`, one behind the other.
fn join(mut out: &mut [u8], parts: &[&[u8]]) {
    for part in parts {
        let Some((place, rest)) = out.split_at_mut_checked(part.len()) else { return };
        place.copy_from_slice(part);
        out = rest;
    }
}

pub(super) fn aad(vault_id: &[u8; 16], number: u64, tag_before: &[u8; TAG_LEN]) -> [u8; AAD_LEN] {
    let mut out = [0; AAD_LEN];
    join(&mut out, &[&FORMAT.to_be_bytes(), vault_id, &number.to_be_bytes(), tag_before]);
    out
}

/// What a frame is to the commit it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// All of it.
    Whole,
    /// A part of one that a closing frame ends.
    Part,
    /// The end of one that was written in parts.
    Closing,
}

/// The role of a frame that was opened; that it is in the format is for [`parts`] to say.
pub(super) fn role(plaintext: &[u8]) -> Role {
    match Reader(plaintext).u16() {
        Some(0) => Role::Closing,
        Some(count) if count & IS_PART != 0 => Role::Part,
        _ => Role::Whole,
    }
}

/// Opens a whole frame where it lies, if it is the one of this number behind the one of that tag.
///
/// # Security
/// Afterwards the plaintext lies in `frame`: it must be memory that is wiped.
///
/// # Errors
/// [`Refused`] for any other frame, and for one that was changed.
pub(super) fn open<'a>(
    key: &DataKey,
    vault_id: &[u8; 16],
    number: u64,
    tag_before: &[u8; TAG_LEN],
    frame: &'a mut [u8],
) -> Result<&'a [u8], Refused> {
    let head = FrameHead::parse(frame).ok_or(Refused)?;
    if head.number != number || head.tag_before != *tag_before || frame.len() != HEAD_LEN + head.sealed_len {
        return Err(Refused);
    }
    let sealed = frame.get_mut(HEAD_LEN..).ok_or(Refused)?;
    let (buffer, tag) = sealed.split_last_chunk_mut().ok_or(Refused)?;
    key.open_in_place(&head.nonce, &aad(vault_id, number, tag_before), buffer, tag)?;
    Ok(buffer)
}

/// The tag of a whole frame: its last 16 bytes.
pub(super) fn tag(frame: &[u8]) -> [u8; TAG_LEN] {
    frame.last_chunk().copied().unwrap_or_default()
}

/// One change in a plaintext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: RecordName,
    /// When a put was saved, or a record deleted.
    pub(super) time: Timestamp,
    /// Where in the plaintext the record's bytes lie; `None` for a tombstone.
    pub(super) body: Option<Range<usize>>,
}

/// The changes in an opened frame.
///
/// # Errors
/// `Damaged` where it is not in the format, to the last byte.
pub(super) fn parts(plaintext: &[u8]) -> Result<Vec<Part>> {
    read_parts(plaintext).ok_or_else(|| Error::damaged("a frame opened but is not in the frame format"))
}

fn read_parts(plaintext: &[u8]) -> Option<Vec<Part>> {
    let mut reader = Reader(plaintext);
    let said = reader.u16()?;
    let count = usize::from(said & !IS_PART);
    if count * PART_LEN > reader.0.len() || said == IS_PART {
        return None;
    }
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = reader.u8()?;
        let name = RecordName::from_bytes(reader.array()?);
        let time = Timestamp::from_micros(reader.u64()?);
        let length = usize::try_from(reader.u32()?).ok()?;
        let start = plaintext.len() - reader.0.len();
        reader.take(length)?;
        let body = match (kind, length) {
            (KIND_PUT, _) => Some(start..start + length),
            (KIND_TOMBSTONE, 0) => None,
            _ => return None,
        };
        parts.push(Part { name, time, body });
    }
    reader.0.is_empty().then_some(parts)
}

pub(super) fn too_long() -> Error {
    Error::new(ErrorKind::InvalidInput, "more than fits into one frame of the vault (1 MiB, 32,767 changes)")
}
