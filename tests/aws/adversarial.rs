//! The whole suite on a service that does what it may do to a client: reads of before, at random and back and forth, empty
//! pages, answers that are lost, and calls that are lost.
//!
//! One promise is weaker here. [`Backend`]'s contract says that a read that begins after a commit was answered sees that
//! commit, through whichever handle. The service promises no such thing (API reference, ListSecrets: "All Secrets Manager
//! operations are eventually consistent"), so over AWS it holds for the handle that wrote, and for others once the service
//! shows them the write. The promises of two handles, which all hand a write from one to the other, are therefore tried with
//! handles that let the service's lag pass between a write's answer and what begins after it. What two processes do meanwhile
//! is as stale as ever, and takes no longer: who has announced a record and takes ten seconds to make it may lose it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrets_manager_simulator::clock::Timestamp;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use secrets_manager_simulator::switches::{Staleness, Switches};
use tokenvault::backend::{Backend, Candidates, Commit};
use tokenvault::conformance::Fresh;
use tokenvault::conformance::handles::Handles;
use tokenvault::error::Result;
use tokenvault::identity::RecordName;
use tokenvault::lookup::LookupKey;
use tokenvault::operation::{Answer, Context};
use tokenvault::record::Record;
use tokenvault::store::TokenStore;

use crate::simulated::World;

/// What the service does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weather {
    /// Stale reads and empty pages.
    Stale,
    /// One call in 25 is lost, and of one in 25 the answer: a race makes tens of thousands of calls, and none of them should be
    /// lost at all of its eight attempts.
    Lossy,
    Both,
}

fn stale() -> Switches {
    Switches { staleness: Staleness::Adversarial, ..Switches::strict() }
}

/// An empty vault, which everybody can see, in this weather.
async fn world(weather: Weather) -> World {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let switches = if matches!(weather, Weather::Lossy) { Switches::default() } else { stale() };
    let world = World::new(Settings::new().seed(seed).switches(switches)).await;
    world.simulator.clock().advance(lag(&world.simulator));
    if !matches!(weather, Weather::Stale) {
        for fault in [Fault::new(Failure::ConnectionLost), Fault::new(Failure::TimedOut).after_effect()] {
            world.simulator.inject(fault.percent(4));
        }
    }
    world
}

/// Longer than any read may lag behind.
fn lag(simulator: &Simulator) -> Duration {
    simulator.switches().read_lag + Duration::from_millis(1)
}

pub(crate) async fn store(weather: Weather) -> Fresh<Arc<dyn TokenStore>> {
    let world = world(weather).await;
    Fresh::keeping(Arc::new(world.vault("one")), world)
}

pub(crate) async fn backend(weather: Weather) -> Fresh<Arc<dyn Backend>> {
    let world = world(weather).await;
    Fresh::keeping(Arc::new(world.backend("one")), world)
}

pub(crate) async fn two_handles(weather: Weather) -> Fresh<Handles> {
    let world = world(weather).await;
    let written = Arc::new(AtomicU64::default());
    let handle = |key| {
        let (backend, simulator) = (world.backend(key), world.simulator.clone());
        Arc::new(Patient { backend, simulator, written: Arc::clone(&written) }) as Arc<dyn Backend>
    };
    Fresh::keeping((handle("one"), handle("two")), world)
}

/// Lets the service's lag pass between the last write that was answered, by whichever handle, and what begins after it.
#[derive(Debug)]
struct Patient<B> {
    backend: B,
    simulator: Simulator,
    /// When that was, in milliseconds.
    written: Arc<AtomicU64>,
}

impl<B> Patient<B> {
    fn wait(&self) {
        let written = Timestamp::from_millis(self.written.load(Ordering::SeqCst));
        self.simulator.clock().advance_to(written.after(lag(&self.simulator)));
    }

    fn noting<T>(&self, outcome: Result<T>) -> Result<T> {
        if outcome.is_ok() {
            self.written.fetch_max(self.simulator.clock().now().as_millis(), Ordering::SeqCst);
        }
        outcome
    }
}

#[async_trait]
impl<B: Backend> Backend for Patient<B> {
    async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        self.wait();
        self.backend.read(context, name).await
    }

    async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        self.wait();
        self.backend.resolve(context, keys).await
    }

    async fn commit(&self, context: &Context, commit: Commit) -> Result<Answer<()>> {
        self.wait();
        self.noting(self.backend.commit(context, commit).await)
    }

    async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        self.wait();
        self.backend.list(context).await
    }

    async fn clear(&self, context: &Context) -> Result<Answer<usize>> {
        self.wait();
        self.noting(self.backend.clear(context).await)
    }
}

impl<B: fmt::Display> fmt::Display for Patient<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.backend.fmt(f)
    }
}
