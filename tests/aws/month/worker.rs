//! A worker: one process with all layers around its vault, and no memory in common with the others.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokenvault::audit::keys::Keys;
use tokenvault::audit::recorder::{Recorder, RecorderOptions};
use tokenvault::audit::sink::{End, OpenSink, Sink};
use tokenvault::backend::audit_key::AuditKey;
use tokenvault::backend::leases::Granter;
use tokenvault::clock::{Clock, Timestamp};
use tokenvault::error::Result;
use tokenvault::layer::audit::Audited;
use tokenvault::layer::cache::Cache;
use tokenvault::layer::cache::options::CacheOptions;
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::pause::Pause;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;
use tokio::task::AbortHandle;

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

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) store: Arc<dyn TokenStore>,
    running: Mutex<Vec<AbortHandle>>,
}

impl Worker {
    pub(super) fn start(way: &Way, time: &Arc<Together>, number: usize, lines: &Lines) -> Arc<Self> {
        let (clock, pause) = (Arc::clone(time) as Arc<dyn Clock>, Arc::clone(time) as Arc<dyn Pause>);
        let client = way.client(&format!("WORKER{number}"));
        let backend = Arc::new(backend_of(client, Arc::clone(&clock), Arc::clone(&pause)));
        let vault = Vault::with_clock(Arc::clone(&backend) as _, Arc::clone(&clock));
        let mut cache = CacheOptions::default();
        (cache.clock, cache.pause) = (Arc::clone(&clock), Arc::clone(&pause));
        let cached = Cache::new(Arc::new(vault), cache);
        let granter = Granter::new(Arc::clone(&backend) as _, Some(backend as _), Arc::clone(&clock));
        let options =
            CoordinateOptions { clock: Arc::clone(&clock), pause: Arc::clone(&pause), ..CoordinateOptions::default() };
        let coordinated = Coordinated::new(Arc::new(cached), granter, &format!("worker {number}"), options);
        let keys = Keys::derive(&AuditKey::new(&[7; 32])).unwrap();
        let mut options = RecorderOptions::default();
        options.clock = clock;
        let recorder = Recorder::new(Arc::new(lines.clone()), keys, options);
        let store = Arc::new(Audited::new(Arc::new(coordinated), Arc::new(recorder)));
        Arc::new(Self { store, running: Mutex::default() })
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

    /// Ends all that runs, wherever it is. Answers whether something was.
    pub(super) fn kill(&self) -> bool {
        let running = std::mem::take(&mut *self.running.lock().unwrap());
        let running: Vec<_> = running.into_iter().filter(|task| !task.is_finished()).collect();
        running.iter().for_each(AbortHandle::abort);
        !running.is_empty()
    }
}
