//! The conformance suite on every backend, and on every layer.

use std::sync::Arc;

use tokenvault::backend::Backend;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::conformance::shared::Handles;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

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

async fn vault_over_memory() -> Arc<dyn TokenStore> {
    Arc::new(Vault::new(memory().await))
}

/// The same rules where other tasks get a turn between every read and write.
async fn vault_over_unhurried() -> Arc<dyn TokenStore> {
    Arc::new(Vault::new(Arc::new(Unhurried(MemoryBackend::new()))))
}

tokenvault::backend_conformance_tests!(memory_backend, memory);
tokenvault::shared_conformance_tests!(memory_backend_by_two_handles, memory_twice);
tokenvault::conformance_tests!(vault_on_memory, vault_over_memory);
tokenvault::conformance_tests!(vault_on_unhurried_memory, vault_over_unhurried);

// The file backend belongs here: the same three macros, with factories that open a file in a temporary folder and hand
// the folder to `Fresh::keeping`.

/// A promise that is not in the macros' list would never be run.
#[test]
fn every_promise_is_listed() {
    let list = include_str!("../src/conformance/list.rs");
    let listed = |theme: &str, promise: &str| {
        let after = list.split(&format!(" {theme}:\n")).nth(1).unwrap_or_default();
        after.split(';').next().unwrap_or_default().split_whitespace().any(|word| word == promise)
    };
    let mut promises = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/conformance")).unwrap() {
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
