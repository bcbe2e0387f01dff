//! Whether the disk and the rights on it are such that the vault can be written: each tried once, and nothing left behind.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::statvfs::statvfs;

use crate::backend::file::core::{Core, read_only};
use crate::backend::file::create;
use crate::backend::file::disk::{Disk, LockKind};
use crate::backend::file::opening::{self, io_error};
use crate::error::{Error, ErrorKind, Result};

/// As much is written to see whether the disk takes it.
const SAMPLE: usize = 4096;

/// What came of trying.
#[derive(Debug)]
#[non_exhaustive]
pub struct Examination {
    /// The lock for writing was to be had in time, and the file may be written.
    pub lock: Result<()>,
    /// A file beside the vault was made, written, synced and removed, and the folder synced: what a rewrite takes.
    pub folder: Result<()>,
    /// The bytes that a rewrite takes, and those that are free.
    pub space: Result<(u64, u64)>,
}

impl Examination {
    /// Whether there is room to write the vault anew.
    ///
    /// # Errors
    /// `StorageFull` where there is not; those of the look.
    pub fn has_room(self) -> Result<(u64, u64)> {
        let (needed, free) = self.space?;
        if needed <= free {
            return Ok((needed, free));
        }
        let what = format!("a rewrite takes {needed} bytes beside the vault, and {free} are free");
        Err(Error::new(ErrorKind::StorageFull, what)
            .with_hint("make room: rotate-key and deletions write the vault anew"))
    }
}

pub(super) fn examine(core: &Core) -> Examination {
    Examination { lock: lock(core), folder: folder(core), space: space(core) }
}

/// The lock alone: a writer who has it also cuts off a torn tail.
fn lock(core: &Core) -> Result<()> {
    let file = Arc::clone(&core.state().file);
    if !file.is_writable() {
        return Err(read_only());
    }
    let mut waited = Duration::ZERO;
    opening::wait_for_lock(&*file, LockKind::Exclusive, core.options.lock_wait, &mut waited)?;
    file.unlock().map_err(|error| io_error("give the vault's lock back", error))
}

fn folder(core: &Core) -> Result<()> {
    room(core, SAMPLE)
}

pub(super) fn room(core: &Core, bytes: usize) -> Result<()> {
    takes_a_file(&*core.disk, &core.options.path, bytes)
}

/// Whether a vault can be made under `path`, where there is none.
pub(super) fn place(disk: &dyn Disk, path: &Path) -> Result<()> {
    create::check_folder(disk, path)?;
    takes_a_file(disk, path, SAMPLE)
}

/// A file of the name that whoever makes or copies the vault clears away where it is left over.
fn takes_a_file(disk: &dyn Disk, path: &Path, bytes: usize) -> Result<()> {
    create::remove_left_over(disk, path);
    let sample = opening::beside(path, create::TEMPORARY)?;
    let written = create::create_locked(disk, &sample).and_then(|file| {
        file.write_at(&vec![0; bytes], 0)?;
        file.sync()
    });
    let removed = disk.remove(&sample);
    written.map_err(|error| io_error("make, write and sync a file beside the vault", error))?;
    removed.map_err(|error| io_error("remove a file beside the vault", error))?;
    disk.sync_folder(opening::folder(path)).map_err(|error| io_error("sync the vault's folder", error))
}

#[allow(clippy::useless_conversion, reason = "of 32 bits on other systems")]
fn space(core: &Core) -> Result<(u64, u64)> {
    let state = core.fresh_state()?;
    let needed = state.position.offset.saturating_sub(state.dead_bytes());
    let told = statvfs(opening::folder(&core.options.path))
        .map_err(|error| io_error("look at the disk's free space", error.into()))?;
    Ok((needed, u64::from(told.blocks_available()).saturating_mul(u64::from(told.fragment_size()))))
}
