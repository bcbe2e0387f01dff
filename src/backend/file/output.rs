//! A new vault file while it is being written: frames of one record each, so that reading one opens no more than it
//! needs.

use std::collections::HashSet;
use std::sync::Arc;

use crate::backend::Change;
use crate::backend::file::disk::DiskFile;
use crate::backend::file::frame;
use crate::backend::file::header::Header;
use crate::backend::file::opening::io_error;
use crate::backend::file::scan::{Position, Scanner};
use crate::backend::file::sealing::{NewPart, Plaintext, Seal};
use crate::backend::file::state::{Place, State};
use crate::crypto::keys::KeyEncryptionKey;
use crate::error::Result;
use crate::identity::{RecordName, random_bytes};
use crate::record::Record;
use crate::record_codec;

/// How much is gathered before it is written.
const CHUNK: usize = 1 << 20;

pub(super) struct Output {
    state: State,
    pending: Vec<u8>,
    /// Where in the file `pending` begins.
    written: u64,
}

impl Output {
    /// A file of which nothing is written yet; `header` goes first, and opens with `kek`.
    pub(super) fn new(file: Arc<dyn DiskFile>, header: Vec<u8>, kek: &KeyEncryptionKey) -> Result<Self> {
        let parsed = Header::parse(&header)?;
        let (root, key) = parsed.unlock(kek)?;
        let state = State::new(file, parsed, root, key)?;
        Ok(Self { state, pending: header, written: 0 })
    }

    /// Copies every live record of `old`, in the order of the file, but for those that `changes` replace.
    pub(super) fn copy_live(&mut self, old: &State, changes: &[Change]) -> Result<()> {
        let replaced: HashSet<RecordName> = changes.iter().map(|change| change.name).collect();
        let mut scanner = Scanner::new(&*old.file, &old.key, &old.header.vault_id, old.first_position())?;
        while let Some(opened) = scanner.next()? {
            for part in frame::parts(opened.plaintext)? {
                let Some(body) = part.body else { continue };
                let is_live = old.directory.get(part.name).is_some_and(|entry| entry.place.is(opened.at, &body));
                if is_live && !replaced.contains(&part.name) {
                    let bytes = opened.plaintext.get(body).unwrap_or_default();
                    let record = record_codec::decode(part.name, bytes)?;
                    self.append(&record, NewPart::put_again(record.name, record.saved_at, bytes))?;
                }
            }
        }
        old.check_whole(scanner.position())
    }

    /// Writes a record.
    pub(super) fn write(&mut self, record: &Record) -> Result<()> {
        self.append(record, NewPart::put(record))
    }

    fn append(&mut self, record: &Record, part: NewPart<'_>) -> Result<()> {
        let parts = [part];
        let plaintext = Plaintext::whole(&parts);
        let at = self.state.position;
        let tag = self.seal(&plaintext)?;
        for body in plaintext.bodies().flatten() {
            self.state.place(record, &record.lookup_keys(), Place::new(at, plaintext.frame_len(), tag, &body)?);
        }
        if self.pending.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    /// Adds a frame; answers its tag.
    fn seal(&mut self, plaintext: &Plaintext<'_>) -> Result<[u8; 16]> {
        let Position { number, tag_before, .. } = self.state.position;
        let nonce = random_bytes()?;
        let seal = Seal { key: &self.state.key, vault_id: &self.state.header.vault_id, number, tag_before, nonce };
        let tag = seal.append(plaintext, &mut self.pending)?;
        self.state.advance(plaintext.frame_len(), tag);
        Ok(tag)
    }

    fn flush(&mut self) -> Result<()> {
        self.state.file.write_at(&self.pending, self.written).map_err(|e| io_error("write the new vault file", e))?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Closes what was written, and makes the file durable. It is not in place yet.
    pub(super) fn finish(mut self) -> Result<State> {
        self.seal(&Plaintext::closing())?;
        self.state.is_closed = true;
        self.flush()?;
        self.state.file.sync().map_err(|error| io_error("sync the new vault file", error))?;
        Ok(self.state)
    }
}
