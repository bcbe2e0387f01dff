//! Machines before one simulated AWS, each with a copy, and perhaps a journal, in files of its own.
#![allow(clippy::disallowed_methods, reason = "a test's own files")]

use std::fmt;
use std::future::poll_fn;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use tempfile::TempDir;
use tokenvault::backend::Backend;
use tokenvault::backend::fallback::FallbackBackend;
use tokenvault::backend::fallback::journal::Journal;
use tokenvault::backend::fallback::journal::lock_file::LockFile;
use tokenvault::backend::fallback::options::FallbackOptions;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::backend::leases::Granter;
use tokenvault::crypto::kdf::KdfCost;
use tokenvault::error::Result;
use tokenvault::layer::journal::Journaled;
use tokenvault::layer::unsaved::Unsaved;
use tokenvault::operation::{Context, Source};
use tokenvault::pause::{Pause, Paused};
use tokenvault::store::TokenStore;

use crate::crash::{Contents, contents, listed, vault_with_past};
use crate::cut::Cut;
use crate::simulated::{Time, World};

/// Longer than a failure is remembered for.
const WHILE: Duration = Duration::from_secs(11);

/// What there is for what cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    Unsaved,
    Journaled,
}

/// Whoever waits gives up once the service's clock says so, which only those move who wait for the service. So what is given up is
/// dropped between the same two calls in each run.
#[derive(Debug)]
struct Patience(Simulator);

impl Pause for Patience {
    fn pause(&self, duration: Duration) -> Paused<'_> {
        let clock = self.0.clock();
        let end = clock.now().after(duration);
        Box::pin(poll_fn(move |context| {
            if clock.now() >= end {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }))
    }
}

/// A vault with a past, and the way to it of whoever has the key "victim".
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) cut: Arc<Cut>,
    layer: Layer,
    /// What there is to begin with.
    pub(super) before: Contents,
}

impl Scene {
    pub(super) async fn new(layer: Layer) -> Self {
        let cut = Arc::new(Cut::default());
        let world = World::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)).await;
        vault_with_past(&world).await;
        let before = contents(&world.vault("before")).await;
        Self { world, cut, layer, before }
    }

    pub(super) fn machine(&self, access_key: &'static str) -> Machine<'_> {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("key"), [7; 32]).unwrap();
        std::fs::set_permissions(folder.path().join("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        Machine { scene: self, folder, access_key }
    }

    pub(super) fn pass(&self, duration: Duration) {
        self.world.simulator.clock().advance(duration);
    }

    /// AWS is in reach, and that it was not is forgotten.
    pub(super) fn is_back(&self) {
        self.cut.lift();
        self.pass(WHILE);
    }

    /// What AWS has.
    pub(super) async fn stored(&self) -> Contents {
        contents(&self.world.vault("next")).await
    }
}

/// What outlives the processes of a machine.
pub(super) struct Machine<'a> {
    scene: &'a Scene,
    folder: TempDir,
    access_key: &'static str,
}

impl Machine<'_> {
    pub(super) async fn process(&self) -> Worker {
        self.process_over().await.1
    }

    /// The same, and what leases are granted on.
    pub(super) async fn process_over(&self) -> (Granter, Worker) {
        let (world, address) = (&self.scene.world, "the simulated vault");
        let mut options = FallbackOptions::default();
        options.clock = Arc::new(Time(world.simulator.clone()));
        options.pause = Arc::new(Patience(world.simulator.clone()));
        let (aws, clock) = (Arc::new(world.backend(self.access_key)), Arc::clone(&options.clock));
        let fallback = FallbackBackend::new(Arc::clone(&aws) as _, self.file("copy.tv"), address, options).await;
        let fallback = Arc::new(fallback.unwrap());
        let granter = Granter::new(Arc::clone(&fallback) as _, Some(aws), clock);
        let vault = Arc::new(world.vault_over(Arc::clone(&fallback) as _));
        let worker = match self.scene.layer {
            Layer::Unsaved => Worker::Unsaved(Unsaved::new(vault, fallback)),
            Layer::Journaled => {
                let journal = Arc::new(Journal::open(self.file("journal.tv"), address).await.unwrap());
                let place = LockFile::new(self.folder.path().join("journal.tv.player"));
                Worker::Journaled(Journaled::new(vault, fallback, journal, place))
            }
        };
        (granter, worker)
    }

    /// A process that has read everything.
    pub(super) async fn informed(&self) -> Worker {
        let worker = self.process().await;
        assert_eq!(worker.contents().await.unwrap(), (self.scene.before.clone(), Source::Store));
        worker
    }

    fn file(&self, name: &str) -> Arc<dyn Backend> {
        let (path, key) = (self.folder.path().join(name), KeySource::KeyFile(self.folder.path().join("key")));
        let (is_there, options) = (path.exists(), FileOptions::new(path, key));
        let file = if is_there { FileBackend::open(options) } else { FileBackend::create(options, KdfCost::default()) };
        Arc::new(file.unwrap())
    }
}

pub(super) enum Worker {
    Unsaved(Unsaved),
    Journaled(Journaled),
}

impl Worker {
    pub(super) fn store(&self) -> &dyn TokenStore {
        match self {
            Self::Unsaved(layer) => layer,
            Self::Journaled(layer) => layer,
        }
    }

    pub(super) async fn contents(&self) -> Result<(Contents, Source)> {
        let answer = self.store().get_tokens(&Context::new()).await?;
        Ok((listed(&answer.value), answer.source))
    }

    /// Tokens that this process keeps, and writes that the journal has.
    pub(super) async fn waiting(&self) -> (usize, u64) {
        match self {
            Self::Unsaved(layer) => (layer.unsaved(), 0),
            Self::Journaled(layer) => (layer.unsaved(), layer.journal().status().await.unwrap().entries),
        }
    }

    /// Why what did not stand of the journal did not.
    pub(super) async fn lost(&self) -> Vec<&'static str> {
        match self {
            Self::Unsaved(_) => Vec::new(),
            Self::Journaled(layer) => {
                layer.journal().lost().await.unwrap().iter().map(|lost| lost.why.name()).collect()
            }
        }
    }

    /// Reads until nothing waits any more. A play-back ends after some seconds, and the next one goes on.
    pub(super) async fn settled(&self, what: &impl fmt::Display) -> Contents {
        for _ in 0..4 {
            let (seen, source) = self.contents().await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            if self.waiting().await == (0, 0) && source == Source::Store {
                return seen;
            }
        }
        panic!("{what}: {:?} wait, with AWS in reach", self.waiting().await);
    }
}
