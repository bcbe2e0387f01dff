//! The key of the vault's audit trail: one secret, made by whoever needs it first. CreateSecret decides between two who do.

use async_trait::async_trait;

use crate::backend::audit_key::{AuditKey, AuditKeySource};
use crate::backend::secrets_manager::SecretsManagerBackend;
use crate::backend::secrets_manager::calls::{Asked, Calls, First, Found, Value, Which, Written};
use crate::backend::secrets_manager::census::{Census, Listing};
use crate::backend::secrets_manager::naming::PagePlace;
use crate::backend::secrets_manager::pace::MAX_STALE;
use crate::backend::secrets_manager::survey::Trouble;
use crate::backend::secrets_manager::value::{self, Head, Writes};
use crate::backend::secrets_manager::version::VersionId;
use crate::error::{Error, ErrorKind, Result};
use crate::operation::Context;

impl Calls {
    /// Makes a key, and the secret that holds it; `None` where there is one already.
    ///
    /// # Errors
    /// `Damaged` where there is one that is scheduled for deletion: the trail was written under that.
    pub(super) async fn make_audit_key(
        &self,
        asked: &Asked<'_>,
        secret: &str,
        kms_key_id: Option<&str>,
    ) -> Result<Option<AuditKey>> {
        let key = AuditKey::random()?;
        let writes = Writes::default().and_now(self.pace.now());
        let head = Head { sequence: 1, id: VersionId::first()?, writes };
        let bytes = value::encode_audit_key(&head, &key);
        match self.create(asked, secret, First { id: &head.id, bytes: &bytes, kms_key_id }).await? {
            Written::Done | Written::Before => Ok(Some(key)),
            Written::Refused | Written::Absent => Ok(None),
            Written::Doomed => Err(doomed(secret)),
        }
    }
}

impl SecretsManagerBackend {
    /// Whether the vault has a key for an audit trail. None is made.
    ///
    /// # Errors
    /// As a read has them.
    pub async fn has_audit_key(&self, context: &Context) -> Result<bool> {
        let (asked, secret) = (Asked::new(context), self.prefix.audit_key());
        // Not the value, where that can be had: it would be a read that no line tells of.
        match self.calls.describe(&asked, &secret).await {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            described => return Ok(described.map_err(|error| error.with_store(self))?.is_some()),
        }
        let found = self.calls.get(&asked, &secret, Which::Current).await.map_err(|error| error.with_store(self))?;
        Ok(!matches!(found, Found::Absent))
    }

    async fn read_audit_key(&self, asked: &Asked<'_>, secret: &str) -> Result<Option<AuditKey>> {
        match self.calls.get(asked, secret, Which::Current).await? {
            Found::Value(value) => read(secret, &value).map(Some),
            Found::Doomed => Err(doomed(secret)),
            Found::Absent => Ok(None),
        }
    }

    async fn find_audit_key(&self, asked: &Asked<'_>) -> Result<AuditKey> {
        let secret = self.prefix.audit_key();
        for attempt in 0..MAX_STALE {
            if let Some(key) = self.read_audit_key(asked, &secret).await? {
                return Ok(key);
            }
            // Where there is no vault there is nothing to keep a trail of.
            let root = self.index.read_listed(asked, &PagePlace::root()).await?;
            if let Some(key) = self.calls.make_audit_key(asked, &secret, root.page.kms_key_id.as_deref()).await? {
                return Ok(key);
            }
            self.calls.pace.catch_up(attempt).await;
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "AWS does not show the key of the audit trail, and says that there is one",
        )
        .with_hint("try again in a minute; a secret that was purged keeps its name taken for so long"))
    }
}

#[async_trait]
impl AuditKeySource for SecretsManagerBackend {
    async fn audit_key(&self, context: &Context) -> Result<AuditKey> {
        self.find_audit_key(&Asked::new(context)).await.map_err(|error| error.with_store(self))
    }

    async fn existing_audit_key(&self, context: &Context) -> Result<Option<AuditKey>> {
        let found = self.read_audit_key(&Asked::new(context), &self.prefix.audit_key()).await;
        found.map_err(|error| error.with_store(self))
    }
}

impl Census<'_> {
    /// What is wrong with the key of the audit trail, where there is one.
    pub(super) async fn of_audit_key(&self, asked: &Asked<'_>, listing: &Listing) -> Result<Option<Trouble>> {
        if !listing.has_audit_key {
            return Ok(None);
        }
        Ok(match self.tokens.calls.get(asked, &self.prefix.audit_key(), Which::Current).await? {
            Found::Doomed => Some(Trouble::AuditKeyDoomed),
            Found::Value(value) if value::decode_audit_key(&value.bytes).is_err() => Some(Trouble::AuditKeyUnreadable),
            Found::Value(_) | Found::Absent => None,
        })
    }
}

fn read(secret: &str, value: &Value) -> Result<AuditKey> {
    let (head, key) = value::decode_audit_key(&value.bytes)?;
    if head.id != value.id {
        tracing::warn!(secret, version = %value.id, "the key of the audit trail was written by hand");
    }
    Ok(key)
}

fn doomed(secret: &str) -> Error {
    Error::damaged("the key of the audit trail is scheduled for deletion").with_hint(format!(
        "restore it with `aws secretsmanager restore-secret --secret-id {secret}`: without it nobody can check what was \
         written"
    ))
}
