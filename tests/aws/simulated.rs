//! Vaults on a simulated Secrets Manager, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::{Client, Config};
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use tokenvault::backend::secrets_manager::naming::Prefix;
use tokenvault::backend::secrets_manager::pace::{Pause, Paused};
use tokenvault::backend::secrets_manager::{SecretsManagerBackend, SecretsManagerOptions};
use tokenvault::clock::{Clock, Timestamp};
use tokenvault::operation::Context;
use tokenvault::vault::Vault;

/// The simulator's clock, as the vault reads it and waits by it: time passes at once.
#[derive(Clone, Debug)]
pub(crate) struct Time(Simulator);

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.clock().now().as_millis())
    }
}

impl Pause for Time {
    fn pause(&self, duration: Duration) -> Paused<'_> {
        self.0.clock().advance(duration);
        Box::pin(tokio::task::yield_now())
    }
}

pub(crate) fn client(simulator: &Simulator, access_key: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(access_key, "secret", None, None, "tests"))
        .retry_config(RetryConfig::disabled())
        .http_client(simulator.http_client())
        .build();
    Client::from_conf(config)
}

/// A simulated service with an empty vault on it.
pub(crate) struct World {
    pub(crate) simulator: Simulator,
}

impl World {
    pub(crate) async fn new(settings: Settings) -> Self {
        let world = Self { simulator: Simulator::new(settings) };
        world.backend("test").create(&Context::new()).await.unwrap();
        world
    }

    /// A process of its own.
    pub(crate) fn backend(&self, access_key: &str) -> SecretsManagerBackend {
        let time = Time(self.simulator.clone());
        let options = SecretsManagerOptions {
            clock: Arc::new(time.clone()),
            pause: Arc::new(time),
            ..SecretsManagerOptions::new(Prefix::parse("test/vault").unwrap())
        };
        SecretsManagerBackend::new(client(&self.simulator, access_key), options)
    }

    pub(crate) fn vault(&self, access_key: &str) -> Vault {
        Vault::with_clock(Arc::new(self.backend(access_key)), Arc::new(Time(self.simulator.clone())))
    }
}
