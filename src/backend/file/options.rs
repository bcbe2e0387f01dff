//! What it takes to open a vault file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::file::key_source::KeySource;
use crate::clock::{Clock, SystemClock};

/// Where the vault lies, what opens it, and how long to wait for others.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// The vault's file.
    pub path: PathBuf,
    /// What opens it.
    pub key: KeySource,
    /// How long an operation waits for other processes before it answers `Busy`. 10 seconds unless set.
    pub lock_wait: Duration,
    /// Tells when a deleted record's bytes are due to be removed.
    pub clock: Arc<dyn Clock>,
}

impl FileOptions {
    /// The vault at `path`, opened by `key`.
    pub fn new(path: impl Into<PathBuf>, key: KeySource) -> Self {
        Self { path: path.into(), key, lock_wait: Duration::from_secs(10), clock: Arc::new(SystemClock) }
    }

    /// The same, by the vault's own absolute path: neither a symbolic link nor a change of the working folder leads
    /// elsewhere afterwards.
    pub(super) fn resolved(mut self) -> Self {
        // Where it cannot be followed, opening it says why.
        if let Ok(path) = self.path.canonicalize() {
            self.path = path;
        }
        self
    }
}
