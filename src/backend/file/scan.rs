//! Reading frames one after the other, and judging where they end.

use zeroize::Zeroizing;

use crate::backend::file::disk::DiskFile;
use crate::backend::file::frame::{self, FrameHead, HEAD_LEN, MAX_FRAME, Role};
use crate::backend::file::opening::io_error;
use crate::crypto::aead::DataKey;
use crate::error::{Error, Result};

/// How many bytes are asked of the system at once.
const CHUNK: usize = 256 * 1024;

/// Room that is set aside behind the last frame, as zeros.
pub(super) const ALLOCATION: u64 = 64 * 1024;

/// The most bytes that a commit appends, be it one frame or many.
pub(super) const MAX_COMMIT: usize = 8 * 1024 * 1024;

/// No vault has more behind its last commit: one that did not come to its end, and room set aside.
const MAX_BEHIND: u64 = MAX_COMMIT as u64 + ALLOCATION;

/// How much is tried before a tail counts as damaged: marks can be planted so that each asks for a large frame.
const MAX_TRIED: usize = 64 << 20;

/// Where a chain of frames stands: what the next frame must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) offset: u64,
    pub(super) number: u64,
    pub(super) tag_before: [u8; 16],
}

impl Position {
    /// Behind a frame here, of this length and tag.
    pub(super) fn behind(&self, len: usize, tag: [u8; 16]) -> Self {
        Self { offset: self.offset + len as u64, number: self.number + 1, tag_before: tag }
    }
}

/// A frame that opened.
pub(super) struct Opened<'a> {
    pub(super) at: Position,
    pub(super) len: usize,
    pub(super) tag: [u8; 16],
    pub(super) role: Role,
    pub(super) plaintext: &'a [u8],
}

/// What lies behind the last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing, or room set aside.
    Clean,
    /// What a write left that did not come to its end: this many bytes.
    Torn(u64),
}

/// Walks over the frames of a file from a position on.
pub(super) struct Scanner<'a> {
    file: &'a dyn DiskFile,
    key: &'a DataKey,
    vault_id: &'a [u8; 16],
    position: Position,
    /// Where the commit began whose parts were met, but not yet its closing frame.
    unclosed: Option<Position>,
    /// The file's length at the start.
    end: u64,
    buffer: Zeroizing<Vec<u8>>,
    /// The part of the buffer that is read and not yet walked over.
    filled: std::ops::Range<usize>,
}

impl<'a> Scanner<'a> {
    /// A walk from `position` to the end of the file. The file must be locked.
    pub(super) fn new(
        file: &'a dyn DiskFile,
        key: &'a DataKey,
        vault_id: &'a [u8; 16],
        position: Position,
    ) -> Result<Self> {
        let end = file.metadata().map_err(|error| io_error("look at the vault", error))?.len;
        let rest = usize::try_from(end.saturating_sub(position.offset)).unwrap_or(usize::MAX);
        // Never grown: growing would leave opened frames behind in memory that is not wiped.
        let buffer = Zeroizing::new(vec![0; rest.min(MAX_FRAME + CHUNK)]);
        Ok(Self { file, key, vault_id, position, unclosed: None, end, buffer, filled: 0..0 })
    }

    /// Behind the last commit that is there whole.
    pub(super) fn position(&self) -> Position {
        self.unclosed.unwrap_or(self.position)
    }

    /// The next frame; `None` where none opens at this position. Then [`tail`](Self::tail) says why.
    pub(super) fn next(&mut self) -> Result<Option<Opened<'_>>> {
        self.fill(HEAD_LEN)?;
        let Some(head) = self.buffer.get(self.filled.clone()).and_then(FrameHead::parse) else {
            return Ok(None);
        };
        let len = HEAD_LEN + head.sealed_len;
        self.fill(len)?;
        let (start, at) = (self.filled.start, self.position);
        if self.filled.len() < len || head.number != at.number || head.tag_before != at.tag_before {
            return Ok(None);
        }
        let Some(bytes) = self.buffer.get_mut(start..start + len) else {
            return Ok(None);
        };
        let tag = frame::tag(bytes);
        // A frame that does not open is left garbled in the buffer; the tail is judged from the file.
        let Ok(plaintext) = frame::open(self.key, self.vault_id, at.number, &at.tag_before, bytes) else {
            return Ok(None);
        };
        let role = frame::role(plaintext);
        match (role, self.unclosed) {
            (Role::Part, None) => self.unclosed = Some(at),
            (Role::Closing, _) => self.unclosed = None,
            _ => {}
        }
        self.filled.start += len;
        self.position = at.behind(len, tag);
        Ok(Some(Opened { at, len, tag, role, plaintext }))
    }

    /// Makes `wanted` bytes available, as far as the file has them.
    fn fill(&mut self, wanted: usize) -> Result<()> {
        if self.filled.len() >= wanted {
            return Ok(());
        }
        self.buffer.copy_within(self.filled.clone(), 0);
        self.filled = 0..self.filled.len();
        while self.filled.len() < wanted {
            let offset = self.position.offset + self.filled.len() as u64;
            let end = (self.filled.end + CHUNK).min(self.buffer.len());
            let Some(room) = self.buffer.get_mut(self.filled.end..end) else {
                break;
            };
            let count = self.file.read_at(room, offset).map_err(|error| io_error("read the vault", error))?;
            self.filled.end += count;
            if count == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Judges what lies behind the last commit that is there whole.
    ///
    /// A commit is synced before the next one begins, and its parts before the frame that closes it. So what did not
    /// come to its end is the last thing in the file, no longer than one commit, and of the frames in it that open each
    /// is a part. Anything else was changed by somebody.
    ///
    /// # Errors
    /// `Damaged` where a frame lies behind the place that does not open which is not a part, or more than one commit's
    /// length does.
    pub(super) fn tail(&self) -> Result<Tail> {
        let start = self.position();
        let behind = self.end.saturating_sub(start.offset);
        if behind > MAX_BEHIND {
            return Err(damaged_at(self.position));
        }
        let mut bytes = vec![0; usize::try_from(behind).unwrap_or_default()];
        let count = self.file.read_at(&mut bytes, start.offset).map_err(|error| io_error("read the vault", error))?;
        bytes.truncate(count);
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if used > MAX_COMMIT {
            return Err(damaged_at(self.position));
        }
        if used == 0 {
            return Ok(Tail::Clean);
        }
        if self.holds_an_end(&bytes, used)? {
            return Err(damaged_at(self.position));
        }
        Ok(Tail::Torn(used as u64))
    }

    /// Whether any frame opens in `bytes` that ends a commit and begins in the `used` part, at whichever place and by its
    /// own word on where it belongs. (Its tag may end in zeros, which do not count as used.)
    fn holds_an_end(&self, bytes: &[u8], used: usize) -> Result<bool> {
        let mut tried = 0;
        for at in 0..used {
            let Some(head) = bytes.get(at..).and_then(FrameHead::parse) else {
                continue;
            };
            let Some(found) = bytes.get(at..at + HEAD_LEN + head.sealed_len) else {
                continue;
            };
            tried += found.len();
            if tried > MAX_TRIED {
                return Err(damaged_at(self.position));
            }
            let mut copy = Zeroizing::new(found.to_vec());
            let opened = frame::open(self.key, self.vault_id, head.number, &head.tag_before, &mut copy);
            if opened.is_ok_and(|plaintext| frame::role(plaintext) != Role::Part) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn damaged_at(position: Position) -> Error {
    Error::damaged(format!(
        "frame {} (at byte {}) does not open, and it is not the last",
        position.number, position.offset
    ))
    .with_hint("restore the last backup; the file was changed by something other than tokenvault, or the disk failed")
}
