//! What a handle knows of its file: the keys, where each record lies, and where the file ends.

use std::sync::Arc;

use crate::backend::directory::{Directory, Entry};
use crate::backend::file::disk::{DiskFile, Identity, read_exact_at};
use crate::backend::file::frame::{self, HEAD_LEN, PART_LEN, Part, Role};
use crate::backend::file::header::Header;
use crate::backend::file::opening::io_error;
use crate::backend::file::scan::{Opened, Position, Scanner, Tail};
use crate::clock::Timestamp;
use crate::crypto::aead::{DataKey, TAG_LEN};
use crate::crypto::keys::RootKey;
use crate::error::{Error, Result};
use crate::identity::{RecordName, Version};
use crate::lookup::LookupKey;
use crate::record::Record;
use crate::record_codec;
use crate::wiped_bytes::WipedBytes;

/// What a frame takes beside its changes: head, count, tag.
pub(super) const FRAME_OVERHEAD: u64 = (HEAD_LEN + 2 + TAG_LEN) as u64;

/// Where a record lies: a frame, told by its tag, and a part of what it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    offset: u64,
    number: u64,
    tag_before: [u8; 16],
    tag: [u8; 16],
    frame_len: u32,
    body_start: u32,
    body_len: u32,
}

impl Place {
    /// The part `body` of what a frame holds.
    pub(super) fn new(at: Position, frame_len: usize, tag: [u8; 16], body: &std::ops::Range<usize>) -> Result<Self> {
        let short =
            |number: usize| u32::try_from(number).map_err(|_| Error::damaged("a frame is longer than any can be"));
        Ok(Self {
            offset: at.offset,
            number: at.number,
            tag_before: at.tag_before,
            tag,
            frame_len: short(frame_len)?,
            body_start: short(body.start)?,
            body_len: short(body.len())?,
        })
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn is(&self, at: Position, body: &std::ops::Range<usize>) -> bool {
        self.offset == at.offset && self.body_start as usize == body.start
    }

    /// What the record takes up in the file, as far as it can be told apart from its neighbours.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.body_len) + PART_LEN as u64 + FRAME_OVERHEAD
    }
}

/// What is known of one file (one inode) up to `position`.
#[derive(Debug)]
pub(super) struct State {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) identity: Identity,
    pub(super) header: Header,
    pub(super) root: RootKey,
    pub(super) key: Arc<DataKey>,
    pub(super) directory: Directory<Place>,
    /// Behind the last frame.
    pub(super) position: Position,
    pub(super) live_bytes: u64,
    /// When the longest-deleted record was deleted whose bytes are still in the file.
    pub(super) oldest_tombstone: Option<Timestamp>,
    /// A tail that was judged to be torn, and is ignored until a writer cuts it: the file's length then.
    pub(super) ignored_tail: Option<(u64, Vec<u8>)>,
    /// The frame was met that closes what the file was made with: less was never committed.
    pub(super) is_closed: bool,
    /// A frame that this process has seen in this generation, and that must still be there: its number and tag.
    must_hold: Option<(u64, [u8; 16])>,
}

impl State {
    /// A file of which only the header has been read.
    pub(super) fn new(file: Arc<dyn DiskFile>, header: Header, root: RootKey, key: DataKey) -> Result<Self> {
        let identity = file.metadata().map_err(|error| io_error("look at the vault", error))?.identity;
        let position = first_position(&header);
        Ok(Self {
            file,
            identity,
            header,
            root,
            key: Arc::new(key),
            directory: Directory::new(),
            position,
            live_bytes: 0,
            oldest_tombstone: None,
            ignored_tail: None,
            is_closed: false,
            must_hold: None,
        })
    }

    /// The state of a file that came in the place of `earlier`'s. Of the same generation, it must hold all that was seen.
    pub(super) fn that_follows(mut self, earlier: &Self) -> Self {
        let is_same = self.header.generation == earlier.header.generation;
        let last = earlier.position.number.checked_sub(1).map(|number| (number, earlier.position.tag_before));
        self.must_hold = last.or(earlier.must_hold).filter(|_| is_same);
        self
    }

    /// Whether the file still ends its known part with the last known frame. What is copied over it keeps the inode,
    /// and frames appended to that could never be opened.
    pub(super) fn is_as_known(&self) -> Result<bool> {
        let Position { offset, number, tag_before } = self.position;
        let mut tag = [0; TAG_LEN];
        let read = self.file.read_at(&mut tag, offset - TAG_LEN as u64);
        read.map_err(|error| io_error("read the vault", error))?;
        Ok(number == 0 || tag == tag_before)
    }

    /// Takes in every frame behind the known ones, and judges the tail. The file must be locked.
    pub(super) fn catch_up(&mut self) -> Result<Tail> {
        let (file, key, vault_id) = (Arc::clone(&self.file), Arc::clone(&self.key), self.header.vault_id);
        let mut scanner = Scanner::new(&*file, &key, &vault_id, self.position)?;
        let mut unclosed = Vec::new();
        while let Some(opened) = scanner.next()? {
            if self.must_hold.is_some_and(|(number, tag)| number == opened.at.number && tag != opened.tag) {
                return Err(set_back());
            }
            match opened.role {
                Role::Part => unclosed.extend(read_changes(&opened)?),
                Role::Whole => read_changes(&opened)?.into_iter().for_each(|change| self.take_in(change)),
                Role::Closing => {
                    self.is_closed = true;
                    unclosed.drain(..).for_each(|change| self.take_in(change));
                }
            }
        }
        let (reached, tail) = (scanner.position(), scanner.tail()?);
        if self.must_hold.is_some_and(|(number, _)| number >= reached.number) {
            return Err(set_back());
        }
        if !self.is_closed {
            return Err(cut_short());
        }
        // Only now: whoever asks again after an error is told the same.
        self.position = reached;
        self.must_hold = None;
        Ok(tail)
    }

    fn take_in(&mut self, change: Read) {
        match change {
            Read::Put { name, version, keys, place } => self.put(name, version, &keys, place),
            Read::Tombstone { name, at } => self.forget(name, at),
        }
    }

    /// A record now lies at `place`; `keys` are its lookup keys.
    pub(super) fn place(&mut self, record: &Record, keys: &[LookupKey], place: Place) {
        self.put(record.name, record.version, keys, place);
    }

    fn put(&mut self, name: RecordName, version: Version, keys: &[LookupKey], place: Place) {
        self.live_bytes += place.bytes();
        let old = self.directory.put(name, version, keys, place);
        self.live_bytes -= old.map_or(0, |old| old.bytes());
    }

    /// A record is deleted.
    pub(super) fn forget(&mut self, name: RecordName, at: Timestamp) {
        let old = self.directory.remove(name);
        self.live_bytes -= old.map_or(0, |old| old.bytes());
        self.oldest_tombstone = Some(self.oldest_tombstone.map_or(at, |oldest| oldest.min(at)));
    }

    /// A frame of `len` bytes has been appended.
    pub(super) fn advance(&mut self, len: usize, tag: [u8; 16]) {
        self.position = self.position.behind(len, tag);
    }

    /// Where the first frame begins.
    pub(super) fn first_position(&self) -> Position {
        first_position(&self.header)
    }

    /// `file` must begin with the header that was opened.
    pub(super) fn check_header(&self, file: &dyn DiskFile) -> Result<()> {
        let mut bytes = vec![0; self.header.len()];
        read_exact_at(file, &mut bytes, 0).map_err(|error| io_error("read the vault", error))?;
        if self.header.is(&bytes) {
            Ok(())
        } else {
            Err(Error::damaged("the vault's header was changed since it was opened")
                .with_hint("rotate-key writes a new one from what this process knows; then find out who changed it"))
        }
    }

    /// A walk over the frames under the lock must come to the end that is known: the chain of tags makes it the same
    /// frames.
    pub(super) fn check_whole(&self, reached: Position) -> Result<()> {
        if reached == self.position { Ok(()) } else { Err(not_there()) }
    }

    /// Bytes that no live record needs. (The closing frame is needed.)
    pub(super) fn dead_bytes(&self) -> u64 {
        let closing = if self.is_closed { FRAME_OVERHEAD } else { 0 };
        (self.position.offset - self.header.len() as u64).saturating_sub(self.live_bytes + closing)
    }

    /// Reads every record.
    pub(super) fn read_all(&self) -> Result<Vec<Arc<Record>>> {
        let mut entries: Vec<&Entry<Place>> = self.directory.iter().collect();
        entries.sort_unstable_by_key(|entry| (entry.place.offset(), entry.name));
        entries.into_iter().map(|entry| self.read_at(entry)).collect()
    }

    /// Reads the record of this name, if there is one.
    pub(super) fn read(&self, name: RecordName) -> Result<Option<Arc<Record>>> {
        self.directory.get(name).map(|entry| self.read_at(entry)).transpose()
    }

    /// Reads a record: one positioned read, one open.
    pub(super) fn read_at(&self, entry: &Entry<Place>) -> Result<Arc<Record>> {
        let place = entry.place;
        let mut bytes = WipedBytes::zeros(place.frame_len as usize);
        read_exact_at(&*self.file, &mut bytes, place.offset).map_err(|error| io_error("read the vault", error))?;
        if frame::tag(&bytes) != place.tag {
            return Err(not_there());
        }
        let plaintext = frame::open(&self.key, &self.header.vault_id, place.number, &place.tag_before, &mut bytes)
            .map_err(|_| not_there())?;
        let start = place.body_start as usize;
        let body = plaintext.get(start..start + place.body_len as usize).ok_or_else(not_there)?;
        Ok(Arc::new(record_codec::decode(entry.name, body)?))
    }
}

/// A change as a frame has it.
enum Read {
    Put { name: RecordName, version: Version, keys: Vec<LookupKey>, place: Place },
    Tombstone { name: RecordName, at: Timestamp },
}

fn read_changes(opened: &Opened<'_>) -> Result<Vec<Read>> {
    let read = |part: Part| {
        let Some(body) = part.body else { return Ok(Read::Tombstone { name: part.name, at: part.time }) };
        let bytes = opened.plaintext.get(body.clone()).ok_or_else(not_there)?;
        let record = record_codec::decode(part.name, bytes)?;
        let place = Place::new(opened.at, opened.len, opened.tag, &body)?;
        Ok(Read::Put { name: record.name, version: record.version, keys: record.lookup_keys(), place })
    };
    frame::parts(opened.plaintext)?.into_iter().map(read).collect()
}

fn first_position(header: &Header) -> Position {
    Position { offset: header.len() as u64, number: 0, tag_before: header.tag() }
}

pub(super) fn set_back() -> Error {
    Error::damaged("the vault holds less than this process has seen of it: it was set back to an earlier state")
        .with_hint("if you restored a backup on purpose, start this program anew; else find out who replaced the file")
}

fn cut_short() -> Error {
    Error::damaged("the vault ends before the end of what it was made with")
        .with_hint("restore the last backup; the file was cut or changed by something other than tokenvault")
}

fn not_there() -> Error {
    Error::damaged("a frame that opened before does not open any more").with_hint(
        "restore the last backup; the file was changed by something other than tokenvault, or the disk failed",
    )
}
