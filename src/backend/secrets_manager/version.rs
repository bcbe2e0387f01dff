//! The identifiers of secrets' versions, and the compare-and-swap that they make possible.
//!
//! PutSecretValue has no condition, but its ClientRequestToken becomes the VersionId, and the same token with another
//! value is refused (API reference, PutSecretValue; ResourceExistsException). So the next identifier follows from the
//! one it replaces:
//!
//! ```text
//! next = UUIDv5(namespace: previous, name: attempt)        (RFC 9562, section 5.5)
//! ```
//! Of two writers from one version the second is refused.

use std::fmt;

use uuid::Uuid;

use crate::error::Result;
use crate::identity::{RecordName, random_bytes};

/// A version of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct VersionId(String);

impl VersionId {
    /// The identifier of a secret's first version.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub(super) fn first() -> Result<Self> {
        Ok(Self(uuid::Builder::from_random_bytes(random_bytes()?).into_uuid().to_string()))
    }

    /// The identifier of the version that takes a name, so that nobody makes a token under it: it tells such a name from a
    /// deleted token's without its value being read.
    pub(super) fn of_taken(name: RecordName) -> Self {
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string())
    }

    /// As the service has told it.
    pub(super) fn told(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The identifier of the version that replaces this one. `attempt` is above 0 only where somebody has put this one
    /// back in force after it had been replaced.
    pub(super) fn next(&self, attempt: u32) -> Self {
        // Consoles and scripts may have written versions whose identifiers are no UUIDs.
        let namespace =
            Uuid::parse_str(&self.0).unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_OID, self.0.as_bytes()));
        Self(Uuid::new_v5(&namespace, &attempt.to_be_bytes()).to_string())
    }

    /// Whether this version is `earlier`, or follows from it in at most `steps` replacements.
    pub(super) fn follows(&self, earlier: &Self, steps: u64) -> bool {
        let mut at = earlier.clone();
        for _ in 0..=steps.min(MAX_STEPS) {
            if at == *self {
                return true;
            }
            at = at.next(0);
        }
        false
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A secret keeps about a hundred versions: further back nobody looks.
const MAX_STEPS: u64 = 128;

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_identifier_follows_from_the_one_before() {
        let first = VersionId::told("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
        assert_eq!(first.next(0), first.next(0));
        assert_ne!(first.next(0), first.next(1));
        assert_ne!(first.next(0), first.next(0).next(0));
        assert!((32..=64).contains(&first.next(0).as_str().len()), "API reference: 32 to 64 characters");
        assert_ne!(VersionId::told("made by hand, and no UUID at all").next(0), first.next(0));
        assert_ne!(VersionId::first().unwrap(), VersionId::first().unwrap());
        let name = |byte| VersionId::of_taken(RecordName::from_bytes([byte; 16]));
        assert_eq!(name(1), name(1));
        assert_ne!(name(1), name(2));
    }

    #[test]
    fn descent_is_seen_as_far_as_asked() {
        let first = VersionId::first().unwrap();
        let third = first.next(0).next(0);
        assert!(third.follows(&first, 2) && third.follows(&third, 0));
        assert!(!third.follows(&first, 1) && !first.follows(&third, 5));
    }
}
