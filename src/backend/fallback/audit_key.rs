//! The key of the audit trail of a store with a copy: the store's, and kept in the copy, since without it a process that starts
//! while the store is out of reach could leave no lines, and where lines are required answer nothing.

use std::sync::Arc;

use async_trait::async_trait;

use crate::backend::Backend;
use crate::backend::audit_key::{AuditKey, AuditKeySource};
use crate::backend::fallback::FallbackBackend;
use crate::backend::fallback::kept_copy::KeptCopy;
use crate::error::{ErrorKind, Result};
use crate::operation::Context;
use crate::pause::within;

/// The key that the store has, from the copy where the store is out of reach.
#[derive(Debug)]
pub struct KeyOfBoth {
    source: Arc<dyn AuditKeySource>,
    fallback: Arc<FallbackBackend>,
}

impl KeyOfBoth {
    /// `source` has the key of the store that `fallback` is over.
    pub fn new(source: Arc<dyn AuditKeySource>, fallback: Arc<FallbackBackend>) -> Self {
        Self { source, fallback }
    }
}

#[async_trait]
impl AuditKeySource for KeyOfBoth {
    async fn audit_key(&self, context: &Context) -> Result<AuditKey> {
        let FallbackBackend { copy, options, .. } = &*self.fallback;
        let kept = copy.audit_key().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the copy cannot be read");
            None
        });
        let asked = self.source.audit_key(context);
        let outcome = match &kept {
            Some(_) => within(&*options.pause, options.first_wait, asked).await,
            None => Some(asked.await),
        };
        match (outcome.unwrap_or_else(|| Err(self.fallback.no_answer())), kept) {
            (Ok(key), kept) => {
                if kept.is_none_or(|kept| kept.expose() != key.expose())
                    && let Err(error) = copy.keep_audit_key(&key).await
                {
                    tracing::warn!(%error, "the copy did not take the key of the audit trail");
                }
                Ok(key)
            }
            (Err(error), Some(kept)) if error.kind() == ErrorKind::Unavailable => Ok(kept),
            (Err(error), _) => Err(error),
        }
    }

    async fn existing_audit_key(&self, context: &Context) -> Result<Option<AuditKey>> {
        match self.source.existing_audit_key(context).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                self.fallback.copy.audit_key().await?.map(Some).ok_or(error)
            }
            found => found,
        }
    }
}

/// The key that `copy` has of the trail of the store `of`, if it has one. Changes nothing.
///
/// # Errors
/// As `copy` has them.
pub async fn kept_in(copy: Arc<dyn Backend>, of: &str) -> Result<Option<AuditKey>> {
    KeptCopy::as_it_is(copy, Arc::from(of)).audit_key().await
}
