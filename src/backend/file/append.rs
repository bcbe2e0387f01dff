//! Appending a frame, durably.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::backend::file::core::{Core, Locked};
use crate::backend::file::opening::io_error;
use crate::backend::file::scan::Position;
use crate::backend::file::sealing::{Plaintext, Seal, nonces};
use crate::backend::file::state::State;
use crate::crypto::stack::wiped_after;
use crate::error::{Error, ErrorKind, Result};

/// Random nonces may be drawn 2^32 times under one key (NIST SP 800-38D, section 8.3). A rewrite is due at half of it.
const MAX_SEALS: u64 = u32::MAX as u64;

/// Frames that are sealed, one behind the other.
struct Sealed {
    bytes: Vec<u8>,
    /// Where each lies, with its length and tag.
    frames: Vec<Appended>,
}

/// A frame in the file: where it lies, its length, its tag.
pub(super) type Appended = (Position, usize, [u8; 16]);

/// Appends a commit and syncs it: one frame, or parts and the frame that closes them.
///
/// # Errors
/// The commit is cut back, and nothing more is written through this descriptor: after a failed sync the system may have
/// forgotten what it could not write.
pub(super) fn append(core: &Core, locked: &Locked<'_>, plaintexts: &[Plaintext<'_>]) -> Result<Vec<Appended>> {
    // One wiping for all of them: beside a small frame's sealing it costs much.
    let Sealed { bytes, frames } = wiped_after(|| seal(&core.state(), plaintexts))?;
    let file = Arc::clone(&core.state().file);
    let (Some((first, ..)), Some((last, ..))) = (frames.first(), frames.last()) else { return Ok(frames) };
    let (parts, end) = bytes.split_at(usize::try_from(last.offset - first.offset).unwrap_or_default());
    let write_parts = || if parts.is_empty() { Ok(()) } else { file.write_at(parts, first.offset) };
    let sync_parts = || if parts.is_empty() { Ok(()) } else { core.sync_file(&*file) };
    let written = write_parts()
        .and_then(|()| {
            locked.set_aside(&*file, last.offset..last.offset + end.len() as u64);
            // The closing frame proves that all parts are there, so it comes after their sync.
            sync_parts()
        })
        .and_then(|()| file.write_at(end, last.offset))
        .and_then(|()| core.sync_file(&*file));
    let Err(error) = written else {
        tracing::trace!(frame = last.number, bytes = bytes.len(), "appended a commit");
        return Ok(frames);
    };
    core.must_reload.store(true, Ordering::SeqCst);
    let cut = file.set_len(first.offset).and_then(|()| core.sync_file(&*file));
    let mut failure = io_error("write the vault", error);
    if cut.is_err() {
        failure = Error::new(ErrorKind::Io, format!("{}; it may or may not have taken effect", failure.message()))
            .with_hint("check the disk, then look whether the change is there");
    }
    Err(failure)
}

fn seal(state: &State, plaintexts: &[Plaintext<'_>]) -> Result<Sealed> {
    let room = plaintexts.iter().map(Plaintext::frame_len).sum();
    let mut sealed = Sealed { bytes: Vec::with_capacity(room), frames: Vec::with_capacity(plaintexts.len()) };
    let mut at = state.position;
    for (plaintext, nonce) in plaintexts.iter().zip(nonces(plaintexts.len())?) {
        if at.number >= MAX_SEALS {
            return Err(Error::new(ErrorKind::Io, "the vault's data key has sealed as much as a key may")
                .with_hint("the rewrite that was due has failed again and again: look at the log, and rotate-key"));
        }
        let Position { number, tag_before, .. } = at;
        let seal = Seal { key: &state.key, vault_id: &state.header.vault_id, number, tag_before, nonce };
        let tag = seal.append(plaintext, &mut sealed.bytes)?;
        sealed.frames.push((at, plaintext.frame_len(), tag));
        at = at.behind(plaintext.frame_len(), tag);
    }
    Ok(sealed)
}
