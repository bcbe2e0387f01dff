//! Vaults on a simulated Secrets Manager, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_secretsmanager::{Client, Config};
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use tokenvault::backend::Backend;
use tokenvault::backend::secrets_manager::naming::Prefix;
use tokenvault::backend::secrets_manager::{SecretsManagerBackend, SecretsManagerOptions};
use tokenvault::clock::{Clock, Timestamp};
use tokenvault::operation::Context;
use tokenvault::pause::{Pause, Paused};
use tokenvault::vault::Vault;

/// The simulator's clock, as the vault reads it and waits by it: time passes at once, and for all who wait meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Time(pub(crate) Simulator);

impl Clock for Time {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.clock().now().as_millis())
    }
}

impl Pause for Time {
    fn pause(&self, duration: Duration) -> Paused<'_> {
        let clock = self.0.clock();
        let until = clock.now().after(duration);
        Box::pin(async move {
            // Others begin their waits first: sixteen that wait a second each wait one second together.
            tokio::task::yield_now().await;
            clock.advance_to(until);
        })
    }
}

/// What every client of a simulated service has, whichever way it reaches it.
pub(crate) fn config(access_key: &str) -> Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(access_key, "secret", None, None, "tests"))
        .retry_config(RetryConfig::disabled())
}

pub(crate) fn client(simulator: &Simulator, access_key: &str) -> Client {
    Client::from_conf(config(access_key).http_client(simulator.http_client()).build())
}

fn options(clock: impl Clock + 'static, pause: impl Pause + 'static) -> SecretsManagerOptions {
    let (clock, pause) = (Arc::new(clock), Arc::new(pause));
    SecretsManagerOptions { clock, pause, ..SecretsManagerOptions::new(Prefix::parse("test/vault").unwrap()) }
}

/// A process that reads the time and waits by others than the service does.
pub(crate) fn backend_by(
    simulator: &Simulator,
    access_key: &str,
    clock: Arc<dyn Clock>,
    pause: Arc<dyn Pause>,
) -> SecretsManagerBackend {
    backend_of(client(simulator, access_key), clock, pause)
}

/// The same, of a client of its own.
pub(crate) fn backend_of(client: Client, clock: Arc<dyn Clock>, pause: Arc<dyn Pause>) -> SecretsManagerBackend {
    let options =
        SecretsManagerOptions { clock, pause, ..SecretsManagerOptions::new(Prefix::parse("test/vault").unwrap()) };
    SecretsManagerBackend::new(client, options)
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

    /// One whose vault is under a KMS key, beside another one.
    pub(crate) async fn under(settings: Settings, key: &str) -> Self {
        let world = Self { simulator: Simulator::new(settings) };
        world.simulator.keys(|keys| ["old", "new"].into_iter().for_each(|id| keys.create(id)));
        world.backend_naming("test", Some(key)).create(&Context::new()).await.unwrap();
        world
    }

    /// A process of its own.
    pub(crate) fn backend(&self, access_key: &str) -> SecretsManagerBackend {
        self.backend_naming(access_key, None)
    }

    /// A process of its own, whose store names a KMS key.
    pub(crate) fn backend_naming(&self, access_key: &str, key: Option<&str>) -> SecretsManagerBackend {
        let time = Time(self.simulator.clone());
        let options = SecretsManagerOptions { kms_key_id: key.map(str::to_owned), ..options(time.clone(), time) };
        SecretsManagerBackend::new(client(&self.simulator, access_key), options)
    }

    pub(crate) fn vault(&self, access_key: &str) -> Vault {
        self.vault_over(Arc::new(self.backend(access_key)))
    }

    pub(crate) fn vault_over(&self, backend: Arc<dyn Backend>) -> Vault {
        Vault::with_clock(backend, Arc::new(Time(self.simulator.clone())))
    }
}

impl World {
    /// The names of the secrets under a prefix that are not scheduled for deletion.
    pub(crate) async fn secrets(&self, prefix: &str) -> Vec<String> {
        let (client, mut names, mut next) = (client(&self.simulator, "operator"), Vec::new(), None);
        loop {
            let page = client.list_secrets().set_next_token(next).send().await.unwrap();
            names.extend(page.secret_list().iter().filter_map(|secret| secret.name().map(str::to_owned)));
            next = page.next_token;
            if next.is_none() {
                break;
            }
        }
        names.retain(|name| name.starts_with(prefix));
        names.sort_unstable();
        names
    }

    /// Checks that every secret that is not scheduled for deletion is under this key, and its current value, too.
    pub(crate) fn assert_under(&self, key: &str, what: &str) {
        for name in self.simulator.names() {
            let secret = self.simulator.secret(&name).unwrap();
            if secret.deleted.is_none() {
                assert_eq!(secret.key.as_deref(), Some(key), "{what}: {name}");
                assert_eq!(secret.labelled("AWSCURRENT").unwrap().keys, [key], "{what}: {name}");
            }
        }
    }

    /// How often a page of the index was written.
    pub(crate) fn index_writes(&self) -> u64 {
        let of_index = |name: &str| name.starts_with("test/vault/index");
        let counters = self.simulator.counters();
        let writes = |calls: &BTreeMap<Operation, u64>| {
            [Operation::CreateSecret, Operation::PutSecretValue]
                .iter()
                .filter_map(|write| calls.get(write))
                .sum::<u64>()
        };
        counters.secrets().filter(|(name, _)| of_index(name)).map(|(_, calls)| writes(calls)).sum()
    }

    /// The ids of the tokens whose secrets hold a record, by the service itself and without the index.
    pub(crate) async fn live(&self) -> Vec<String> {
        let client = client(&self.simulator, "operator");
        let mut live = Vec::new();
        for secret in self.secrets("test/vault/token/").await {
            let value = client.get_secret_value().secret_id(&secret).send().await.unwrap();
            if value.secret_binary().unwrap().as_ref()[5] == 1 {
                live.push(secret.rsplit('/').next().unwrap().to_owned());
            }
        }
        live
    }

    /// Checks what holds at every moment at which nobody is writing: the index leads to every token that there is.
    pub(crate) async fn assert_consistent(&self, what: &str) {
        let backend = self.backend("checker");
        let mut listed: Vec<String> =
            backend.list(&Context::new()).await.unwrap().value.iter().map(|record| record.name.to_string()).collect();
        listed.sort_unstable();
        assert_eq!(listed, self.live().await, "{what}: the index and the secrets");
        for record in backend.list(&Context::new()).await.unwrap().value {
            for key in record.lookup_keys() {
                let found = backend.resolve(&Context::new(), &[key]).await.unwrap().value;
                assert!(found.records.iter().any(|other| other.name == record.name), "{what}: a key leads nowhere");
            }
        }
    }
}
