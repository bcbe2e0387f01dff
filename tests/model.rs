//! Long random lives of a store beside a naive model of the rules.
//!
//! `TOKENVAULT_SEED=n` lives one life again; `TOKENVAULT_SOAK=n` lives n times as many.

use std::collections::HashMap;
use std::sync::Arc;

use tokenvault::backend::Backend;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::clock::{Clock, ManualClock};
use tokenvault::error::ErrorKind;
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::vault::Vault;

#[path = "support/life.rs"]
mod life;
#[path = "support/life_import.rs"]
mod life_import;
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

use way::Handle;

const STEPS: usize = 300;

/// The number that a variable of the environment names.
#[expect(clippy::disallowed_methods, reason = "the switches of this test, not of the vault")]
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// Lives `lives` random lives on fresh handles each, and says by which seeds.
fn live(lives: u64, handles: impl Fn(Arc<dyn Clock>) -> Vec<Handle>) {
    let (first, lives) = match number("TOKENVAULT_SEED") {
        Some(seed) => (seed, 1),
        None => (fastrand::u64(..u64::MAX / 2), lives * number("TOKENVAULT_SOAK").unwrap_or(1)),
    };
    println!("{lives} lives of {STEPS} steps, seeds from {first}; replay one with TOKENVAULT_SEED");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut ended = HashMap::new();
    for seed in first..first + lives {
        let clock = Arc::new(ManualClock::new(life::birth()));
        let handles = handles(Arc::clone(&clock) as Arc<dyn Clock>);
        for (how, often) in runtime.block_on(life::run(seed, STEPS, &handles, &clock)) {
            *ended.entry(how).or_insert(0) += often;
        }
    }
    println!("saves ended so: {ended:?}");
    let rarest =
        [Ok(Outcome::Superseded), Err(ErrorKind::Ambiguous), Err(ErrorKind::Gone), Err(ErrorKind::InvalidInput)];
    for how in rarest.into_iter().filter(|_| lives > 1) {
        assert!(ended.get(&how).is_some_and(|often| *often > 0), "no save ended as {how:?}: these lives prove little");
    }
}

fn vault(backend: Arc<dyn Backend>, clock: &Arc<dyn Clock>) -> Handle {
    let vault = Arc::new(Vault::with_clock(backend, Arc::clone(clock)));
    Handle { store: Arc::clone(&vault) as Arc<dyn TokenStore>, vault }
}

#[test]
fn a_vault_in_memory_lives_as_the_model_does() {
    live(100, |clock| vec![vault(Arc::new(MemoryBackend::new()), &clock)]);
}

#[test]
fn two_vaults_on_one_memory_live_as_the_model_does() {
    live(100, |clock| {
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        vec![vault(Arc::clone(&backend), &clock), vault(backend, &clock)]
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
            (0..handles).map(open).map(|backend| vault(backend, &clock)).collect()
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
