//! Commits that are written together.

use std::ops::Range;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::backend::file::append;
use crate::backend::file::core::{Core, Locked};
use crate::backend::file::frame::{PART_LEN, PlaintextBuilder};
use crate::backend::file::opening::io_error;
use crate::backend::file::rewrite::{self, Rewrite};
use crate::backend::file::scan::MAX_COMMIT;
use crate::backend::file::state::{FRAME_OVERHEAD, Place, State};
use crate::backend::{Change, Commit};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::identity::RecordName;
use crate::lookup::LookupKey;
use crate::record_codec;

/// A commit whose records take more than this is written in parts, one for each record: whoever reads a record opens the
/// whole frame it lies in.
const MAX_FRAME_OF_COMMIT: usize = 16 * 1024;

/// A commit, and its records' bytes.
pub(super) struct Encoded {
    commit: Commit,
    bodies: Vec<Option<Zeroizing<Vec<u8>>>>,
    size: usize,
}

impl Encoded {
    pub(super) fn new(commit: Commit) -> Self {
        let encode = |change: &Change| change.value.as_deref().map(record_codec::encode);
        let bodies: Vec<_> = commit.changes.iter().map(encode).collect();
        let size = bodies.iter().map(|body| PART_LEN + body.as_ref().map_or(0, |body| body.len())).sum();
        Self { commit, bodies, size }
    }
}

pub(super) struct Joined {
    changes: Vec<Change>,
    bodies: Vec<Option<Zeroizing<Vec<u8>>>>,
    size: usize,
    now: Timestamp,
    /// Whether more than one commit may come, so that they can touch each other.
    is_shared: bool,
    names: Vec<RecordName>,
    keys: Vec<LookupKey>,
}

impl Joined {
    pub(super) fn new(is_shared: bool, now: Timestamp) -> Self {
        Self { changes: Vec::new(), bodies: Vec::new(), size: 0, now, is_shared, names: Vec::new(), keys: Vec::new() }
    }

    /// Whether a commit can join without making the frame a large one.
    pub(super) fn has_room_for(&self, commit: &Encoded) -> bool {
        self.changes.is_empty() || self.size + commit.size <= MAX_FRAME_OF_COMMIT
    }

    /// Adds a commit, unless what it rests on no longer holds, or is being changed by one that was added before.
    pub(super) fn add(&mut self, state: &State, encoded: Encoded) -> Result<()> {
        let Encoded { commit, bodies, size } = encoded;
        state.directory.check(&commit)?;
        let is_touched = commit.changes.iter().any(|change| self.names.contains(&change.name))
            || commit.claims.iter().any(|claim| self.keys.contains(&claim.key));
        if is_touched {
            return Err(Error::conflict());
        }
        if self.is_shared {
            commit.changes.iter().try_for_each(|change| self.touch(state, change))?;
        }
        self.size += size;
        self.bodies.extend(bodies);
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
    pub(super) fn write(self, core: &Core, locked: &Locked<'_>) -> Result<()> {
        if self.changes.is_empty() {
            // Its answer rests on what was read, and that may be a frame of a writer that was killed before its sync.
            let file = Arc::clone(&core.state().file);
            return core.sync_file(&*file).map_err(|error| io_error("sync the vault", error));
        }
        let is_large = self.size > MAX_FRAME_OF_COMMIT && self.changes.len() > 1;
        let overhead = FRAME_OVERHEAD as usize * (self.changes.len() + 1);
        if core.is_doubtful() || (is_large && self.size + overhead > MAX_COMMIT) {
            return rewrite::run(core, locked, Rewrite::with(self.changes)).map(drop);
        }
        let per_frame = if is_large { 1 } else { self.changes.len() };
        let Laid { plaintexts, places } = lay_out(&self.changes, self.bodies, per_frame, self.now)?;
        let frames = append::append(core, locked, plaintexts)?;
        core.change_state(|state| {
            for ((at, change), body) in self.changes.into_iter().enumerate().zip(places) {
                match (change.value, body, frames.get(at / per_frame)) {
                    (Some(record), Some(body), Some((at, len, tag))) => {
                        state.place(&record, Place::new(*at, *len, *tag, &body)?);
                    }
                    _ => state.forget(change.name, self.now),
                }
            }
            frames.iter().for_each(|(_, len, tag)| state.advance(*len, *tag));
            Ok(())
        })
    }
}

/// The plaintexts of a commit's frames, and where in its frame each change's record will lie.
struct Laid {
    plaintexts: Vec<Zeroizing<Vec<u8>>>,
    places: Vec<Option<Range<usize>>>,
}

/// One frame, or parts of `per_frame` changes and a frame that closes them.
fn lay_out(
    changes: &[Change],
    bodies: Vec<Option<Zeroizing<Vec<u8>>>>,
    per_frame: usize,
    now: Timestamp,
) -> Result<Laid> {
    let mut laid = Laid { plaintexts: Vec::new(), places: Vec::with_capacity(changes.len()) };
    let mut bodies = bodies.into_iter();
    for part in changes.chunks(per_frame) {
        let mut builder = PlaintextBuilder::new();
        for (change, body) in part.iter().zip(&mut bodies) {
            laid.places.push(match (&change.value, body) {
                (Some(record), Some(body)) => Some(builder.put(change.name, record.saved_at, body)),
                _ => {
                    builder.tombstone(change.name, now);
                    None
                }
            });
        }
        let is_whole = part.len() == changes.len();
        laid.plaintexts.push(if is_whole { builder.finish()? } else { builder.finish_part()? });
    }
    if laid.plaintexts.len() > 1 {
        laid.plaintexts.push(PlaintextBuilder::new().finish()?);
    }
    Ok(laid)
}
