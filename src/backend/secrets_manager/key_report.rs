//! What a change of the vault's KMS key has left under other keys.

use std::collections::BTreeMap;

use crate::backend::secrets_manager::upkeep_calls::ListedVersion;

/// Told how many secrets are done, of how many. It starts again with each pass.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// What [`rotate_key`](super::SecretsManagerBackend::rotate_key) did, and what it could not do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyReport {
    /// How many secrets the vault has, pages of the index among them.
    pub secrets: usize,
    /// How many of them were moved.
    pub moved: usize,
    /// How often all were looked at, until there was nothing left to move.
    pub passes: u32,
    /// What is under other keys, by key.
    pub left: BTreeMap<String, KeyUse>,
    /// Whether tokens that were deleted could be looked for: that takes the right to list secrets. Where not, some may be
    /// under other keys that are still in their recovery window.
    pub has_listed: bool,
}

/// How many versions of secrets need a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyUse {
    /// Current values: without the key these tokens, or this index, cannot be read.
    pub current: usize,
    /// Values that an undelete would bring back, until their recovery window is over.
    pub recoverable: usize,
    /// Values that were replaced. Nothing reads them.
    pub history: usize,
}

impl KeyReport {
    /// How many current values are still under other keys.
    pub fn current(&self) -> usize {
        self.left.values().map(|used| used.current).sum()
    }

    /// Counts a secret's versions. `new` are the names that AWS lists for the key that all should be under.
    pub(super) fn count(&mut self, versions: &[ListedVersion], is_doomed: bool, new: &[String]) {
        for version in versions.iter().filter(|version| is_elsewhere(version, new)) {
            let key = version.keys.first().cloned().unwrap_or_default();
            let used = self.left.entry(key).or_default();
            let has = |label| version.labels.iter().any(|own| own == label);
            match (is_doomed, has(CURRENT), has(PREVIOUS)) {
                (false, true, _) => used.current += 1,
                (true, true, _) | (true, _, true) => used.recoverable += 1,
                _ => used.history += 1,
            }
        }
    }
}

pub(super) const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// Whether a version cannot be read under the new key alone.
pub(super) fn is_elsewhere(version: &ListedVersion, new: &[String]) -> bool {
    !version.keys.iter().any(|key| new.contains(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(label: &str, key: &str) -> ListedVersion {
        let labels = [label].into_iter().filter(|label| !label.is_empty()).map(str::to_owned).collect();
        ListedVersion { id: String::new(), labels, keys: vec![key.to_owned()] }
    }

    #[test]
    fn what_is_needed_is_told_from_history() {
        let versions = [
            version(CURRENT, "old"),
            version(PREVIOUS, "old"),
            version("", "old"),
            version("", "new"),
            version("", "older"),
        ];
        let new = ["new".to_owned()];
        let mut report = KeyReport::default();
        report.count(&versions, false, &new);
        assert_eq!(report.left["old"], KeyUse { current: 1, recoverable: 0, history: 2 });
        assert_eq!((report.left["older"].history, report.current(), report.left.len()), (1, 1, 2));
        let mut of_deleted = KeyReport::default();
        of_deleted.count(&versions, true, &new);
        assert_eq!(of_deleted.left["old"], KeyUse { current: 0, recoverable: 2, history: 1 });
    }
}
