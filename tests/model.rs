//! Long random lives of a store beside a naive model of the rules.
//!
//! `TOKENVAULT_SEED=n` lives one life again; `TOKENVAULT_SOAK=n` lives n times as many.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;

use tokenvault::backend::Backend;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::clock::ManualClock;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

#[path = "support/life.rs"]
mod life;
#[path = "support/life_import.rs"]
mod life_import;
#[path = "support/lives.rs"]
mod lives;
#[path = "support/model.rs"]
mod model;
#[path = "support/model_import.rs"]
mod model_import;
#[path = "support/pair.rs"]
mod pair;
#[path = "support/way.rs"]
mod way;
#[path = "support/witness.rs"]
mod witness;
#[path = "support/words.rs"]
mod words;

use lives::live;
use way::Handle;

fn vault(backend: Arc<dyn Backend>, clock: &Arc<ManualClock>) -> Handle {
    let vault = Arc::new(Vault::with_clock(backend, Arc::clone(clock) as _));
    Handle { store: Arc::clone(&vault) as Arc<dyn TokenStore>, vault }
}

#[test]
fn a_vault_in_memory_lives_as_the_model_does() {
    live(100, |clock| vec![vault(Arc::new(MemoryBackend::new()), clock)]);
}

#[test]
fn two_vaults_on_one_memory_live_as_the_model_does() {
    live(100, |clock| {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        vec![vault(Arc::clone(&backend), clock), vault(backend, clock)]
    });
}

#[cfg(feature = "file")]
mod file {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use tempfile::TempDir;
    use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
    use tokenvault::crypto::kdf::KdfCost;

    use super::{Arc, live, vault};

    fn options(folder: &Path) -> FileOptions {
        FileOptions::new(folder.join("vault.tv"), KeySource::KeyFile(folder.join("key")))
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fn folder() -> TempDir {
        let folder = TempDir::new().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, [7; 32]).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        folder
    }

    /// Lives on so many handles of one file.
    fn live_on_a_file(lives: u64, handles: usize) {
        // One folder for all lives, one file for each: a life outlives the closure that makes its handles.
        let folder = folder();
        live(lives, |clock| {
            let _ = std::fs::remove_file(folder.path().join("vault.tv"));
            drop(FileBackend::create(options(folder.path()), KdfCost::default()).unwrap());
            let open = |_| Arc::new(FileBackend::open(options(folder.path())).unwrap());
            (0..handles).map(open).map(|backend| vault(backend, clock)).collect()
        });
    }

    #[test]
    fn a_vault_in_a_file_lives_as_the_model_does() {
        live_on_a_file(10, 1);
    }

    #[test]
    fn two_vaults_on_one_file_live_as_the_model_does() {
        live_on_a_file(10, 2);
    }
}
