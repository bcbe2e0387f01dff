//! Vaults on an emulator of AWS that listens on this machine, each under a prefix of its own.

use std::sync::Arc;

use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::{Client, Config};
use tokenvault::backend::Backend;
use tokenvault::backend::secrets_manager::naming::Prefix;
use tokenvault::backend::secrets_manager::{SecretsManagerBackend, SecretsManagerOptions};
use tokenvault::conformance::handles::Handles;
use tokenvault::identity::RecordName;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::vault::Vault;

use crate::emulator::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY};

/// A handle of its own to the vault under `prefix`.
fn handle(endpoint: &str, prefix: &str) -> SecretsManagerBackend {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "tests"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .build();
    // An emulator throttles nobody.
    let options =
        SecretsManagerOptions { first_rate: 50.0, ..SecretsManagerOptions::new(Prefix::parse(prefix).unwrap()) };
    SecretsManagerBackend::new(Client::from_conf(config), options)
}

/// The prefix of a new vault.
async fn made(endpoint: &str) -> String {
    let prefix = format!("test/{}", RecordName::random().unwrap());
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

pub(crate) async fn two_handles(endpoint: String) -> Handles {
    let prefix = made(&endpoint).await;
    (Arc::new(handle(&endpoint, &prefix)), Arc::new(handle(&endpoint, &prefix)))
}

/// So many handles of one new vault.
pub(crate) async fn handles(endpoint: String, count: usize) -> Vec<Arc<dyn TokenStore>> {
    let prefix = made(&endpoint).await;
    (0..count).map(|_| Arc::new(Vault::new(Arc::new(handle(&endpoint, &prefix)))) as _).collect()
}
