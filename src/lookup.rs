//! Lookup keys: hashes of the values by which a record is found.

use std::fmt;

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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupKey").finish_non_exhaustive()
    }
}

/// What a lookup key leads to: at least one, sorted, each once. One needs no memory of its own; that is the common
/// case.
pub(crate) enum Hits<T> {
    One(T),
    Many(Vec<T>),
}

impl<T: Copy + Ord> Hits<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(hit) => std::slice::from_ref(hit),
            Self::Many(hits) => hits,
        }
    }

    pub(crate) fn add(&mut self, hit: T) {
        match self {
            Self::One(own) if *own == hit => {}
            Self::One(own) => *self = Self::Many(vec![hit.min(*own), hit.max(*own)]),
            Self::Many(hits) => {
                if let Err(at) = hits.binary_search(&hit) {
                    hits.insert(at, hit);
                }
            }
        }
    }

    /// Answers whether nothing is left.
    pub(crate) fn take_out(&mut self, hit: T) -> bool {
        match self {
            Self::One(own) => *own == hit,
            Self::Many(hits) => {
                hits.retain(|own| *own != hit);
                hits.is_empty()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_sorted_and_each_is_there_once() {
        let mut hits = Hits::One(2);
        for (hit, after) in [(2, &[2][..]), (1, &[1, 2]), (3, &[1, 2, 3]), (1, &[1, 2, 3])] {
            hits.add(hit);
            assert_eq!(hits.as_slice(), after);
        }
        assert_eq!([2, 9, 3, 1].map(|hit| hits.take_out(hit)), [false, false, false, true]);
    }

    #[test]
    fn kinds_do_not_meet() {
        assert_ne!(LookupKey::new(LookupKind::Id, "a"), LookupKey::new(LookupKind::User, "a"));
        assert_eq!(LookupKey::new(LookupKind::Id, "a"), LookupKey::new(LookupKind::Id, "a"));
    }
}
