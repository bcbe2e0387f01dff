//! The conformance suite on every backend, and on every layer.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test's own files")]

use std::sync::Arc;

use tokenvault::backend::Backend;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::conformance::handles::Handles;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

#[path = "support/one_layer.rs"]
mod one_layer;
#[cfg(feature = "audit")]
#[path = "support/stack.rs"]
mod stack;
#[path = "support/unhurried.rs"]
mod unhurried;

use one_layer::with_copy;
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

async fn cache_over_memory() -> Arc<dyn TokenStore> {
    one_layer::cached(memory().await)
}

async fn cache_over_unhurried() -> Arc<dyn TokenStore> {
    one_layer::cached(unhurried())
}

async fn coordinated_over_memory() -> Arc<dyn TokenStore> {
    one_layer::coordinated(memory().await, None)
}

/// Other tasks get a turn between every read and write.
fn unhurried() -> Arc<dyn Backend> {
    Arc::new(Unhurried(MemoryBackend::new()))
}

async fn fallback_on_memory() -> Arc<dyn Backend> {
    with_copy(memory().await, memory().await).await
}

/// Two stores with one copy.
async fn fallback_twice() -> Handles {
    let (copy, store) = (unhurried(), unhurried());
    (with_copy(Arc::clone(&store), Arc::clone(&copy)).await, with_copy(store, copy).await)
}

async fn unsaved() -> Arc<dyn TokenStore> {
    one_layer::unsaved(unhurried(), unhurried()).await
}

async fn journaled() -> Arc<dyn TokenStore> {
    one_layer::journaled(unhurried(), unhurried(), unhurried()).await
}

#[cfg(feature = "audit")]
mod audited {
    use tokenvault::audit::recorder::Mode;
    use tokenvault::conformance::Fresh;

    use super::{Arc, TokenStore, memory, one_layer, stack, unhurried};

    async fn required() -> Fresh<Arc<dyn TokenStore>> {
        one_layer::audited(memory().await, Mode::Required, ())
    }

    async fn best_effort() -> Fresh<Arc<dyn TokenStore>> {
        one_layer::audited(memory().await, Mode::BestEffort, ())
    }

    async fn measured() -> Arc<dyn TokenStore> {
        one_layer::measured(memory().await)
    }

    async fn all_layers() -> Fresh<Arc<dyn TokenStore>> {
        stack::stack(memory().await, None, ()).await
    }

    async fn all_layers_unhurried() -> Fresh<Arc<dyn TokenStore>> {
        stack::stack(unhurried(), None, ()).await
    }

    async fn all_layers_with_a_journal() -> Fresh<Arc<dyn TokenStore>> {
        stack::journaled_stack(unhurried(), None, unhurried(), ()).await
    }

    tokenvault::conformance_tests!(required_on_memory, required);
    tokenvault::conformance_tests!(best_effort_on_memory, best_effort);
    tokenvault::conformance_tests!(measured_on_memory, measured);
    tokenvault::conformance_tests!(all_layers_on_memory, all_layers);
    tokenvault::conformance_tests!(all_layers_on_unhurried_memory, all_layers_unhurried);
    tokenvault::conformance_tests!(all_layers_with_a_journal_on_unhurried_memory, all_layers_with_a_journal);
}

/// As a program has it that opens its store by name.
#[cfg(all(feature = "audit", feature = "file"))]
mod opened {
    use std::time::Duration;

    use tempfile::TempDir;
    use tokenvault::conformance::Fresh;
    use tokenvault::error::Error;
    use tokenvault::open::{StoreLocation, open};

    use super::file::{key_of, new_vault};
    use super::{Arc, TokenStore, stack};

    async fn memory() -> Fresh<Arc<dyn TokenStore>> {
        let key = || Err(Error::invalid("a vault in memory has no key"));
        let opened = open(&StoreLocation::Memory, key, Duration::ZERO).await.unwrap();
        stack::composed(opened, TempDir::new().unwrap(), ()).await
    }

    async fn file() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        let (location, wait) = (StoreLocation::File(folder.path().join("vault.tv")), Duration::from_secs(60));
        let opened = open(&location, || Ok(key_of(folder.path())), wait).await.unwrap();
        stack::composed(opened, folder, ()).await
    }

    tokenvault::conformance_tests!(in_memory, memory);
    tokenvault::conformance_tests!(in_a_file, file);
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

    use super::{Arc, Backend, Handles, TokenStore, Vault, one_layer};

    pub(crate) fn key_of(folder: &Path) -> KeySource {
        KeySource::KeyFile(folder.join("key"))
    }

    fn options(folder: &Path, name: &str) -> FileOptions {
        FileOptions::new(folder.join(name), key_of(folder))
    }

    pub(crate) fn new_vault() -> TempDir {
        let folder = TempDir::new().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, [7; 32]).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        drop(another(&folder, "vault.tv"));
        folder
    }

    fn another(folder: &TempDir, name: &str) -> Arc<dyn Backend> {
        Arc::new(FileBackend::create(options(folder.path(), name), KdfCost::default()).unwrap())
    }

    fn open(folder: &TempDir) -> Arc<dyn Backend> {
        Arc::new(FileBackend::open(options(folder.path(), "vault.tv")).unwrap())
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
        Fresh::keeping(one_layer::unsaved(open(&folder), another(&folder, "copy.tv")).await, folder)
    }

    async fn journaled() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        let (copy, kept) = (another(&folder, "copy.tv"), another(&folder, "journal.tv"));
        Fresh::keeping(one_layer::journaled(open(&folder), copy, kept).await, folder)
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
        Fresh::keeping(one_layer::cached(open(&folder)), folder)
    }

    async fn coordinated() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        Fresh::keeping(one_layer::coordinated(open(&folder), None), folder)
    }

    #[cfg(feature = "audit")]
    async fn audited_vault() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        one_layer::audited(open(&folder), tokenvault::audit::recorder::Mode::Required, folder)
    }

    #[cfg(feature = "audit")]
    async fn loosely_audited_vault() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        one_layer::audited(open(&folder), tokenvault::audit::recorder::Mode::BestEffort, folder)
    }

    #[cfg(feature = "audit")]
    async fn all_layers() -> Fresh<Arc<dyn TokenStore>> {
        let folder = new_vault();
        crate::stack::stack(open(&folder), None, folder).await
    }

    #[cfg(feature = "audit")]
    async fn all_layers_with_a_journal() -> Fresh<Arc<dyn TokenStore>> {
        let (folder, journal) = (new_vault(), new_vault());
        crate::stack::journaled_stack(open(&folder), None, open(&journal), (folder, journal)).await
    }

    #[cfg(feature = "audit")]
    tokenvault::conformance_tests!(all_layers_on_file, all_layers);
    #[cfg(feature = "audit")]
    tokenvault::conformance_tests!(all_layers_with_a_journal_on_files, all_layers_with_a_journal);
    #[cfg(feature = "audit")]
    tokenvault::conformance_tests!(required_audit_on_file, audited_vault);
    #[cfg(feature = "audit")]
    tokenvault::conformance_tests!(best_effort_audit_on_file, loosely_audited_vault);
    tokenvault::backend_conformance_tests!(file_backend, backend);
    tokenvault::backend_conformance_tests!(fallback_backend_with_a_file, fallback);
    tokenvault::conformance_tests!(unsaved_over_files, unsaved);
    tokenvault::conformance_tests!(journaled_over_files, journaled);
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
