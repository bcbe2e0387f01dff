//! A worker: one process with its layers around its vault, and no memory in common with the others.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokenvault::audit::keys::Keys;
use tokenvault::audit::recorder::{Recorder, RecorderOptions};
use tokenvault::audit::sink::{End, OpenSink, Sink};
use tokenvault::backend::Backend;
use tokenvault::backend::audit_key::AuditKey;
use tokenvault::backend::fallback::FallbackBackend;
use tokenvault::backend::fallback::options::FallbackOptions;
use tokenvault::backend::leases::{Granter, SharedRecords};
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::clock::{Clock, Timestamp};
use tokenvault::error::Result;
use tokenvault::layer::audit::Audited;
use tokenvault::layer::cache::Cache;
use tokenvault::layer::cache::options::CacheOptions;
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::layer::unsaved::Unsaved;
use tokenvault::pause::Pause;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;
use tokio::task::AbortHandle;

use crate::ledger::DAY;
use crate::month::way::Way;
use crate::simulated::backend_of;
use crate::together::Together;

/// Counts the lines of calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(pub(super) Arc<AtomicUsize>);

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count of lines")
    }
}

impl OpenSink for Lines {
    fn open(&self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Sink for Lines {
    async fn write(&mut self, lines: &[u8], _: Timestamp) -> io::Result<()> {
        let lines = std::str::from_utf8(lines).unwrap().lines();
        self.0.fetch_add(lines.filter(|line| line.contains(r#""kind":"call""#)).count(), Ordering::SeqCst);
        Ok(())
    }

    async fn end(&mut self, _: Option<&str>) -> io::Result<End> {
        Ok(End::default())
    }
}

/// One worker of so many keeps what it could not save, over a copy of its own.
const KEEPS: usize = 4;

/// By what the service knows a worker, and the one that takes its place.
pub(super) fn access_key(number: usize) -> String {
    format!("WORKER{number}")
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) store: Arc<dyn TokenStore>,
    keeper: Option<Arc<Unsaved>>,
    /// Refreshed tokens that were not saved when it was killed.
    pub(super) died: Arc<AtomicUsize>,
    running: Mutex<Vec<AbortHandle>>,
}

impl Worker {
    pub(super) async fn start(way: &Way, time: &Arc<Together>, number: usize, lines: &Lines) -> Arc<Self> {
        let (clock, pause) = (Arc::clone(time) as Arc<dyn Clock>, Arc::clone(time) as Arc<dyn Pause>);
        let client = way.client(&access_key(number));
        let aws = Arc::new(backend_of(client, Arc::clone(&clock), Arc::clone(&pause)));
        let (mut backend, mut keeper) = (Arc::clone(&aws) as Arc<dyn Backend>, None);
        let vault = |backend: &Arc<dyn Backend>| Arc::new(Vault::with_clock(Arc::clone(backend), Arc::clone(&clock)));
        if number.is_multiple_of(KEEPS) {
            let fallback = Arc::new(with_copy(backend, time).await);
            backend = Arc::clone(&fallback) as _;
            keeper = Some(Arc::new(Unsaved::new(vault(&backend), fallback)));
        }
        let base: Arc<dyn TokenStore> =
            keeper.as_ref().map_or_else(|| vault(&backend) as _, |own| Arc::clone(own) as _);
        let mut cache = CacheOptions::default();
        (cache.clock, cache.pause) = (Arc::clone(&clock), Arc::clone(&pause));
        let granter = Granter::new(backend, Some(aws as Arc<dyn SharedRecords>), Arc::clone(&clock));
        let options =
            CoordinateOptions { clock: Arc::clone(&clock), pause: Arc::clone(&pause), ..CoordinateOptions::default() };
        let cached = Arc::new(Cache::new(base, cache));
        let coordinated = Coordinated::new(cached, granter, &format!("worker {number}"), options);
        let keys = Keys::derive(&AuditKey::new(&[7; 32])).unwrap();
        let mut options = RecorderOptions::default();
        options.clock = clock;
        let recorder = Recorder::new(Arc::new(lines.clone()), keys, options);
        let store = Arc::new(Audited::new(Arc::new(coordinated), Arc::new(recorder)));
        Arc::new(Self { store, keeper, died: Arc::default(), running: Mutex::default() })
    }

    /// Whether it keeps what it could not save.
    pub(super) fn keeps(&self) -> bool {
        self.keeper.is_some()
    }

    /// How many tokens it keeps that it could not save.
    pub(super) fn unsaved(&self) -> usize {
        self.keeper.as_ref().map_or(0, |keeper| keeper.unsaved())
    }

    /// Runs something that ends with the worker.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let task = tokio::spawn(work);
        let mut running = self.running.lock().unwrap();
        running.retain(|task| !task.is_finished());
        running.push(task.abort_handle());
        task
    }

    /// Ends all that runs, wherever it is.
    pub(super) fn kill(&self) {
        std::mem::take(&mut *self.running.lock().unwrap()).iter().for_each(AbortHandle::abort);
    }
}

/// A copy that is completed once and then grows too old to answer: to renew it would be more calls than all others.
async fn with_copy(store: Arc<dyn Backend>, time: &Arc<Together>) -> FallbackBackend {
    let mut options = FallbackOptions::default();
    options.sync_every = 400 * DAY;
    (options.clock, options.pause) = (Arc::clone(time) as _, Arc::clone(time) as _);
    FallbackBackend::new(store, Arc::new(MemoryBackend::new()), "the month's", options).await.unwrap()
}
