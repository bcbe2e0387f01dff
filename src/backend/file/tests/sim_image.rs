//! What a power loss leaves: any subset of what was pending, the last write torn at any byte.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use crate::backend::file::tests::sim_world::{Tables, World};

/// Up to this many pending changes every subset is tried.
const MAX_ENUMERATED: usize = 12;

/// A write of up to so many bytes is torn at each.
const SHORT: usize = 1024;

/// A longer one is torn at so many at its start and at its end.
const EDGE: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileChange {
    Write(usize, Vec<u8>),
    SetLen(usize),
    Extend(usize),
}

impl FileChange {
    pub(super) fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => {
                let end = offset + bytes.len();
                file.resize(file.len().max(end), 0);
                file[*offset..end].copy_from_slice(bytes);
            }
            Self::SetLen(len) => file.resize(*len, 0),
            Self::Extend(len) => file.resize(file.len().max(*len), 0),
        }
    }

    /// What a write leaves behind that runs out of room.
    pub(super) fn half(&self) -> Option<Self> {
        match self {
            Self::Write(offset, bytes) => Some(Self::Write(*offset, bytes[..bytes.len() / 2].to_vec())),
            _ => None,
        }
    }

    /// This write, torn: what lies before `at` is there, or what lies behind it, the rest being zeros or cut off.
    fn torn(&self, at: usize) -> Vec<Self> {
        let Self::Write(offset, bytes) = self else {
            return Vec::new();
        };
        let (head, tail) = bytes.split_at(at);
        let (mut zero_behind, mut zero_before) = (head.to_vec(), vec![0; at]);
        zero_behind.resize(bytes.len(), 0);
        zero_before.extend_from_slice(tail);
        vec![Self::Write(*offset, head.to_vec()), Self::Write(*offset, zero_behind), Self::Write(*offset, zero_before)]
    }

    fn len(&self) -> usize {
        if let Self::Write(_, bytes) = self { bytes.len() } else { 0 }
    }
}

#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Link(PathBuf, u64),
    Rename(PathBuf, PathBuf, u64),
    Remove(PathBuf),
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Link(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

/// What is on the disk after a power loss.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Image {
    pub(super) names: BTreeMap<PathBuf, u64>,
    pub(super) files: BTreeMap<u64, Vec<u8>>,
}

impl World {
    /// What processes see now, as if all of it were durable.
    pub(super) fn seen(&self) -> Image {
        let tables = self.tables();
        let files = tables.inodes.iter().map(|(number, inode)| (*number, inode.seen.clone())).collect();
        Image { names: tables.names.clone(), files }
    }

    /// Calls `check` with every image that a power loss now may leave, unless it is in `known` already. The last write
    /// is torn at every byte, or in the middle of a long one at every `tear_every`th, where it went to the file that is
    /// under `path` then.
    pub(super) fn after_power_loss(
        &self,
        path: &Path,
        tear_every: usize,
        known: &mut HashSet<Image>,
        mut check: impl FnMut(&Image),
    ) {
        let tables = self.tables();
        let pending: Vec<(u64, &FileChange)> = tables
            .inodes
            .iter()
            .flat_map(|(number, inode)| inode.pending.iter().map(|change| (*number, change)))
            .collect();
        let count = pending.len() + tables.pending_names.len();
        let last_write = pending.iter().rposition(|(_, change)| matches!(change, FileChange::Write(..)));
        let mut visit = |image: Image| {
            if !known.contains(&image) {
                check(&image);
                known.insert(image);
            }
        };
        for subset in subsets(count) {
            let image = tables.image(&pending, &subset, None);
            let torn = last_write.filter(|last| subset[*last]);
            let is_vault = |last: &usize| image.names.get(path) == Some(&pending[*last].0);
            if let Some(last) = torn.filter(is_vault) {
                let len = pending[last].1.len();
                let is_edge = |at: usize| len <= SHORT || at < EDGE || len - at < EDGE;
                for at in (1..len).filter(|at| is_edge(*at) || at % tear_every == 0) {
                    for change in pending[last].1.torn(at) {
                        visit(tables.image(&pending, &subset, Some((last, &change))));
                    }
                }
            }
            visit(image);
        }
    }
}

impl Tables {
    fn image(&self, pending: &[(u64, &FileChange)], subset: &[bool], torn: Option<(usize, &FileChange)>) -> Image {
        let mut names = self.durable_names.clone();
        for (change, is_in) in self.pending_names.iter().zip(&subset[pending.len()..]) {
            if *is_in {
                change.apply(&mut names);
            }
        }
        let named = |number: &u64| names.values().any(|other| other == number);
        let mut files: BTreeMap<u64, Vec<u8>> = self
            .inodes
            .iter()
            .filter(|(number, _)| named(number))
            .map(|(number, inode)| (*number, inode.durable.clone()))
            .collect();
        for (at, (number, change)) in pending.iter().enumerate() {
            let change = torn.filter(|(last, _)| *last == at).map_or(*change, |(_, change)| change);
            if let (true, Some(file)) = (subset[at], files.get_mut(number)) {
                change.apply(file);
            }
        }
        Image { names, files }
    }
}

/// Every subset of `count` things, or a sample, always with the empty and the full one.
fn subsets(count: usize) -> Vec<Vec<bool>> {
    if count <= MAX_ENUMERATED {
        return (0..1_usize << count).map(|bits| (0..count).map(|at| bits >> at & 1 == 1).collect()).collect();
    }
    let seed = fastrand::u64(..);
    println!("{count} pending changes: a sample of the subsets, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let sample = (0..1 << MAX_ENUMERATED).map(|_| (0..count).map(|_| random.bool()).collect());
    [vec![false; count], vec![true; count]].into_iter().chain(sample).collect()
}
