//! Writing the vault anew beside itself and putting it in its place: for rotation, for large commits, for deleting
//! everything, and to be rid of dead bytes. Every rewrite draws a new data key, so there is one path for all of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::backend::Change;
use crate::backend::file::core::{Core, Locked};
use crate::backend::file::create;
use crate::backend::file::disk::{DiskFile, LockKind};
use crate::backend::file::header::{Header, KeyDerivation};
use crate::backend::file::key_source::KeySource;
use crate::backend::file::opening::{self, io_error};
use crate::backend::file::output::Output;
use crate::backend::file::state::State;
use crate::clock::Timestamp;
use crate::crypto::keys::{KeyEncryptionKey, random_key};
use crate::error::{Error, ErrorKind, Result};

/// Dead bytes below this are not worth a rewrite.
const MIN_DEAD: u64 = 1 << 20;

/// A vault smaller than this is rewritten at once after a delete: it costs less than a millisecond or two.
const SMALL: u64 = 256 * 1024;

/// A deleted record's bytes are removed within a day; half of it is left for a process to come by.
const TOMBSTONE_AGE: Duration = Duration::from_hours(12);

/// Seals under one key stay far below the 2^32 of NIST SP 800-38D, section 8.3.
const MAX_FRAMES: u64 = 1 << 31;

/// What is different in the new file, beside its data key.
#[derive(Default)]
pub(super) struct Rewrite {
    changes: Vec<Change>,
    clear: bool,
    new_key: Option<(KeySource, KeyDerivation)>,
    /// Nothing is done unless the file holds too much that is dead.
    only_if_due: bool,
}

impl Rewrite {
    pub(super) fn with(changes: Vec<Change>) -> Self {
        Self { changes, ..Self::default() }
    }

    pub(super) fn if_still_due() -> Self {
        Self { only_if_due: true, ..Self::default() }
    }

    pub(super) fn without_records() -> Self {
        Self { clear: true, ..Self::default() }
    }

    pub(super) fn under(source: KeySource, derivation: KeyDerivation) -> Self {
        Self { new_key: Some((source, derivation)), ..Self::default() }
    }
}

/// Rewrites the vault. Answers how many records it had before.
///
/// # Errors
/// Before the new file is in place, everything is as it was.
pub(super) fn run(core: &Core, locked: &Locked<'_>, work: Rewrite) -> Result<usize> {
    if work.only_if_due {
        if_due(core, locked);
        return Ok(0);
    }
    let path = opening::beside(&core.options.path, TEMPORARY)?;
    remove_left_over(core);
    let had = core.state().directory.len();
    let built = build(core, &path, work);
    let built = built.and_then(|new| put_in_place(core, locked, &path, new));
    if let Err(error) = built {
        let _ = core.disk.remove(&path);
        return Err(error);
    }
    Ok(had)
}

/// Rewrites the vault if it holds too much that is dead. The caller's own work is done; a failure is only reported.
pub(super) fn if_due(core: &Core, locked: &Locked<'_>) {
    if !is_due(&core.state(), core.options.clock.now()) {
        return;
    }
    if let Err(error) = run(core, locked, Rewrite::default()) {
        tracing::warn!(%error, "the vault could not be rewritten; it will be tried again at the next write");
    }
}

/// Whether a file holds too much that is dead.
pub(super) fn is_due(state: &State, now: Timestamp) -> bool {
    let (dead, used) = (state.dead_bytes(), state.position.offset);
    let is_wasteful = dead > MIN_DEAD && dead * 2 > used;
    let holds_deleted = state.oldest_tombstone.is_some_and(|at| used < SMALL || now.since(at) >= TOMBSTONE_AGE);
    is_wasteful || holds_deleted || state.position.number >= MAX_FRAMES
}

/// What `beside` calls a file that is being written.
const TEMPORARY: &str = "rewrite";

/// Removes what a killed rewrite left, or a killed `create`: that may be a second name of the vault's first file, which
/// would keep what is deleted. Whoever has the vault's lock knows that nobody is writing either.
fn remove_left_over(core: &Core) {
    for name in core.disk.names(opening::folder(&core.options.path)).unwrap_or_default() {
        if [TEMPORARY, create::TEMPORARY].into_iter().any(|what| opening::is_beside(&core.options.path, what, &name)) {
            let _ = core.disk.remove(&opening::folder(&core.options.path).join(name));
        }
    }
}

/// A file that is complete, durable and locked, and not yet in place.
struct NewFile {
    state: State,
    key: Option<(KeySource, Arc<KeyEncryptionKey>)>,
}

fn build(core: &Core, path: &Path, work: Rewrite) -> Result<NewFile> {
    let old = core.state();
    let held = core.held_key();
    let (source, derivation, kek) = match work.new_key {
        None => (None, *held.derivation(), held.key()),
        Some((source, derivation)) => {
            let kek = Arc::new(source.derive(&derivation)?);
            (Some(source), derivation, kek)
        }
    };
    drop(held);
    let generation =
        old.header.generation.checked_add(1).ok_or_else(|| Error::new(ErrorKind::Internal, "generations ran out"))?;
    let data_key = random_key()?;
    let header = Header::create(old.header.vault_id, generation, derivation, &kek, &old.root, &data_key)?;
    let file: Arc<dyn DiskFile> =
        Arc::from(core.disk.create_new(path).map_err(|e| io_error("make a new file beside the vault", e))?);
    keep_owner(&*old.file, &*file)?;
    let mut output = Output::new(file, header, &kek)?;
    if !work.clear {
        output.copy_live(&old, &work.changes)?;
    }
    for record in work.changes.iter().filter_map(|change| change.value.as_deref()) {
        output.write(record)?;
    }
    Ok(NewFile { state: output.finish()?, key: source.map(|source| (source, kek)) })
}

/// Gives the new file to whom the old one belongs: an administrator who rewrites somebody's vault must not lock them out.
fn keep_owner(old: &dyn DiskFile, new: &dyn DiskFile) -> Result<()> {
    let owner_of = |file: &dyn DiskFile| match file.metadata() {
        Ok(metadata) => Ok(metadata.owner),
        Err(error) => Err(io_error("look at the vault", error)),
    };
    let (wanted, own) = (owner_of(old)?, owner_of(new)?);
    if wanted == own {
        return Ok(());
    }
    match new.set_owner(wanted) {
        // A group that this user is not in: in a file that only its owner may use it can do nothing.
        Err(error) if wanted.user != own.user => Err(Error::new(
            ErrorKind::PermissionDenied,
            "the vault belongs to another user, and could not be left to them",
        )
        .with_hint("run this as the vault's owner, or as root")
        .with_source(error)),
        _ => Ok(()),
    }
}

/// Puts a new file in the vault's place. It is locked before it can be seen under the path, so that nobody writes to it
/// before this process has made the rename durable.
fn put_in_place(core: &Core, locked: &Locked<'_>, path: &Path, new: NewFile) -> Result<()> {
    let file = Arc::clone(&new.state.file);
    if !file.try_lock(LockKind::Exclusive).map_err(|error| io_error("lock the new vault file", error))? {
        return Err(Error::new(ErrorKind::Busy, "another process has locked the new vault file"));
    }
    if let Err(error) = core.disk.rename(path, &core.options.path)
        && !is_in_place(core, &*file)
    {
        return Err(io_error("put the new vault file in place", error));
    }
    let derivation = new.state.header.derivation;
    core.change_state(|state| *state = new.state);
    core.settle_doubt();
    if let Some((source, key)) = new.key {
        core.held_key().replace(source, key, &derivation);
    }
    locked.moved_to(Arc::clone(&file));
    tracing::debug!(generation = core.state().header.generation, "wrote the vault anew");
    let synced = core.sync_folder();
    if synced.is_err() {
        // Which of the two files a power loss would leave is open: nothing is acknowledged on top of that.
        core.must_reload.store(true, Ordering::SeqCst);
    }
    synced
}

/// Whether a rename took effect that was reported as failed: then the old file is gone, and maybe the old key with it.
fn is_in_place(core: &Core, file: &dyn DiskFile) -> bool {
    let (seen, own) = (core.disk.metadata(&core.options.path), file.metadata());
    seen.is_ok_and(|seen| own.is_ok_and(|own| own.identity == seen.identity))
}
