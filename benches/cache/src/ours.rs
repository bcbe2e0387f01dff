//! The vault, with the layers that are measured.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokenvault::audit::file_sink::AuditFile;
use tokenvault::audit::keys::Keys;
use tokenvault::audit::recorder::{Recorder, RecorderOptions};
use tokenvault::backend::audit_key::AuditKey;
use tokenvault::backend::leases::Granter;
use tokenvault::backend::secrets_manager::naming::Prefix;
use tokenvault::backend::secrets_manager::{SecretsManagerBackend, SecretsManagerOptions};
use tokenvault::clock::{Clock, SystemClock};
use tokenvault::error::Result;
use tokenvault::fields::Field;
use tokenvault::layer::audit::Audited;
use tokenvault::layer::cache::Cache;
use tokenvault::layer::cache::options::CacheOptions;
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::service::Service;

/// One token in a vault of its own.
pub(crate) struct Ours {
    backend: Arc<SecretsManagerBackend>,
    vault: Arc<dyn TokenStore>,
    pub(crate) id: String,
    /// As Secrets Manager has it: the peer is given as much.
    pub(crate) secret: String,
}

impl Ours {
    pub(crate) async fn new(service: &Service) -> Result<Self> {
        let options = SecretsManagerOptions::new(Prefix::parse("bench")?);
        let backend = Arc::new(SecretsManagerBackend::new(service.client(false), options));
        backend.create(&Context::new()).await?;
        let vault = Arc::new(Vault::new(Arc::clone(&backend) as _));
        let end = SystemClock.now().after(Duration::from_secs(3600)).as_millis().to_string();
        let mut token = OAuthToken::new()
            .with(Field::UserName, "ada@example.com")
            .with(Field::ClientId, "1000.ABCDEFGHIJKLMNOPQRSTUVWXYZ1234")
            .with(Field::ClientSecret, &"c".repeat(42))
            .with(Field::RefreshToken, &format!("1000.{}", "r".repeat(65)))
            .with(Field::AccessToken, &format!("1000.{}", "a".repeat(65)))
            .with(Field::ExpiresIn, &end);
        vault.save_token(&Context::new(), &mut token).await?;
        let id = token.id().unwrap_or_default().to_owned();
        let secret = service.simulator.names().into_iter().find(|name| name.contains("/token/")).unwrap_or_default();
        Ok(Self { backend, vault, id, secret })
    }

    pub(crate) fn cache(&self, time_to_live: Duration) -> Arc<dyn TokenStore> {
        let mut options = CacheOptions::default();
        options.time_to_live = time_to_live;
        Arc::new(Cache::new(Arc::clone(&self.vault), options))
    }

    /// With one refresh per expiry around it.
    pub(crate) fn coordinated(&self, inner: Arc<dyn TokenStore>) -> Arc<dyn TokenStore> {
        let backend = Arc::clone(&self.backend);
        let granter = Granter::new(backend.clone() as _, Some(backend as _), Arc::new(SystemClock));
        Arc::new(Coordinated::new(inner, granter, "benchmark", CoordinateOptions::default()))
    }

    /// With a required line in this file for each call.
    pub(crate) fn audited(&self, inner: Arc<dyn TokenStore>, file: &Path) -> Result<Arc<dyn TokenStore>> {
        let keys = Keys::derive(&AuditKey::new(&[7; 32]))?;
        let mut options = RecorderOptions::default();
        options.principal = Some("benchmark".into());
        let recorder = Recorder::new(Arc::new(AuditFile::new(file)), keys, options);
        Ok(Arc::new(Audited::new(inner, Arc::new(recorder))))
    }
}
