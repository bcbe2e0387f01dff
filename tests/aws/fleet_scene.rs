//! A fleet on a simulated Secrets Manager.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use tokenvault::backend::Backend;
use tokenvault::backend::leases::SharedRecords;
use tokenvault::backend::secrets_manager::SecretsManagerBackend;
use tokenvault::clock::Clock;
use tokenvault::layer::coordinate::CoordinateOptions;

use crate::fleet::{Ahead, Fleet, Process};
use crate::simulated::{World, backend_by};
use crate::together::Together;

const SECOND: Duration = Duration::from_secs(1);

/// A service, a fleet on it, and the time of both.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) fleet: Fleet,
    pub(crate) time: Arc<Together>,
}

impl Scene {
    pub(crate) async fn new(settings: Settings, left: Duration) -> Self {
        Self::on(World::new(settings).await, left).await
    }

    pub(crate) async fn on(world: World, left: Duration) -> Self {
        // Until every read shows the vault that was made just now.
        world.simulator.clock().advance(60 * SECOND);
        let time = Arc::new(Together::new(world.simulator.clone()));
        let first = backend_by(&world.simulator, "first", Arc::clone(&time) as _, Arc::clone(&time) as _);
        let fleet = Fleet::by(Arc::clone(&time) as _, Arc::new(first), left).await;
        Self { world, fleet, time }
    }

    fn backend(&self, access_key: &str, clock: Arc<dyn Clock>) -> Arc<SecretsManagerBackend> {
        Arc::new(backend_by(&self.world.simulator, access_key, clock, Arc::clone(&self.time) as _))
    }

    /// A process whose clock is so much ahead of the service's.
    pub(crate) fn process_ahead(&self, ahead: Duration, change: impl FnOnce(&mut CoordinateOptions)) -> Process {
        let clock: Arc<dyn Clock> = Arc::new(Ahead(Arc::clone(&self.time) as _, ahead));
        self.process_as("fleet", clock, change)
    }

    /// A process of this access key.
    pub(crate) fn process_as(
        &self,
        access_key: &str,
        clock: Arc<dyn Clock>,
        change: impl FnOnce(&mut CoordinateOptions),
    ) -> Process {
        let backend = self.backend(access_key, Arc::clone(&clock));
        let age: Arc<dyn SharedRecords> = Arc::clone(&backend) as _;
        let change = |options: &mut CoordinateOptions| {
            options.clock = clock;
            change(options);
        };
        self.fleet.process_by(backend as Arc<dyn Backend>, Some(age), change)
    }

    pub(crate) fn process(&self) -> Process {
        self.process_ahead(Duration::ZERO, |_| {})
    }

    pub(crate) fn puts(&self) -> u64 {
        self.world.simulator.counters().of(Operation::PutSecretValue)
    }
}
