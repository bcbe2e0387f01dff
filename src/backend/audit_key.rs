//! The key of a vault's audit trail, and who has it.

use std::fmt;

use async_trait::async_trait;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::error::Result;
use crate::identity::fill_random;
use crate::operation::Context;

/// What the audit trail's chains and its hashes of users are keyed with: one for each vault, for as long as the vault is.
pub struct AuditKey(Box<Zeroizing<[u8; Self::LEN]>>);

impl AuditKey {
    /// Bytes of the key.
    pub const LEN: usize = 32;

    /// The key with these bits. Wiping `key` is the caller's business.
    pub fn new(key: &[u8; Self::LEN]) -> Self {
        let mut own = Self(Box::default());
        own.0.copy_from_slice(key);
        own
    }

    /// A new key.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub fn random() -> Result<Self> {
        let mut key = Self(Box::default());
        fill_random(key.0.as_mut_slice())?;
        Ok(key)
    }

    /// The key's bytes.
    ///
    /// # Security
    /// Whoever has them can write lines that look genuine.
    pub fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl Clone for AuditKey {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditKey").finish_non_exhaustive()
    }
}

impl ZeroizeOnDrop for AuditKey {}

/// A backend that keeps the key of its vault's audit trail.
#[async_trait]
pub trait AuditKeySource: fmt::Debug + Send + Sync {
    /// The vault's audit key: the same for every handle and process, and after every rotation or change of passphrase.
    ///
    /// # Errors
    /// As the backend has them.
    async fn audit_key(&self, context: &Context) -> Result<AuditKey>;

    /// The same where there is one: none is made, and nothing is changed.
    ///
    /// # Errors
    /// As the backend has them.
    async fn existing_audit_key(&self, context: &Context) -> Result<Option<AuditKey>>;
}
