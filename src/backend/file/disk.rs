//! The file layer: everything the vault's file asks of the operating system, behind a trait, so that tests can lose
//! power, fill the disk and stop between any two steps.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Which file a path or a descriptor means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// Whom a file belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metadata {
    pub(super) identity: Identity,
    pub(super) owner: Owner,
    pub(super) len: u64,
    pub(super) mode: u32,
    pub(super) is_file: bool,
}

/// A place that holds files.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Opens a file that is there, for writing where that is allowed.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Makes a file that must not be there, with mode 0600.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    fn metadata(&self, path: &Path) -> io::Result<Metadata>;
    /// Puts `from` in the place of `to`, in one step. Durable only after `sync_folder`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes `to` another name of `from`, unless there is something under that name already.
    fn link_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    fn names(&self, folder: &Path) -> io::Result<Vec<OsString>>;
    /// Whether locks and syncs mean what they say on the file system under `folder`.
    fn is_local(&self, folder: &Path) -> io::Result<bool>;
    /// For a process that was forked: closes what the parent had open, without unlocking it, and answers a disk that
    /// has nothing open.
    fn after_fork(&self) -> Arc<dyn Disk>;
}

/// An open file.
pub(super) trait DiskFile: fmt::Debug + Send + Sync {
    fn metadata(&self) -> io::Result<Metadata>;
    /// Whether it was opened for writing.
    fn is_writable(&self) -> bool;
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    fn set_owner(&self, owner: Owner) -> io::Result<()>;
    /// Fills the file with zeros in `place`, which is at its end or beyond: written ones, since a file system has to note
    /// what becomes of room that is only reserved, at the sync that waits for it.
    fn set_aside(&self, place: Range<u64>) -> io::Result<()>;
    /// Makes everything written durable, and the length.
    fn sync(&self) -> io::Result<()>;
    /// Takes the lock if nobody else has it; `false` if somebody has. A lock held is changed to this kind.
    fn try_lock(&self, kind: LockKind) -> io::Result<bool>;
    fn unlock(&self) -> io::Result<()>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockKind {
    Shared,
    Exclusive,
}

/// Reads exactly `buffer.len()` bytes, or fails.
pub(super) fn read_exact_at(file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    match file.read_at(buffer, offset)? {
        count if count == buffer.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
