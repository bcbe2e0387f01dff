//! Making frames: the changes are laid out behind the frames before, in the memory that is written to the file, and are
//! sealed where they lie.

use std::ops::Range;

use zeroize::Zeroize;

use crate::backend::file::frame::{
    self, COUNT_LEN, FrameHead, HEAD_LEN, IS_PART, KIND_PUT, KIND_TOMBSTONE, MAX_PLAINTEXT, PART_LEN,
};
use crate::clock::Timestamp;
use crate::crypto::aead::{DataKey, NONCE_LEN, TAG_LEN};
use crate::error::Result;
use crate::identity::{RecordName, fill_random};
use crate::record::Record;
use crate::record_codec;

/// A change to lay out.
pub(super) struct NewPart<'a> {
    name: RecordName,
    time: Timestamp,
    body: Body<'a>,
    body_len: usize,
}

enum Body<'a> {
    Record(&'a Record),
    /// A record's bytes, as they were read.
    Encoded(&'a [u8]),
    Tombstone,
}

impl<'a> NewPart<'a> {
    pub(super) fn put(record: &'a Record) -> Self {
        let body_len = record_codec::encoded_len(record);
        Self { name: record.name, time: record.saved_at, body: Body::Record(record), body_len }
    }

    /// A record's state as the record codec has it already.
    pub(super) fn put_again(name: RecordName, saved_at: Timestamp, bytes: &'a [u8]) -> Self {
        Self { name, time: saved_at, body: Body::Encoded(bytes), body_len: bytes.len() }
    }

    pub(super) fn tombstone(name: RecordName, deleted_at: Timestamp) -> Self {
        Self { name, time: deleted_at, body: Body::Tombstone, body_len: 0 }
    }

    /// How many bytes of a plaintext it takes.
    pub(super) fn len(&self) -> usize {
        PART_LEN + self.body_len
    }

    fn lay_out(&self, out: &mut Vec<u8>) {
        out.push(if matches!(self.body, Body::Tombstone) { KIND_TOMBSTONE } else { KIND_PUT });
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(&self.time.as_micros().to_be_bytes());
        // A plaintext is far below 4 GiB, or it is not laid out.
        out.extend_from_slice(&u32::try_from(self.body_len).unwrap_or(u32::MAX).to_be_bytes());
        match &self.body {
            Body::Record(record) => record_codec::encode_onto(record, out),
            Body::Encoded(bytes) => out.extend_from_slice(bytes),
            Body::Tombstone => {}
        }
    }
}

/// What a frame is to hold.
#[derive(Clone, Copy)]
pub(super) struct Plaintext<'a> {
    parts: &'a [NewPart<'a>],
    mark: u16,
}

impl<'a> Plaintext<'a> {
    /// Of a frame that is a commit.
    pub(super) fn whole(parts: &'a [NewPart<'a>]) -> Self {
        Self { parts, mark: 0 }
    }

    /// Of a frame that is a part of a commit.
    pub(super) fn part(parts: &'a [NewPart<'a>]) -> Self {
        Self { parts, mark: IS_PART }
    }

    /// Of the frame that closes a commit in parts, or a new file.
    pub(super) fn closing() -> Self {
        Self { parts: &[], mark: 0 }
    }

    /// Where in the plaintext each record's bytes will lie; `None` for a tombstone.
    pub(super) fn bodies(&self) -> impl Iterator<Item = Option<Range<usize>>> {
        let mut end = COUNT_LEN;
        self.parts.iter().map(move |part| {
            let start = end + PART_LEN;
            end = start + part.body_len;
            (!matches!(part.body, Body::Tombstone)).then_some(start..end)
        })
    }

    fn len(&self) -> usize {
        COUNT_LEN + self.parts.iter().map(NewPart::len).sum::<usize>()
    }

    /// How long the frame will be.
    pub(super) fn frame_len(&self) -> usize {
        HEAD_LEN + self.len() + TAG_LEN
    }
}

/// Nonces for this many frames, of one draw.
///
/// # Security
/// To be used at once: of two processes, each after a fork, both would use what was kept.
///
/// # Errors
/// `Unavailable` where the system has no randomness to give.
pub(super) fn nonces(count: usize) -> Result<Vec<[u8; NONCE_LEN]>> {
    let mut nonces = vec![[0; NONCE_LEN]; count];
    fill_random(nonces.as_flattened_mut())?;
    Ok(nonces)
}

/// What a frame is sealed with, and what it names.
pub(super) struct Seal<'a> {
    pub(super) key: &'a DataKey,
    pub(super) vault_id: &'a [u8; 16],
    pub(super) number: u64,
    pub(super) tag_before: [u8; TAG_LEN],
    pub(super) nonce: [u8; NONCE_LEN],
}

impl Seal<'_> {
    /// Puts the frame behind what is in `out`, and answers its tag.
    ///
    /// # Errors
    /// `InvalidInput` beyond what one frame takes; then nothing was put there.
    pub(super) fn append(&self, plaintext: &Plaintext<'_>, out: &mut Vec<u8>) -> Result<[u8; TAG_LEN]> {
        let (parts, len) = (plaintext.parts, plaintext.len());
        let count = u16::try_from(parts.len()).ok().filter(|count| *count < IS_PART).ok_or_else(frame::too_long)?;
        if len > MAX_PLAINTEXT {
            return Err(frame::too_long());
        }
        let Self { number, tag_before, nonce, .. } = *self;
        let head = FrameHead { sealed_len: len + TAG_LEN, number, tag_before, nonce }.encode()?;
        // Before there is plaintext in it: a vector that grows leaves its old memory behind unwiped.
        out.reserve(plaintext.frame_len());
        out.extend_from_slice(&head);
        let start = out.len();
        out.extend_from_slice(&(count | plaintext.mark).to_be_bytes());
        parts.iter().for_each(|part| part.lay_out(out));
        let unsealed = out.get_mut(start..).unwrap_or_default();
        let sealed = self.key.seal_in_place(&nonce, &frame::aad(self.vault_id, number, &tag_before), unsealed);
        if sealed.is_err() {
            unsealed.zeroize();
            out.truncate(start - HEAD_LEN);
        }
        out.extend(sealed.as_ref().into_iter().flatten());
        sealed
    }
}

#[cfg(test)]
mod tests;
