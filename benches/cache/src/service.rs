//! The simulated Secrets Manager that both caches are over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use secrets_manager_simulator::clock::Timestamp;
use secrets_manager_simulator::gate::{Call, Failure, Gate, Passage, Phase, Verdict};
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;

/// How long a call takes: about what one takes within a Region.
const LATENCY: Duration = Duration::from_millis(20);

/// Answers after a while, or fails as it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather(Arc<Mutex<Option<Failure>>>);

impl Weather {
    pub(crate) fn set(&self, failure: Option<Failure>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

impl Gate for Weather {
    fn pass(&self, _: &Call, phase: Phase) -> Passage {
        let failure = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            if phase == Phase::After {
                return Verdict::Go;
            }
            tokio::time::sleep(LATENCY).await;
            failure.map_or(Verdict::Go, Verdict::Fail)
        })
    }
}

pub(crate) struct Service {
    pub(crate) simulator: Simulator,
    pub(crate) weather: Weather,
}

impl Service {
    pub(crate) fn start() -> Self {
        let weather = Weather::default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = Timestamp::from_millis(u64::try_from(now.as_millis()).unwrap_or_default());
        let simulator = Simulator::new(Settings::new().seed(7).start(start).gate(Arc::new(weather.clone())));
        Self { simulator, weather }
    }

    /// A client with the SDK's own retries, as the peer has it, or without, since the vault makes its own. Both wait for real.
    pub(crate) fn client(&self, retries: bool) -> Client {
        let retries = if retries { RetryConfig::standard() } else { RetryConfig::disabled() };
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIDALICE", "any", None, None, "benchmark"))
            .http_client(self.simulator.http_client())
            .retry_config(retries)
            .build();
        Client::from_conf(config)
    }

    pub(crate) fn reads(&self) -> u64 {
        self.simulator.counters().of(Operation::GetSecretValue)
    }
}
