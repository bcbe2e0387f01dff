//! Commits that are written together.

use std::sync::Arc;
use std::thread;

use crate::backend::file::append::{self, Appended};
use crate::backend::file::core::{Core, Locked};
use crate::backend::file::opening::io_error;
use crate::backend::file::rewrite::{self, Rewrite};
use crate::backend::file::scan::MAX_COMMIT;
use crate::backend::file::sealing::{NewPart, Plaintext};
use crate::backend::file::state::{Place, State};
use crate::backend::{Change, Commit};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::identity::RecordName;
use crate::lookup::LookupKey;

/// A commit whose records take more than this is written in parts, one for each record: whoever reads a record opens the
/// whole frame it lies in.
const MAX_FRAME_OF_COMMIT: usize = 16 * 1024;

/// So many changes that a thread pays.
const MANY: usize = 64;

pub(super) struct Joined {
    changes: Vec<Change>,
    now: Timestamp,
    /// Whether more than one commit may come, so that they can touch each other, and must fit in together.
    is_shared: bool,
    size: usize,
    names: Vec<RecordName>,
    keys: Vec<LookupKey>,
}

impl Joined {
    pub(super) fn new(is_shared: bool, now: Timestamp) -> Self {
        Self { changes: Vec::new(), now, is_shared, size: 0, names: Vec::new(), keys: Vec::new() }
    }

    /// Whether a commit can join without making the frame a large one.
    pub(super) fn has_room_for(&self, commit: &Commit) -> bool {
        self.changes.is_empty() || self.size + size(&self.parts(&commit.changes)) <= MAX_FRAME_OF_COMMIT
    }

    /// Adds a commit, unless what it rests on no longer holds, or is being changed by one that was added before.
    pub(super) fn add(&mut self, state: &State, commit: Commit) -> Result<()> {
        state.directory.check(&commit)?;
        let is_touched = commit.changes.iter().any(|change| self.names.contains(&change.name))
            || commit.claims.iter().any(|claim| self.keys.contains(&claim.key));
        if is_touched {
            return Err(Error::conflict());
        }
        if self.is_shared {
            commit.changes.iter().try_for_each(|change| self.touch(state, change))?;
            self.size += size(&self.parts(&commit.changes));
        }
        self.changes.extend(commit.changes);
        Ok(())
    }

    fn touch(&mut self, state: &State, change: &Change) -> Result<()> {
        self.names.push(change.name);
        let old = state.read(change.name)?;
        self.keys.extend(old.iter().chain(&change.value).flat_map(|record| record.lookup_keys()));
        Ok(())
    }

    /// Writes what was added, and takes it into the state once it is durable.
    pub(super) fn write(&mut self, core: &Core, locked: &Locked<'_>) -> Result<()> {
        if self.changes.is_empty() {
            // Its answer rests on what was read, and that may be a frame of a writer that was killed before its sync.
            let file = Arc::clone(&core.state().file);
            return core.sync_file(&*file).map_err(|error| io_error("sync the vault", error));
        }
        let parts = self.parts(&self.changes);
        let frames: Vec<Plaintext<'_>> = match size(&parts) > MAX_FRAME_OF_COMMIT && parts.len() > 1 {
            true => parts.chunks(1).map(Plaintext::part).chain([Plaintext::closing()]).collect(),
            false => vec![Plaintext::whole(&parts)],
        };
        let room: usize = frames.iter().map(Plaintext::frame_len).sum();
        if core.is_doubtful() || (frames.len() > 1 && room > MAX_COMMIT) {
            drop(frames);
            drop(parts);
            return rewrite::run(core, locked, Rewrite::with(std::mem::take(&mut self.changes))).map(drop);
        }
        let (appended, keys) = append_beside_hashing(core, locked, &frames, &self.changes)?;
        core.change_state(|state| {
            let mut changes = self.changes.iter().zip(keys);
            for (frame, (at, len, tag)) in frames.iter().zip(appended) {
                for (body, (change, keys)) in frame.bodies().zip(&mut changes) {
                    match (&change.value, body) {
                        (Some(record), Some(body)) => state.place(record, &keys, Place::new(at, len, tag, &body)?),
                        _ => state.forget(change.name, self.now),
                    }
                }
                state.advance(len, tag);
            }
            Ok(())
        })
    }

    fn parts<'a>(&self, changes: &'a [Change]) -> Vec<NewPart<'a>> {
        let part = |change: &'a Change| {
            change.value.as_deref().map_or_else(|| NewPart::tombstone(change.name, self.now), NewPart::put)
        };
        changes.iter().map(part).collect()
    }
}

fn size(parts: &[NewPart<'_>]) -> usize {
    parts.iter().map(NewPart::len).sum()
}

/// Appends, and hashes the lookup keys of each change. Those of many changes are hashed on a thread of their own, while
/// this one seals and waits for the disk.
fn append_beside_hashing(
    core: &Core,
    locked: &Locked<'_>,
    frames: &[Plaintext<'_>],
    changes: &[Change],
) -> Result<(Vec<Appended>, Vec<Vec<LookupKey>>)> {
    let keys_of = |change: &Change| change.value.as_ref().map_or_else(Vec::new, |record| record.lookup_keys());
    let all_keys = || changes.iter().map(keys_of).collect::<Vec<_>>();
    thread::scope(|scope| {
        let hashing = (changes.len() >= MANY).then(|| thread::Builder::new().spawn_scoped(scope, all_keys));
        let appended = append::append(core, locked, frames)?;
        // Where the system had no thread to give, they are hashed here.
        let hashed = hashing.and_then(|spawned| spawned.ok()?.join().ok());
        Ok((appended, hashed.unwrap_or_else(all_keys)))
    })
}
