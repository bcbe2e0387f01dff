//! One refresh per expiry: who refreshes, who waits and for how long, and what becomes of a holder that does not come back.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has to stop")]
#![allow(clippy::panic, clippy::indexing_slicing, reason = "as above")]
#![allow(clippy::disallowed_methods, reason = "the files are a test's own")]

#[path = "../support/fleet.rs"]
mod fleet;
#[cfg(feature = "provider")]
mod fresh;
mod holder;
mod life;
mod slow;
mod unsaved;
mod waiting;

use std::sync::Arc;

use tokenvault::backend::Backend;
use tokenvault::backend::memory::MemoryBackend;

fn memory() -> Arc<dyn Backend> {
    Arc::new(MemoryBackend::new())
}

/// A handle of its own on the vault file in this folder, which the first one makes.
#[cfg(feature = "file")]
fn file(folder: &std::path::Path) -> Arc<dyn Backend> {
    use std::os::unix::fs::PermissionsExt;
    use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
    let (path, key) = (folder.join("vault.tv"), folder.join("key"));
    let options = FileOptions::new(&path, KeySource::KeyFile(key.clone()));
    if path.exists() {
        return Arc::new(FileBackend::open(options).unwrap());
    }
    std::fs::write(&key, [7; 32]).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    Arc::new(FileBackend::create(options, tokenvault::crypto::kdf::KdfCost::default()).unwrap())
}
