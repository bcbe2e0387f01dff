//! The place of a journal's player as a lock that the operating system holds.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::backend::fallback::journal::player::PlayerPlace;
use crate::error::{Error, ErrorKind, Result};

/// A lock on a file beside the journal. A lease within the journal would be lost by a process that is stopped for longer,
/// and its next write would come out of order; a lock is held by whoever is stopped, and by nobody who was killed.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
}

impl LockFile {
    /// The lock on the file under this path, which is made where there is none.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

/// Unlocks, also where a forked process has inherited the descriptor.
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "the lock of the journal's player could not be given back");
        }
    }
}

impl PlayerPlace for LockFile {
    fn try_take(&self) -> Result<Option<Box<dyn Send>>> {
        let failed = |cause: std::io::Error| {
            Error::new(ErrorKind::Io, "the lock of the journal's player could not be taken")
                .with_store(&self.path.display())
                .with_source(cause)
        };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
        let file = options.open(&self.path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(Locked(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(failed(cause)),
        }
    }
}
