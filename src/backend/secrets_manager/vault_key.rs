//! Which KMS key new secrets are made under.
//!
//! The pages of the index say it, so that every process uses the same one and a change of it reaches them all. What the
//! store's address names counts for a new vault only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The vault's KMS key, as far as this process knows it.
#[derive(Debug, Default)]
pub(super) struct VaultKey {
    named: Option<String>,
    of_root: Mutex<Option<String>>,
    has_warned: AtomicBool,
}

impl VaultKey {
    /// `named`: by the store's address.
    pub(super) fn new(named: Option<String>) -> Self {
        Self { named, ..Self::default() }
    }

    /// What the store's address names.
    pub(super) fn named(&self) -> Option<&str> {
        self.named.as_deref()
    }

    /// Takes note of what the index's root says.
    pub(super) fn note(&self, of_root: Option<&str>) {
        let differs = self.named.as_deref().is_some_and(|named| Some(named) != of_root);
        if differs && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                named = self.named.as_deref(),
                used = of_root.unwrap_or("aws/secretsmanager"),
                "the store names another KMS key than the vault's index: new secrets are made under the index's"
            );
        }
        let mut known = self.of_root.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() != of_root {
            *known = of_root.map(str::to_owned);
        }
    }

    /// What the index's root said when it was last read.
    pub(super) fn of_root(&self) -> Option<String> {
        self.of_root.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_decides_whatever_the_address_names() {
        let key = VaultKey::new(Some("one".to_owned()));
        assert_eq!((key.named(), key.of_root()), (Some("one"), None));
        key.note(Some("two"));
        assert_eq!(key.of_root().as_deref(), Some("two"));
        assert!(key.has_warned.load(Ordering::Relaxed));
        key.note(None);
        assert_eq!(key.of_root(), None);
    }

    #[test]
    fn what_is_named_alike_or_not_at_all_is_no_news() {
        for named in [None, Some("one".to_owned())] {
            let key = VaultKey::new(named);
            key.note(Some("one"));
            assert!(!key.has_warned.load(Ordering::Relaxed));
        }
    }
}
