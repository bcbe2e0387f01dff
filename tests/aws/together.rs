//! Tokio's virtual time, which the service's clock follows.

use std::time::Duration;

use secrets_manager_simulator::simulator::Simulator;
use tokenvault::clock::{Clock, Timestamp};
use tokenvault::pause::{Pause, Paused};
use tokio::time::{Instant, sleep};

/// What processes read the time and wait by, so that time passes as soon as all of them wait.
#[derive(Debug)]
pub(crate) struct Together {
    simulator: Simulator,
    began: Instant,
    start: Timestamp,
}

impl Together {
    /// From where the service's clock stands.
    pub(crate) fn new(simulator: Simulator) -> Self {
        let start = Timestamp::from_millis(simulator.clock().now().as_millis());
        Self { simulator, began: Instant::now(), start }
    }
}

impl Clock for Together {
    fn now(&self) -> Timestamp {
        let now = self.start.after(self.began.elapsed());
        let behind = now.as_millis().saturating_sub(self.simulator.clock().now().as_millis());
        self.simulator.clock().advance(Duration::from_millis(behind));
        now
    }
}

impl Pause for Together {
    fn pause(&self, duration: Duration) -> Paused<'_> {
        Box::pin(async move {
            sleep(duration).await;
            self.now();
        })
    }
}
