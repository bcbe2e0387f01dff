//! Appending a frame, durably.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use zeroize::Zeroizing;

use crate::backend::file::core::{Core, Locked};
use crate::backend::file::frame;
use crate::backend::file::opening::io_error;
use crate::backend::file::scan::{ALLOCATION, Position};
use crate::error::{Error, ErrorKind, Result};

/// Random nonces may be drawn 2^32 times under one key (NIST SP 800-38D, section 8.3). A rewrite is due at half of it.
const MAX_SEALS: u64 = u32::MAX as u64;

/// Appends a frame and syncs it. Where that fails the frame is cut back, and nothing more is written through this
/// descriptor: after a failed sync the system may have forgotten what it could not write.
pub(super) fn append(
    core: &Core,
    locked: &Locked<'_>,
    plaintext: &mut Zeroizing<Vec<u8>>,
) -> Result<(Position, usize, [u8; 16])> {
    let (file, at, (bytes, tag)) = {
        let state = core.state();
        let at = state.position;
        if at.number >= MAX_SEALS {
            return Err(Error::new(ErrorKind::Io, "the vault's data key has sealed as much as a key may")
                .with_hint("the rewrite that was due has failed again and again: look at the log, and rotate-key"));
        }
        let sealed = frame::seal(&state.key, &state.header.vault_id, at.number, &at.tag_before, plaintext)?;
        (Arc::clone(&state.file), at, sealed)
    };
    let end = at.offset + bytes.len() as u64;
    if end > locked.file_len() {
        // Set aside ahead, so that a sync has no length to write; a file system that cannot is simply slower.
        let _ = file.allocate(end.next_multiple_of(ALLOCATION));
    }
    let written = file.write_at(&bytes, at.offset).and_then(|()| core.sync_file(&*file));
    let Err(error) = written else {
        tracing::trace!(frame = at.number, bytes = bytes.len(), "appended a frame");
        return Ok((at, bytes.len(), tag));
    };
    core.must_reload.store(true, Ordering::SeqCst);
    let cut = file.set_len(at.offset).and_then(|()| core.sync_file(&*file));
    let mut failure = io_error("write the vault", error);
    if cut.is_err() {
        failure = Error::new(ErrorKind::Io, format!("{}; it may or may not have taken effect", failure.message()))
            .with_hint("check the disk, then look whether the change is there");
    }
    Err(failure)
}
