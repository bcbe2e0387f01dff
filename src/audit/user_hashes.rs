//! The hashes of users, each made once while few ask: every line has one, and it costs as much as half of the line's MAC.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::audit::keys::{Hashed, Keys};

/// As many as are remembered; with more all are forgotten.
const MAX_USERS: usize = 1000;

#[derive(Default)]
pub(crate) struct UserHashes(Mutex<HashMap<Box<str>, Arc<str>>>);

impl UserHashes {
    pub(crate) fn of(&self, keys: &Keys, name: &str) -> Arc<str> {
        let hash = || Arc::from(keys.hash(Hashed::User, name));
        // A process that was forked may have inherited it locked.
        let Ok(mut known) = self.0.try_lock() else { return hash() };
        if let Some(hash) = known.get(name) {
            return Arc::clone(hash);
        }
        let hash = hash();
        if known.len() >= MAX_USERS {
            known.clear();
        }
        known.insert(Box::from(name), Arc::clone(&hash));
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::audit_key::AuditKey;

    #[test]
    fn each_user_has_its_own_hash_however_many_there_are() {
        let keys = Keys::derive(&AuditKey::new(&[1; 32])).unwrap();
        let hashes = UserHashes::default();
        for round in 0..2 {
            for number in 0..1500 {
                let name = format!("user {number}");
                assert_eq!(&*hashes.of(&keys, &name), keys.hash(Hashed::User, &name), "round {round}");
                assert!(hashes.0.lock().unwrap().len() <= MAX_USERS);
            }
        }
        assert_eq!(&*hashes.of(&keys, "user 1499"), keys.hash(Hashed::User, "user 1499"));
        let _held = hashes.0.lock().unwrap();
        assert_eq!(&*hashes.of(&keys, "user 1499"), keys.hash(Hashed::User, "user 1499"), "held by another");
    }
}
