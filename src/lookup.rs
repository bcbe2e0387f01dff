//! Lookup keys: hashes of the values by which a record is found.

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};

/// What a lookup key is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LookupKind {
    /// An id that a user brought.
    Id = 1,
    /// A user name, with any client.
    User = 2,
    /// The access token of a record that has no refresh token.
    AccessToken = 3,
    /// A grant token.
    GrantToken = 4,
    /// The refresh token that a record's lineage began with.
    RefreshToken = 5,
}

/// The hash of a value by which a record is found: the first 16 bytes of SHA-256(kind || value).
///
/// A hit is a hint, never an answer: what a key leads to is opened, and the rule applied to it again. So a collision
/// costs a look, and nothing else.
///
/// # Security
/// User names can be guessed and compared with a key; a store keeps keys as carefully as the tokens themselves, and
/// `Debug` does not show them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LookupKey([u8; 16]);

impl LookupKey {
    /// The key of `value` as a `kind`.
    pub fn new(kind: LookupKind, value: &str) -> Self {
        // In place: a hash that is handed on leaves the end of the value on the stack.
        let mut hash = Sha256::new();
        hash.update([kind as u8]);
        hash.update(value);
        let digest: [u8; 32] = hash.finalize_reset().into();
        let (half, _) = digest.split_at(16);
        let mut key = [0; 16];
        key.copy_from_slice(half);
        Self(key)
    }

    /// The key with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Hash for LookupKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.0));
    }
}

impl fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_do_not_meet() {
        assert_ne!(LookupKey::new(LookupKind::Id, "a"), LookupKey::new(LookupKind::User, "a"));
        assert_eq!(LookupKey::new(LookupKind::Id, "a"), LookupKey::new(LookupKind::Id, "a"));
    }
}
