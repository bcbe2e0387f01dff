//! Names that are listed under keys of the rows and have no record: somebody is making one, or was broken off at it. As
//! with a save, a new token takes such a name, so that of two who make a token of one user one is refused.

use std::collections::{HashMap, HashSet};

use crate::backend::{Candidates, Claim};
use crate::identity::RecordName;
use crate::lookup::LookupKey;

#[derive(Debug, Default)]
pub(super) struct Reserved {
    by_key: HashMap<LookupKey, Vec<RecordName>>,
    taken: HashSet<RecordName>,
    /// The keys of new tokens: no other name may stand under them.
    of_new: HashSet<LookupKey>,
}

impl Reserved {
    /// Of what was found for these keys.
    pub(super) fn of(keys: &[LookupKey], found: &Candidates) -> Self {
        let known: HashSet<RecordName> = found.records.iter().map(|record| record.name).collect();
        let mut by_key: HashMap<LookupKey, Vec<RecordName>> = HashMap::new();
        for (key, names) in keys.iter().zip(&found.by_key) {
            for name in names.iter().filter(|name| !known.contains(name)) {
                by_key.entry(*key).or_default().push(*name);
            }
        }
        Self { by_key, ..Self::default() }
    }

    /// The name that a new token of these keys takes, where one is reserved.
    pub(super) fn take(&mut self, keys: impl Iterator<Item = LookupKey>) -> Option<RecordName> {
        let keys: Vec<LookupKey> = keys.filter(|key| self.by_key.contains_key(key)).collect();
        let mut names = keys.iter().filter_map(|key| self.by_key.get(key)).flatten();
        let name = names.find(|name| !self.taken.contains(name)).copied();
        self.of_new.extend(keys);
        self.taken.extend(name);
        name
    }

    /// Leaves out of the claims what new tokens did not take: whatever becomes of those names, the claims do not hold.
    pub(super) fn settle(&self, claims: &mut [Claim]) {
        for claim in claims.iter_mut().filter(|claim| self.of_new.contains(&claim.key)) {
            let reserved = self.by_key.get(&claim.key).map_or(&[][..], Vec::as_slice);
            claim.names.retain(|name| !reserved.contains(name) || self.taken.contains(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::LookupKind;

    #[test]
    fn a_reserved_name_is_taken_once_and_no_other_is_claimed_beside_it() {
        let keys = ["ada", "bob", "eve"].map(|user| LookupKey::new(LookupKind::User, user));
        let [one, two] = [1, 2].map(|byte| RecordName::from_bytes([byte; 16]));
        let by_key = vec![vec![one], vec![one, two], vec![two]];
        let found = Candidates { by_key: by_key.clone(), records: Vec::new() };
        let mut reserved = Reserved::of(&keys, &found);
        let taken = [0, 1, 1].map(|at| reserved.take([keys[at]].into_iter()));
        assert_eq!(taken, [Some(one), Some(two), None]);

        let mut reserved = Reserved::of(&keys, &found);
        assert_eq!(reserved.take([keys[1]].into_iter()), Some(one));
        let claim = |(key, names): (&LookupKey, Vec<RecordName>)| Claim { key: *key, names };
        let mut claims: Vec<Claim> = keys.iter().zip(by_key).map(claim).collect();
        reserved.settle(&mut claims);
        let names: Vec<&[RecordName]> = claims.iter().map(|claim| &claim.names[..]).collect();
        assert_eq!(names, [&[one][..], &[one], &[two]], "where nothing new is made, whoever makes something may");
    }
}
