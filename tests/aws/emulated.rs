//! Vaults on an emulator of AWS that listens on this machine, each under a prefix of its own.

use std::sync::Arc;

use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::{Client, Config};
use tokenvault::backend::Backend;
use tokenvault::backend::secrets_manager::naming::Prefix;
use tokenvault::backend::secrets_manager::survey::Trouble;
use tokenvault::backend::secrets_manager::{SecretsManagerBackend, SecretsManagerOptions};
use tokenvault::conformance::handles::Handles;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

use crate::emulator::{REGION, SECRET_ACCESS_KEY};

/// A handle of its own to the vault under `prefix`, which ends in the account that it is in.
fn handle(endpoint: &str, prefix: &str) -> SecretsManagerBackend {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(account(prefix), SECRET_ACCESS_KEY, None, None, "tests"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .build();
    // An emulator throttles nobody.
    let options =
        SecretsManagerOptions { first_rate: 50.0, ..SecretsManagerOptions::new(Prefix::parse(prefix).unwrap()) };
    SecretsManagerBackend::new(Client::from_conf(config), options)
}

/// Whose vault is under `prefix`; it stands for the access key as well.
fn account(prefix: &str) -> &str {
    prefix.rsplit_once('/').unwrap().1
}

/// The prefix of a new vault, which is in an account of its own: LocalStack takes twelve digits for the account that the access
/// key is of, and looks at all secrets of an account at each call. Among those of a thousand tests it would be twice as slow.
async fn made(endpoint: &str) -> String {
    let prefix = format!("test/{:012}", fastrand::u64(..1_000_000_000_000));
    handle(endpoint, &prefix).create(&Context::new()).await.unwrap();
    prefix
}

pub(crate) async fn backend(endpoint: String) -> Arc<dyn Backend> {
    let prefix = made(&endpoint).await;
    Arc::new(handle(&endpoint, &prefix))
}

pub(crate) async fn store(endpoint: String) -> Arc<dyn TokenStore> {
    Arc::new(Vault::new(backend(endpoint).await))
}

/// The vault with all layers around it.
#[cfg(feature = "audit")]
pub(crate) async fn all_layers(endpoint: String) -> tokenvault::conformance::Fresh<Arc<dyn TokenStore>> {
    let prefix = made(&endpoint).await;
    let backend = Arc::new(handle(&endpoint, &prefix));
    crate::stack::stack(Arc::clone(&backend) as _, Some(backend), ()).await
}

/// The vault with one layer around it each.
#[cfg(feature = "audit")]
pub(crate) mod one {
    use std::sync::Arc;

    use tokenvault::audit::recorder::Mode;
    use tokenvault::backend::memory::MemoryBackend;
    use tokenvault::conformance::Fresh;
    use tokenvault::store::TokenStore;

    use super::{backend, handle, made};
    use crate::one_layer;

    pub(crate) async fn cached(endpoint: String) -> Arc<dyn TokenStore> {
        one_layer::cached(backend(endpoint).await)
    }

    pub(crate) async fn coordinated(endpoint: String) -> Arc<dyn TokenStore> {
        let prefix = made(&endpoint).await;
        let backend = Arc::new(handle(&endpoint, &prefix));
        one_layer::coordinated(Arc::clone(&backend) as _, Some(backend))
    }

    pub(crate) async fn unsaved(endpoint: String) -> Arc<dyn TokenStore> {
        one_layer::unsaved(backend(endpoint).await, Arc::new(MemoryBackend::new())).await
    }

    pub(crate) async fn journaled(endpoint: String) -> Arc<dyn TokenStore> {
        let own = || Arc::new(MemoryBackend::new());
        one_layer::journaled(backend(endpoint).await, own(), own()).await
    }

    pub(crate) async fn audited(endpoint: String) -> Fresh<Arc<dyn TokenStore>> {
        one_layer::audited(backend(endpoint).await, Mode::Required, ())
    }
}

pub(crate) async fn two_handles(endpoint: String) -> Handles {
    let prefix = made(&endpoint).await;
    (Arc::new(handle(&endpoint, &prefix)), Arc::new(handle(&endpoint, &prefix)))
}

/// A new vault, for handles of their own.
pub(crate) struct Made {
    endpoint: String,
    pub(crate) prefix: String,
}

impl Made {
    pub(crate) async fn new(endpoint: String) -> Self {
        let prefix = made(&endpoint).await;
        Self { endpoint, prefix }
    }

    pub(crate) fn access_key_id(&self) -> &str {
        account(&self.prefix)
    }

    pub(crate) fn handle(&self) -> Arc<dyn TokenStore> {
        Arc::new(Vault::new(Arc::new(handle(&self.endpoint, &self.prefix))))
    }

    pub(crate) fn handles(&self, count: usize) -> Vec<Arc<dyn TokenStore>> {
        (0..count).map(|_| self.handle()).collect()
    }

    /// Checks that the index leads to every live secret by each of its keys. Names that were announced in vain may be left in it.
    pub(crate) async fn assert_whole(&self) {
        let mut survey = handle(&self.endpoint, &self.prefix).verify(&Context::new()).await.unwrap().value;
        survey.findings.retain(|finding| finding.trouble != Trouble::Dangling);
        let listed = self.handle().get_tokens(&Context::new()).await.unwrap().value.len();
        assert_eq!((survey.tokens, survey.findings), (listed, Vec::new()));
    }
}
