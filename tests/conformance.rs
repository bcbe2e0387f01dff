//! The conformance suite on every backend, and on every layer.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test's own files")]

use std::sync::Arc;

use tokenvault::backend::Backend;
use tokenvault::backend::fallback::FallbackBackend;
use tokenvault::backend::fallback::journal::Journal;
use tokenvault::backend::fallback::journal::player::OneProcess;
use tokenvault::backend::fallback::options::FallbackOptions;
use tokenvault::backend::leases::Granter;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::clock::SystemClock;
use tokenvault::conformance::handles::Handles;
use tokenvault::layer::cache::Cache;
use tokenvault::layer::cache::options::CacheOptions;
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::layer::journal::Journaled;
use tokenvault::layer::unsaved::Unsaved;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

#[cfg(feature = "audit")]
#[path = "support/stack.rs"]
mod stack;
#[path = "support/unhurried.rs"]
mod unhurried;

use unhurried::Unhurried;

async fn memory() -> Arc<dyn Backend> {
    Arc::new(MemoryBackend::new())
}

async fn memory_twice() -> Handles {
    let backend = memory().await;
    (Arc::clone(&backend), backend)
}

/// Two handles where other tasks get a turn between every read and write.
async fn unhurried_twice() -> Handles {
    let backend: Arc<dyn Backend> = Arc::new(Unhurried(MemoryBackend::new()));
    (Arc::clone(&backend), backend)
}

async fn vault_over_memory() -> Arc<dyn TokenStore> {
    Arc::new(Vault::new(memory().await))
}

/// The same rules where other tasks get a turn between every read and write.
async fn vault_over_unhurried() -> Arc<dyn TokenStore> {
    Arc::new(Vault::new(Arc::new(Unhurried(MemoryBackend::new()))))
}

fn cached(store: Arc<dyn TokenStore>) -> Arc<dyn TokenStore> {
    Arc::new(Cache::new(store, CacheOptions::default()))
}

async fn cache_over_memory() -> Arc<dyn TokenStore> {
    cached(vault_over_memory().await)
}

async fn cache_over_unhurried() -> Arc<dyn TokenStore> {
    cached(vault_over_unhurried().await)
}

/// Readers coordinated. But for who fetches the first access token: the suite reads tokens without one again and again.
fn coordinated(backend: Arc<dyn Backend>) -> Arc<dyn TokenStore> {
    let granter = Granter::new(Arc::clone(&backend), None, Arc::new(SystemClock));
    let options = CoordinateOptions { covers_first: false, ..CoordinateOptions::default() };
    Arc::new(Coordinated::new(Arc::new(Vault::new(backend)), granter, "the suite", options))
}

async fn coordinated_over_memory() -> Arc<dyn TokenStore> {
    coordinated(memory().await)
}

async fn with_copy(primary: Arc<dyn Backend>, copy: Arc<dyn Backend>) -> Arc<FallbackBackend> {
    let fallback = FallbackBackend::new(primary, copy, "the suite's", FallbackOptions::default()).await;
    Arc::new(fallback.unwrap())
}

/// Where other tasks get a turn between every read and write, of the store and of the copy.
async fn unhurried_with_copy() -> Arc<FallbackBackend> {
    with_copy(Arc::new(Unhurried(MemoryBackend::new())), Arc::new(Unhurried(MemoryBackend::new()))).await
}

async fn fallback_on_memory() -> Arc<dyn Backend> {
    with_copy(memory().await, memory().await).await
}

/// Two stores with one copy.
async fn fallback_twice() -> Handles {
    let copy: Arc<dyn Backend> = Arc::new(Unhurried(MemoryBackend::new()));
    let store: Arc<dyn Backend> = Arc::new(Unhurried(MemoryBackend::new()));
    (with_copy(Arc::clone(&store), Arc::clone(&copy)).await, with_copy(store, copy).await)
}

/// The same store as its callers have it.
async fn unsaved() -> Arc<dyn TokenStore> {
    let fallback = unhurried_with_copy().await;
    Arc::new(Unsaved::new(Arc::new(Vault::new(Arc::clone(&fallback) as _)), fallback))
}

/// With a journal, into which nothing goes while the store is there.
async fn journaled() -> Arc<dyn TokenStore> {
    let fallback = unhurried_with_copy().await;
    let kept: Arc<dyn Backend> = Arc::new(Unhurried(MemoryBackend::new()));
    let journal = Arc::new(Journal::open(kept, "the suite's").await.unwrap());
    let vault = Arc::new(Vault::new(Arc::clone(&fallback) as _));
    Arc::new(Journaled::new(vault, fallback, journal, OneProcess::default()))
}

#[cfg(feature = "audit")]
mod audited {
    use tempfile::TempDir;
    use tokenvault::audit::file_sink::AuditFile;
    use tokenvault::audit::keys::Keys;
    use tokenvault::audit::recorder::{Mode, Recorder, RecorderOptions};
    use tokenvault::backend::audit_key::AuditKey;
    use tokenvault::conformance::Fresh;
    use tokenvault::layer::audit::Audited;

    use super::{Arc, MemoryBackend, TokenStore, Unhurried, Vault, memory};

    /// The same store, where every call leaves a line in a file.
    pub(crate) fn store(inner: Arc<dyn TokenStore>, mode: Mode) -> (Arc<dyn TokenStore>, TempDir) {
        let folder = TempDir::new().unwrap();
        let mut options = RecorderOptions::default();
        options.mode = mode;
        let keys = Keys::derive(&AuditKey::random().unwrap()).unwrap();
        let sink = Arc::new(AuditFile::new(folder.path().join("audit.jsonl")));
        (Arc::new(Audited::new(inner, Arc::new(Recorder::new(sink, keys, options)))), folder)
    }

    async fn required() -> Fresh<Arc<dyn TokenStore>> {
        let (store, folder) = store(Arc::new(Vault::new(memory().await)), Mode::Required);
        Fresh::keeping(store, folder)
    }

    async fn best_effort() -> Fresh<Arc<dyn TokenStore>> {
        let (store, folder) = store(Arc::new(Vault::new(memory().await)), Mode::BestEffort);
        Fresh::keeping(store, folder)
    }

    tokenvault::conformance_tests!(required_on_memory, required);
    async fn all_layers() -> Fresh<Arc<dyn TokenStore>> {
        crate::stack::stack(memory().await, None, ()).await
    }

    async fn all_layers_unhurried() -> Fresh<Arc<dyn TokenStore>> {
        crate::stack::stack(Arc::new(Unhurried(MemoryBackend::new())), None, ()).await
    }

    tokenvault::conformance_tests!(best_effort_on_memory, best_effort);
    tokenvault::conformance_tests!(all_layers_on_memory, all_layers);
    tokenvault::conformance_tests!(all_layers_on_unhurried_memory, all_layers_unhurried);
}

tokenvault::backend_conformance_tests!(memory_backend, memory);
tokenvault::shared_conformance_tests!(memory_backend_by_two_handles, memory_twice);
tokenvault::shared_conformance_tests!(unhurried_memory_by_two_handles, unhurried_twice);
tokenvault::conformance_tests!(vault_on_memory, vault_over_memory);
tokenvault::conformance_tests!(vault_on_unhurried_memory, vault_over_unhurried);
tokenvault::conformance_tests!(cache_on_memory, cache_over_memory);
tokenvault::conformance_tests!(cache_on_unhurried_memory, cache_over_unhurried);
tokenvault::conformance_tests!(coordinated_on_memory, coordinated_over_memory);
tokenvault::backend_conformance_tests!(fallback_backend_on_memory, fallback_on_memory);
tokenvault::shared_conformance_tests!(fallback_by_two_stores_with_one_copy, fallback_twice);
tokenvault::conformance_tests!(unsaved_over_a_fallback, unsaved);
tokenvault::conformance_tests!(journaled_over_a_fallback, journaled);

#[cfg(feature = "file")]
mod file {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use tempfile::TempDir;
    use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
    use tokenvault::conformance::Fresh;
    use tokenvault::crypto::kdf::KdfCost;

    use super::{Arc, Backend, Handles, TokenStore, Vault, cached};

    fn options(folder: &Path) -> FileOptions {
        FileOptions::new(folder.join("vault.tv"), KeySource::KeyFile(folder.join("key")))
    }

    fn new_vault() -> TempDir {
        let folder = TempDir::new().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, [7; 32]).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        drop(FileBackend::create(options(folder.path()), KdfCost::default()).unwrap());
        folder
    }

    fn open(folder: &TempDir) -> Arc<dyn Backend> {
        Arc::new(FileBackend::open(options(folder.path())).unwrap())
    }

    async fn backend() -> Fresh<Arc<dyn Backend>> {
        let folder = new_vault();
        Fresh::keeping(open(&folder), folder)
    }

    /// A store in memory, with a copy in a file.
    async fn fallback() -> Fresh<Arc<dyn Backend>> {
        let folder = new_vault();
        Fresh::keeping(super::with_copy(super::memory().await, open(&folder)).await, folder)
    }

    async fn unsaved() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        let fallback = super::with_copy(super::memory().await, open(&folder)).await;
        let vault = Arc::new(Vault::new(Arc::clone(&fallback) as _));
        Fresh::keeping(Arc::new(super::Unsaved::new(vault, fallback)), folder)
    }

    async fn two_handles() -> Fresh<Handles> {
        let folder = new_vault();
        Fresh::keeping((open(&folder), open(&folder)), folder)
    }

    async fn vault() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        Fresh::keeping(Arc::new(Vault::new(open(&folder))), folder)
    }

    async fn cache() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        Fresh::keeping(cached(Arc::new(Vault::new(open(&folder)))), folder)
    }

    async fn coordinated() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        Fresh::keeping(super::coordinated(open(&folder)), folder)
    }

    #[cfg(feature = "audit")]
    async fn audited_vault() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        let vault = Arc::new(Vault::new(open(&folder)));
        let (store, trail) = super::audited::store(vault, tokenvault::audit::recorder::Mode::Required);
        Fresh::keeping(store, (folder, trail))
    }

    #[cfg(feature = "audit")]
    async fn loosely_audited_vault() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        let vault = Arc::new(Vault::new(open(&folder)));
        let (store, trail) = super::audited::store(vault, tokenvault::audit::recorder::Mode::BestEffort);
        Fresh::keeping(store, (folder, trail))
    }

    #[cfg(feature = "audit")]
    async fn all_layers() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        crate::stack::stack(open(&folder), None, folder).await
    }

    #[cfg(feature = "audit")]
    tokenvault::conformance_tests!(all_layers_on_file, all_layers);
    #[cfg(feature = "audit")]
    tokenvault::conformance_tests!(required_audit_on_file, audited_vault);
    #[cfg(feature = "audit")]
    tokenvault::conformance_tests!(best_effort_audit_on_file, loosely_audited_vault);
    tokenvault::backend_conformance_tests!(file_backend, backend);
    tokenvault::backend_conformance_tests!(fallback_backend_with_a_file, fallback);
    tokenvault::conformance_tests!(unsaved_over_a_fallback_with_a_file, unsaved);
    tokenvault::shared_conformance_tests!(file_backend_by_two_handles, two_handles);
    tokenvault::conformance_tests!(vault_on_file, vault);
    tokenvault::conformance_tests!(cache_on_file, cache);
    tokenvault::conformance_tests!(coordinated_on_file, coordinated);
}

/// A promise that is not in the macros' list would never be run.
#[test]
fn every_promise_is_listed() {
    let list = include_str!("../src/conformance/list.rs");
    let listed = |theme: &str, promise: &str| {
        let after = list.split(&format!(" {theme}:\n")).nth(1).unwrap_or_default();
        after.split(';').next().unwrap_or_default().split_whitespace().any(|word| word == promise)
    };
    let mut promises = 0;
    for entry in std::fs::read_dir("src/conformance").unwrap() {
        let path = entry.unwrap().path();
        let theme = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let Some(rest) = line.strip_prefix("pub async fn ") else { continue };
            let promise = rest.split('(').next().unwrap_or_default();
            assert!(listed(&theme, promise), "{theme}::{promise} is not in src/conformance/list.rs");
            promises += 1;
        }
    }
    assert!(promises > 100, "only {promises} promises were found");
}
