//! Which key of the audit trail comes from which:
//!
//! ```text
//! audit key   = of the vault: from the root key of a file (src/crypto/keys.rs), random in memory
//!   chain key = HKDF(audit key, "tokenvault/1/audit-chain")     binds each line to the one before
//!   hash key  = HKDF(audit key, "tokenvault/1/audit-hash")      user and id hashes
//!
//! HKDF(key, label)    = HKDF-SHA-256(ikm = key, salt = empty, info = label) -> 32 bytes    (RFC 5869)
//! mac(before, line)   = HMAC-SHA-256(chain key, before || line)                            (RFC 2104)
//! hash(kind, text)    = first 16 bytes of HMAC-SHA-256(hash key, kind || 0x00 || text), kind "user" or "token"
//! key id              = hash("key", "")                                                   tells vaults apart
//! ```

use std::fmt;

use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::backend::audit_key::AuditKey;
use crate::error::{Error, ErrorKind, Result};

const LABEL_CHAIN: &[u8] = b"tokenvault/1/audit-chain";
const LABEL_HASH: &[u8] = b"tokenvault/1/audit-hash";

/// A line's MAC.
pub type Mac = [u8; 32];

/// The keys of one vault's audit trail.
#[derive(Clone)]
pub struct Keys {
    chain: Hmac<Sha256>,
    hash: Hmac<Sha256>,
}

/// What is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashed {
    /// The name of a user.
    User,
    /// An id that is not of the vault's making.
    Token,
}

impl Keys {
    /// The keys that come from `key`.
    ///
    /// # Errors
    /// None that can be met: the lengths are constants.
    pub fn derive(key: &AuditKey) -> Result<Self> {
        Ok(Self { chain: keyed(key, LABEL_CHAIN)?, hash: keyed(key, LABEL_HASH)? })
    }

    /// mac(before, line)
    pub(crate) fn mac(&self, before: &Mac, line: &[u8]) -> Mac {
        self.chain.clone().chain_update(before).chain_update(line).finalize().into_bytes().into()
    }

    /// Whether `mac` is [`mac`](Self::mac) of the line, in constant time.
    pub(crate) fn is_mac(&self, before: &Mac, line: &[u8], mac: &Mac) -> bool {
        self.chain.clone().chain_update(before).chain_update(line).verify_slice(mac).is_ok()
    }

    /// hash(kind, text), in hexadecimal digits.
    pub fn hash(&self, kind: Hashed, text: &str) -> String {
        self.hash_of(
            match kind {
                Hashed::User => b"user\0",
                Hashed::Token => b"token\0",
            },
            text,
        )
    }

    /// What the lines of this vault's chains are told by, where several vaults write to one sink.
    pub fn id(&self) -> String {
        self.hash_of(b"key\0", "")
    }

    fn hash_of(&self, label: &[u8], text: &str) -> String {
        let whole = self.hash.clone().chain_update(label).chain_update(text).finalize().into_bytes();
        HEXLOWER.encode(whole.first_chunk::<16>().unwrap_or(&[0; 16]))
    }
}

fn keyed(key: &AuditKey, label: &[u8]) -> Result<Hmac<Sha256>> {
    let mut derived = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, key.expose()).expand(label, derived.as_mut_slice()).map_err(impossible)?;
    Hmac::new_from_slice(derived.as_slice()).map_err(impossible)
}

fn impossible(cause: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, format!("a key of a constant length was refused: {cause}"))
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_kinds_have_nothing_in_common() {
        let keys = Keys::derive(&AuditKey::new(&[1; 32])).unwrap();
        let other = Keys::derive(&AuditKey::new(&[2; 32])).unwrap();
        assert_ne!(keys.hash(Hashed::User, "u"), keys.hash(Hashed::Token, "u"));
        assert_ne!(keys.hash(Hashed::User, "u"), other.hash(Hashed::User, "u"));
        assert_ne!(keys.mac(&[0; 32], b"x"), other.mac(&[0; 32], b"x"));
        assert_ne!(keys.mac(&[0; 32], b"x"), keys.mac(&[1; 32], b"x"));
        assert_eq!(keys.hash(Hashed::User, "u").len(), 32);
        assert!(keys.is_mac(&[0; 32], b"x", &keys.mac(&[0; 32], b"x")) && !keys.is_mac(&[0; 32], b"y", &[7; 32]));
        assert_eq!(format!("{keys:?}"), "Keys { .. }");
    }
}
