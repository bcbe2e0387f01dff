//! The key-encryption key that a handle holds, and where it takes the next one from.

use std::fmt;
use std::sync::Arc;

use crate::backend::file::header::{Header, KeyDerivation};
use crate::backend::file::key_source::KeySource;
use crate::crypto::aead::DataKey;
use crate::crypto::keys::{KeyEncryptionKey, RootKey};
use crate::error::{Error, ErrorKind, Result};

/// The key that opened the vault last. Held, so that a rewrite needs no second Argon2id, nor a prompt.
pub(super) struct HeldKey {
    source: KeySource,
    derivation: KeyDerivation,
    key: Arc<KeyEncryptionKey>,
}

/// What a header gives to whoever has its key.
type Unlocked = (RootKey, DataKey);

impl HeldKey {
    pub(super) fn derive(source: KeySource, derivation: &KeyDerivation) -> Result<Self> {
        let key = Arc::new(source.derive(derivation)?);
        Ok(Self { source, derivation: *derivation, key })
    }

    pub(super) fn key(&self) -> Arc<KeyEncryptionKey> {
        Arc::clone(&self.key)
    }

    pub(super) fn source(&self) -> &KeySource {
        &self.source
    }

    pub(super) fn derivation(&self) -> &KeyDerivation {
        &self.derivation
    }

    /// Opens the header of a file that came in the place of the one before: with the key held, else with what the
    /// source gives now (a passphrase file may have been changed along with the vault).
    pub(super) fn unlock(&self, header: &Header) -> Result<(Arc<KeyEncryptionKey>, Unlocked)> {
        if header.derivation == self.derivation
            && let Ok(unlocked) = header.unlock(&self.key)
        {
            return Ok((self.key(), unlocked));
        }
        let key = Arc::new(self.source.derive(&header.derivation).map_err(key_changed)?);
        let unlocked = header.unlock(&key).map_err(key_changed)?;
        Ok((key, unlocked))
    }

    /// From now on the vault opens with this key, and the next one comes from this source.
    pub(super) fn replace(&mut self, source: KeySource, key: Arc<KeyEncryptionKey>, derivation: &KeyDerivation) {
        self.source = source;
        self.keep(key, derivation);
    }

    pub(super) fn keep(&mut self, key: Arc<KeyEncryptionKey>, derivation: &KeyDerivation) {
        self.key = key;
        self.derivation = *derivation;
    }
}

fn key_changed(cause: Error) -> Error {
    if cause.kind() != ErrorKind::WrongKey {
        return cause;
    }
    Error::new(ErrorKind::WrongKey, "the vault's key was changed while this program had it open")
        .with_hint("give this program the new passphrase or key, and start it anew")
}

impl fmt::Debug for HeldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldKey").finish_non_exhaustive()
    }
}
