//! All layers over one backend, in the order of `layer`: what a program has that leaves none out.

use std::sync::Arc;

use tempfile::TempDir;
use tokenvault::audit::file_sink::AuditFile;
use tokenvault::audit::keys::Keys;
use tokenvault::audit::recorder::{Recorder, RecorderOptions};
use tokenvault::backend::Backend;
use tokenvault::backend::audit_key::AuditKey;
use tokenvault::backend::fallback::FallbackBackend;
use tokenvault::backend::fallback::journal::Journal;
use tokenvault::backend::fallback::journal::player::OneProcess;
use tokenvault::backend::fallback::options::FallbackOptions;
use tokenvault::backend::leases::{Granter, SharedRecords};
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::clock::SystemClock;
use tokenvault::conformance::Fresh;
use tokenvault::layer::audit::Audited;
use tokenvault::layer::cache::Cache;
use tokenvault::layer::cache::options::CacheOptions;
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::layer::journal::Journaled;
use tokenvault::layer::measure::Measured;
use tokenvault::layer::unsaved::Unsaved;
use tokenvault::metrics::Metrics;
#[cfg(feature = "file")]
use tokenvault::open::opened::Opened;
#[cfg(feature = "file")]
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

/// Who keeps what it cannot save in memory. `keeper` is dropped with the store.
pub(crate) async fn stack(
    backend: Arc<dyn Backend>,
    age: Option<Arc<dyn SharedRecords>>,
    keeper: impl std::any::Any,
) -> Fresh<Arc<dyn TokenStore>> {
    around(backend, age, None, keeper).await
}

/// The same with a journal, in `kept`.
pub(crate) async fn journaled_stack(
    backend: Arc<dyn Backend>,
    age: Option<Arc<dyn SharedRecords>>,
    kept: Arc<dyn Backend>,
    keeper: impl std::any::Any,
) -> Fresh<Arc<dyn TokenStore>> {
    let journal = Journal::open(kept, "the suite's").await.unwrap();
    around(backend, age, Some(Arc::new(journal)), keeper).await
}

async fn around(
    backend: Arc<dyn Backend>,
    age: Option<Arc<dyn SharedRecords>>,
    journal: Option<Arc<Journal>>,
    keeper: impl std::any::Any,
) -> Fresh<Arc<dyn TokenStore>> {
    let copy = Arc::new(MemoryBackend::new());
    let fallback = FallbackBackend::new(backend, copy, "the suite's", FallbackOptions::default()).await;
    let fallback = Arc::new(fallback.unwrap());
    let vault = Arc::new(Vault::new(Arc::clone(&fallback) as _));
    let base: Arc<dyn TokenStore> = match journal {
        Some(journal) => Arc::new(Journaled::new(vault, Arc::clone(&fallback), journal, OneProcess::default())),
        None => Arc::new(Unsaved::new(vault, Arc::clone(&fallback))),
    };
    let cache = Cache::new(base, CacheOptions::default());
    let granter = Granter::new(fallback, age, Arc::new(SystemClock));
    // The suite reads tokens without an access token again and again.
    let options = CoordinateOptions { covers_first: false, ..CoordinateOptions::default() };
    let coordinated = Coordinated::new(Arc::new(cache), granter, "the suite", options);
    let folder = TempDir::new().unwrap();
    let sink = Arc::new(AuditFile::new(folder.path().join("audit.jsonl")));
    let keys = Keys::derive(&AuditKey::random().unwrap()).unwrap();
    let audited = Audited::new(Arc::new(coordinated), Arc::new(Recorder::new(sink, keys, RecorderOptions::default())));
    let metrics = Metrics::new(|_| Ok(()), Arc::new(SystemClock));
    Fresh::keeping(Arc::new(Measured::new(Arc::new(audited), Arc::new(metrics))), (folder, keeper))
}

/// A vault that was opened, with every layer that a program can put around it. `folder` is free to use,
/// and dropped with the store, as is `keeper`.
#[cfg(feature = "file")]
pub(crate) async fn composed(
    opened: Opened,
    folder: TempDir,
    keeper: impl std::any::Any,
) -> Fresh<Arc<dyn TokenStore>> {
    let sink = Arc::new(AuditFile::new(folder.path().join("audit.jsonl")));
    let options = CoordinateOptions { covers_first: false, ..CoordinateOptions::default() };
    let cx = Context::new();
    let opened = opened.cached(CacheOptions::default()).coordinated("the suite", options);
    let opened = opened.audited(sink, RecorderOptions::default(), &cx).await.unwrap();
    let opened = opened.measured(Arc::new(Metrics::new(|_| Ok(()), Arc::new(SystemClock))));
    Fresh::keeping(opened.shared_store(), (folder, keeper))
}
