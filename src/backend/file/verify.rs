//! Looking through a whole vault file, and copying it.

use std::path::Path;

use crate::backend::file::core::Core;
use crate::backend::file::create;
use crate::backend::file::disk::{DiskFile, LockKind, read_exact_at};
use crate::backend::file::opening::{self, io_error};
use crate::backend::file::scan::{Position, Scanner, Tail};
use crate::backend::file::state::State;
use crate::error::{Error, Result};

/// How much of a file is copied at once.
const CHUNK: usize = 1 << 20;

/// What was found in a vault file whose every frame opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// How often the file has been written anew since it was made, plus one.
    pub generation: u64,
    /// Live records.
    pub records: usize,
    /// Frames.
    pub frames: u64,
    /// Bytes up to the end of the last frame.
    pub bytes: u64,
    /// Bytes that nothing needs any more; the next rewrite leaves them out.
    pub dead_bytes: u64,
    /// Bytes behind the last frame that do not open: a write that did not come to its end (it was never
    /// acknowledged), or a last frame that somebody changed. The next writer cuts them off and keeps them beside the
    /// file.
    pub torn_bytes: u64,
}

/// Opens every frame and every record anew.
pub(super) fn verify(core: &Core) -> Result<Verification> {
    let locked = core.lock(LockKind::Shared, core.options.lock_wait)?;
    let state = core.state();
    let torn_bytes = match walk(&state, &*state.file)? {
        Tail::Clean => 0,
        Tail::Torn(bytes) => bytes,
    };
    let records = state.read_all()?.len();
    drop(locked);
    let Position { offset: bytes, number: frames, .. } = state.position;
    let generation = state.header.generation;
    Ok(Verification { generation, records, frames, bytes, dead_bytes: state.dead_bytes(), torn_bytes })
}

/// Opens every frame of `file`, which must be the vault as `state` has it.
fn walk(state: &State, file: &dyn DiskFile) -> Result<Tail> {
    state.check_header(file)?;
    let mut scanner = Scanner::new(file, &state.key, &state.header.vault_id, state.first_position())?;
    while scanner.next()?.is_some() {}
    state.check_whole(scanner.position())?;
    scanner.tail()
}

/// Copies the file's frames, as they are at one moment, to a new file.
pub(super) fn backup(core: &Core, to: &Path) -> Result<usize> {
    let locked = core.lock(LockKind::Shared, core.options.lock_wait)?;
    let state = core.state();
    create::remove_left_over(&*core.disk, to);
    let new = opening::beside(to, create::TEMPORARY)?;
    let made = copy(core, &state, &new).and_then(|_open| {
        core.disk.link_new(&new, to).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::invalid("there is something under the backup's path already")
                .with_hint("choose another path, or move it away first"),
            _ => io_error("put the backup in place", error),
        })
    });
    let _ = core.disk.remove(&new);
    made?;
    drop(locked);
    core.disk.sync_folder(opening::folder(to)).map_err(|error| io_error("sync the backup's folder", error))?;
    Ok(state.directory.len())
}

fn copy(core: &Core, state: &State, to: &Path) -> Result<Box<dyn DiskFile>> {
    let file = create::create_locked(&*core.disk, to).map_err(|error| io_error("make the backup", error))?;
    let (mut at, end) = (0, state.position.offset);
    let mut bytes = vec![0; CHUNK];
    while at < end {
        let wanted = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
        let room = bytes.get_mut(..wanted).unwrap_or_default();
        read_exact_at(&*state.file, room, at).map_err(|e| io_error("read the vault", e))?;
        file.write_at(room, at).map_err(|error| io_error("write the backup", error))?;
        at += wanted as u64;
    }
    file.sync().map_err(|error| io_error("sync the backup", error))?;
    walk(state, &*file)?;
    Ok(file)
}
