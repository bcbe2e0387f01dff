//! Which records there are, at which version, and which lookup keys lead to them: the part that the memory and the
//! file backend share. `P` is where a record lies: the record itself, or a place in a file.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::backend::{Claim, Commit};
use crate::error::{Error, Result};
use crate::identity::{RecordName, Version};
use crate::lookup::LookupKey;

/// A lookup key as this process keeps it: hashed once more under a key that the process drew at random, so that what
/// lies in memory cannot be compared with guessed user names. Or a record's name, of which a part is as good as a hash.
///
/// Of 32 bits, because that a hit is a hint is true of this one too: two that meet cost a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct LocalKey(u32);

impl LocalKey {
    fn of_name(name: RecordName) -> Self {
        Self(name.as_bytes().first_chunk().copied().map_or(0, u32::from_ne_bytes))
    }
}

/// A local key is a keyed hash already, and a name is random: nobody outside can make many of them meet, so they are only
/// spread over the 64 bits of which a map takes both ends.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u32(&mut self, key: u32) {
        self.0 = u64::from(key);
    }

    fn finish(&self) -> u64 {
        // The fractional part of the golden ratio (Knuth, The Art of Computer Programming, 6.4).
        let spread = self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        spread ^ (spread >> 32)
    }
}

/// Where among the entries a record stands.
type Slot = u32;

/// Which slots a key leads to.
#[derive(Default)]
struct Leads {
    first: HashMap<LocalKey, Slot, BuildHasherDefault<Spread>>,
    /// The other slots of keys that lead to several.
    others: HashMap<LocalKey, Vec<Slot>, BuildHasherDefault<Spread>>,
}

impl Leads {
    fn of(&self, key: LocalKey) -> impl Iterator<Item = Slot> {
        let first = self.first.get(&key);
        let others = first.and_then(|_| self.others.get(&key)).map_or(&[][..], Vec::as_slice);
        first.into_iter().chain(others).copied()
    }

    fn add(&mut self, key: LocalKey, slot: Slot) {
        match self.first.entry(key) {
            Place::Vacant(place) => _ = place.insert(slot),
            Place::Occupied(_) => self.others.entry(key).or_default().push(slot),
        }
    }

    fn take_out(&mut self, key: LocalKey, slot: Slot) {
        let mut others = self.others.remove(&key).unwrap_or_default();
        if self.first.get(&key) != Some(&slot) {
            others.retain(|other| *other != slot);
        } else if let Some(next) = others.pop() {
            self.first.insert(key, next);
        } else {
            self.first.remove(&key);
        }
        if !others.is_empty() {
            self.others.insert(key, others);
        }
    }
}

#[derive(Debug)]
pub(super) struct Entry<P> {
    pub(super) name: RecordName,
    pub(super) version: Version,
    pub(super) place: P,
    /// Sorted, each once.
    keys: Box<[LocalKey]>,
}

/// The maps hold slots and not the entries: at a hundred thousand records, most of the time of a look-up goes into memory
/// that no cache has, and small maps are more likely in one.
pub(super) struct Directory<P> {
    entries: Vec<Option<Entry<P>>>,
    /// Slots without an entry.
    free: Vec<Slot>,
    names: Leads,
    keys: Leads,
    salt: RandomState,
}

impl<P> Directory<P> {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            names: Leads::default(),
            keys: Leads::default(),
            salt: RandomState::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(super) fn get(&self, name: RecordName) -> Option<&Entry<P>> {
        self.at(self.slot(name)?)
    }

    fn slot(&self, name: RecordName) -> Option<Slot> {
        let has_name = |slot: &Slot| self.at(*slot).is_some_and(|entry| entry.name == name);
        self.names.of(LocalKey::of_name(name)).find(has_name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry<P>> {
        self.entries.iter().flatten()
    }

    /// For each of `keys`, the names that it leads to, sorted; and every entry of these names, once.
    pub(super) fn resolve(&self, keys: &[LookupKey]) -> (Vec<Vec<RecordName>>, Vec<&Entry<P>>) {
        let mut found = Vec::new();
        let by_key = keys.iter().map(|key| self.names_at(*key, |entry| found.push(entry))).collect();
        found.sort_unstable_by_key(|entry| entry.name);
        found.dedup_by_key(|entry| entry.name);
        (by_key, found)
    }

    /// Checks a commit's expectations and claims against what is here.
    pub(super) fn check(&self, commit: &Commit) -> Result<()> {
        let as_expected = commit.changes.iter().all(|change| self.version(change.name) == change.expected);
        let as_claimed = |claim: &Claim| self.names_at(claim.key, |_| {}) == claim.names;
        if as_expected && commit.claims.iter().all(as_claimed) { Ok(()) } else { Err(Error::conflict()) }
    }

    fn version(&self, name: RecordName) -> Option<Version> {
        self.get(name).map(|entry| entry.version)
    }

    /// The names that `key` leads to, sorted. `meet` is given each of their entries.
    fn names_at<'d>(&'d self, key: LookupKey, mut meet: impl FnMut(&'d Entry<P>)) -> Vec<RecordName> {
        let mut names = Vec::new();
        for entry in self.keys.of(self.local(key)).filter_map(|slot| self.at(slot)) {
            names.push(entry.name);
            meet(entry);
        }
        names.sort_unstable();
        names
    }

    fn at(&self, slot: Slot) -> Option<&Entry<P>> {
        self.entries.get(slot as usize)?.as_ref()
    }

    /// Puts a record, over the one of that name if there is one. Answers the place that the old one had.
    pub(super) fn put(&mut self, name: RecordName, version: Version, keys: &[LookupKey], place: P) -> Option<P> {
        let mut keys: Vec<LocalKey> = keys.iter().map(|key| self.local(*key)).collect();
        keys.sort_unstable();
        keys.dedup();
        if let Some(entry) = self.slot(name).and_then(|slot| self.entries.get_mut(slot as usize)?.as_mut())
            && *entry.keys == *keys
        {
            entry.version = version;
            return Some(std::mem::replace(&mut entry.place, place));
        }
        let old = self.remove(name);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            // Sooner than there are 2^32 records, no memory is left.
            Slot::try_from(self.entries.len() - 1).unwrap_or(Slot::MAX)
        });
        keys.iter().for_each(|key| self.keys.add(*key, slot));
        self.names.add(LocalKey::of_name(name), slot);
        if let Some(room) = self.entries.get_mut(slot as usize) {
            *room = Some(Entry { name, version, place, keys: keys.into_boxed_slice() });
        }
        old
    }

    /// Forgets a record. Answers the place that it had.
    pub(super) fn remove(&mut self, name: RecordName) -> Option<P> {
        let slot = self.slot(name)?;
        let entry = self.entries.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        self.names.take_out(LocalKey::of_name(name), slot);
        entry.keys.iter().for_each(|key| self.keys.take_out(*key, slot));
        Some(entry.place)
    }

    fn local(&self, key: LookupKey) -> LocalKey {
        let [.., a, b, c, d] = self.salt.hash_one(key).to_ne_bytes();
        LocalKey(u32::from_ne_bytes([a, b, c, d]))
    }
}

impl<P> std::fmt::Debug for Directory<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("records", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::LookupKind;

    /// Beside a list that is searched from end to end.
    #[test]
    fn a_directory_leads_where_a_list_would() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let keys = ["a", "b", "c", "d", "e"].map(|user| LookupKey::new(LookupKind::User, user));
        let (mut directory, mut list) = (Directory::new(), Vec::<(RecordName, Version, Vec<LookupKey>, u32)>::new());
        for place in 0..3000 {
            // The first bytes are what names are kept by: some are the same.
            let mut name = [random.u8(..4); 16];
            name[15] = random.u8(..4);
            let name = RecordName::from_bytes(name);
            let known = list.iter().position(|(own, ..)| *own == name).map(|at| list.swap_remove(at));
            if random.u8(..3) == 0 {
                assert_eq!(directory.remove(name), known.map(|known| known.3));
            } else {
                let own: Vec<LookupKey> = (0..random.usize(..4)).map(|_| keys[random.usize(..5)]).collect();
                let own = known.as_ref().filter(|_| random.bool()).map_or(own, |known| known.2.clone());
                let version = Version { sequence: place.into(), nonce: [0; 16] };
                assert_eq!(directory.put(name, version, &own, place), known.map(|known| known.3));
                list.push((name, version, own, place));
            }
            let of_key = |key: &LookupKey| {
                let mut names: Vec<RecordName> =
                    list.iter().filter(|(_, _, keys, _)| keys.contains(key)).map(|(name, ..)| *name).collect();
                names.sort_unstable();
                names
            };
            let (by_key, found) = directory.resolve(&keys);
            assert_eq!(by_key, keys.each_ref().map(of_key));
            let mut all = by_key.concat();
            all.sort_unstable();
            all.dedup();
            assert_eq!(found.iter().map(|entry| entry.name).collect::<Vec<_>>(), all);
            for (name, version, _, place) in &list {
                let entry = directory.get(*name).unwrap();
                assert_eq!((entry.version, entry.place), (*version, *place));
            }
            assert_eq!((directory.len(), directory.iter().count()), (list.len(), list.len()));
        }
    }
}
