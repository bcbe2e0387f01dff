//! Which records there are, at which version, and which lookup keys lead to them: the part that the memory and the
//! file backend share. `P` is where a record lies: the record itself, or a place in a file.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::backend::{Claim, Commit};
use crate::error::{Error, Result};
use crate::identity::{RecordName, Version};
use crate::lookup::LookupKey;

/// A lookup key as this process keeps it: hashed once more under a key that the process drew at random, so that what
/// lies in memory cannot be compared with guessed user names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct LocalKey(u64);

#[derive(Debug)]
pub(super) struct Entry<P> {
    pub(super) version: Version,
    pub(super) place: P,
    keys: Box<[LocalKey]>,
}

#[derive(Default)]
pub(super) struct Directory<P> {
    records: HashMap<RecordName, Entry<P>>,
    keys: HashMap<LocalKey, Names>,
    salt: RandomState,
}

/// One name needs no memory of its own; that is the common case.
enum Names {
    One(RecordName),
    Many(Vec<RecordName>),
}

impl<P> Directory<P> {
    pub(super) fn new() -> Self {
        Self { records: HashMap::new(), keys: HashMap::new(), salt: RandomState::new() }
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
        self.keys.get(&self.local(key)).map_or(&[], Names::as_slice)
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
            self.keys.entry(*key).and_modify(|names| names.add(name)).or_insert(Names::One(name));
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

impl Names {
    fn as_slice(&self) -> &[RecordName] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }

    fn add(&mut self, name: RecordName) {
        match self {
            Self::One(own) if *own == name => {}
            Self::One(own) => *self = Self::Many(vec![name.min(*own), name.max(*own)]),
            Self::Many(names) => {
                if let Err(at) = names.binary_search(&name) {
                    names.insert(at, name);
                }
            }
        }
    }

    /// Answers whether nothing is left.
    fn take_out(&mut self, name: RecordName) -> bool {
        match self {
            Self::One(own) => *own == name,
            Self::Many(names) => {
                names.retain(|own| *own != name);
                names.is_empty()
            }
        }
    }
}

impl<P> std::fmt::Debug for Directory<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("records", &self.records.len()).finish_non_exhaustive()
    }
}
