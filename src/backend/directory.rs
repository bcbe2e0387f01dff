//! Which records there are, at which version, and which lookup keys lead to them: the part that the memory and the
//! file backend share. `P` is where a record lies: the record itself, or a place in a file.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::backend::{Claim, Commit};
use crate::error::{Error, Result};
use crate::identity::{RecordName, Version};
use crate::lookup::{Hits, LookupKey};

/// A lookup key as this process keeps it: hashed once more under a key that the process drew at random, so that what
/// lies in memory cannot be compared with guessed user names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct LocalKey(u64);

/// A local key is a keyed hash already: nobody outside the process can make two of them meet, so a map takes it as it is.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
pub(super) struct Entry<P> {
    pub(super) version: Version,
    pub(super) place: P,
    keys: Box<[LocalKey]>,
}

#[derive(Default)]
pub(super) struct Directory<P> {
    records: HashMap<RecordName, Entry<P>>,
    keys: HashMap<LocalKey, Hits<RecordName>, BuildHasherDefault<AsIs>>,
    salt: RandomState,
}

impl<P> Directory<P> {
    pub(super) fn new() -> Self {
        Self { records: HashMap::new(), keys: HashMap::default(), salt: RandomState::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn get(&self, name: RecordName) -> Option<&Entry<P>> {
        self.records.get(&name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (RecordName, &Entry<P>)> {
        self.records.iter().map(|(name, entry)| (*name, entry))
    }

    /// The names that `key` leads to, sorted.
    pub(super) fn resolve(&self, key: LookupKey) -> &[RecordName] {
        self.keys.get(&self.local(key)).map_or(&[], Hits::as_slice)
    }

    /// Checks a commit's expectations and claims against what is here.
    pub(super) fn check(&self, commit: &Commit) -> Result<()> {
        let as_expected = commit.changes.iter().all(|change| self.version(change.name) == change.expected);
        let as_claimed = |claim: &Claim| self.resolve(claim.key) == claim.names;
        if as_expected && commit.claims.iter().all(as_claimed) { Ok(()) } else { Err(Error::conflict()) }
    }

    fn version(&self, name: RecordName) -> Option<Version> {
        self.get(name).map(|entry| entry.version)
    }

    /// Puts a record, over the one of that name if there is one. Answers the place that the old one had.
    pub(super) fn put(&mut self, name: RecordName, version: Version, keys: &[LookupKey], place: P) -> Option<P> {
        let old = self.remove(name);
        let mut keys: Box<[LocalKey]> = keys.iter().map(|key| self.local(*key)).collect();
        keys.sort_unstable_by_key(|key| key.0);
        for key in &keys {
            self.keys.entry(*key).and_modify(|names| names.add(name)).or_insert(Hits::One(name));
        }
        self.records.insert(name, Entry { version, place, keys });
        old
    }

    /// Forgets a record. Answers the place that it had.
    pub(super) fn remove(&mut self, name: RecordName) -> Option<P> {
        let entry = self.records.remove(&name)?;
        for key in &entry.keys {
            let is_empty = self.keys.get_mut(key).is_some_and(|names| names.take_out(name));
            if is_empty {
                self.keys.remove(key);
            }
        }
        Some(entry.place)
    }

    fn local(&self, key: LookupKey) -> LocalKey {
        LocalKey(self.salt.hash_one(key))
    }
}

impl<P> std::fmt::Debug for Directory<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("records", &self.records.len()).finish_non_exhaustive()
    }
}
