//! Each layer by itself around a vault, over a backend that is there.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "audit")]
use tempfile::TempDir;
#[cfg(feature = "audit")]
use tokenvault::audit::{
    file_sink::AuditFile,
    keys::Keys,
    recorder::{Mode, Recorder, RecorderOptions},
};
use tokenvault::backend::Backend;
#[cfg(feature = "audit")]
use tokenvault::backend::audit_key::AuditKey;
use tokenvault::backend::fallback::FallbackBackend;
use tokenvault::backend::fallback::journal::Journal;
use tokenvault::backend::fallback::journal::player::OneProcess;
use tokenvault::backend::fallback::options::FallbackOptions;
use tokenvault::backend::leases::{Granter, SharedRecords};
use tokenvault::clock::SystemClock;
#[cfg(feature = "audit")]
use tokenvault::conformance::Fresh;
#[cfg(feature = "audit")]
use tokenvault::layer::audit::Audited;
use tokenvault::layer::cache::Cache;
use tokenvault::layer::cache::options::CacheOptions;
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::layer::journal::Journaled;
#[cfg(feature = "audit")]
use tokenvault::layer::measure::Measured;
use tokenvault::layer::unsaved::Unsaved;
#[cfg(feature = "audit")]
use tokenvault::metrics::Metrics;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

fn vault(backend: Arc<dyn Backend>) -> Arc<dyn TokenStore> {
    Arc::new(Vault::new(backend))
}

pub(crate) fn cached(backend: Arc<dyn Backend>) -> Arc<dyn TokenStore> {
    Arc::new(Cache::new(vault(backend), CacheOptions::default()))
}

/// Readers coordinated. But for who fetches the first access token: the suite reads tokens without one again and again.
pub(crate) fn coordinated(backend: Arc<dyn Backend>, age: Option<Arc<dyn SharedRecords>>) -> Arc<dyn TokenStore> {
    let granter = Granter::new(Arc::clone(&backend), age, Arc::new(SystemClock));
    let options = CoordinateOptions { covers_first: false, ..CoordinateOptions::default() };
    Arc::new(Coordinated::new(vault(backend), granter, "the suite", options))
}

/// However late the store answers on a busy machine, it is in reach: the suite is about one that is.
pub(crate) async fn with_copy(primary: Arc<dyn Backend>, copy: Arc<dyn Backend>) -> Arc<FallbackBackend> {
    let mut options = FallbackOptions::default();
    options.first_wait = Duration::from_secs(600);
    Arc::new(FallbackBackend::new(primary, copy, "the suite's", options).await.unwrap())
}

/// A store with a copy, as its callers have it.
pub(crate) async fn unsaved(primary: Arc<dyn Backend>, copy: Arc<dyn Backend>) -> Arc<dyn TokenStore> {
    let fallback = with_copy(primary, copy).await;
    Arc::new(Unsaved::new(Arc::new(Vault::new(Arc::clone(&fallback) as _)), fallback))
}

/// With a journal in `kept`, into which nothing goes while the store is there.
pub(crate) async fn journaled(
    primary: Arc<dyn Backend>,
    copy: Arc<dyn Backend>,
    kept: Arc<dyn Backend>,
) -> Arc<dyn TokenStore> {
    let fallback = with_copy(primary, copy).await;
    let journal = Arc::new(Journal::open(kept, "the suite's").await.unwrap());
    let vault = Arc::new(Vault::new(Arc::clone(&fallback) as _));
    Arc::new(Journaled::new(vault, fallback, journal, OneProcess::default()))
}

/// Every call leaves a line in a file. `keeper` is dropped with the store.
#[cfg(feature = "audit")]
pub(crate) fn audited(backend: Arc<dyn Backend>, mode: Mode, keeper: impl std::any::Any) -> Fresh<Arc<dyn TokenStore>> {
    let folder = TempDir::new().unwrap();
    let mut options = RecorderOptions::default();
    options.mode = mode;
    let keys = Keys::derive(&AuditKey::random().unwrap()).unwrap();
    let sink = Arc::new(AuditFile::new(folder.path().join("audit.jsonl")));
    let store = Arc::new(Audited::new(vault(backend), Arc::new(Recorder::new(sink, keys, options))));
    Fresh::keeping(store, (folder, keeper))
}

#[cfg(feature = "audit")]
pub(crate) fn measured(backend: Arc<dyn Backend>) -> Arc<dyn TokenStore> {
    Arc::new(Measured::new(vault(backend), Arc::new(Metrics::new(|_| Ok(()), Arc::new(SystemClock)))))
}
