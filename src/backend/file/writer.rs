//! The one thread of a handle that writes: it takes the commits that are waiting, makes one frame of them, appends it
//! and syncs it once.
//!
//! A thread, because a sync may take long and a caller's executor must not stand still meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::backend::file::core::{Core, Locked};
use crate::backend::file::disk::LockKind;
use crate::backend::file::frame::{self, PART_LEN, PlaintextBuilder};
use crate::backend::file::opening::io_error;
use crate::backend::file::rewrite::{self, Rewrite};
use crate::backend::file::scan::{ALLOCATION, Position};
use crate::backend::file::state::{Place, State};
use crate::backend::{Change, Commit};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::lookup::LookupKey;
use crate::record_codec;

/// More commits than this wait for the next frame: whoever reads a record opens the whole frame it lies in.
const MAX_JOINED: usize = 32;

/// A commit whose records take more than this is written as a rewrite, for the same reason.
const MAX_FRAME_OF_COMMIT: usize = 16 * 1024;

/// Something to write, how long to wait for the lock, and whom to tell.
pub(super) struct Request {
    pub(super) work: Work,
    pub(super) wait: Duration,
    pub(super) reply: oneshot::Sender<Result<usize>>,
}

pub(super) enum Work {
    Commit(Commit),
    Rewrite(Rewrite),
}

/// Starts the thread. It ends when the sender is dropped.
pub(super) fn start(core: Arc<Core>) -> Result<Sender<Request>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .name("tokenvault-writer".to_owned())
        .spawn(move || run(&core, &receiver))
        .map_err(|error| io_error("start the writing thread", error))?;
    Ok(sender)
}

fn run(core: &Core, receiver: &Receiver<Request>) {
    let mut held_over = None;
    while let Some(first) = held_over.take().or_else(|| receiver.recv().ok()) {
        let wait = first.wait;
        match first.work {
            Work::Rewrite(work) => {
                let done = core.lock(LockKind::Exclusive, wait).and_then(|locked| rewrite::run(core, &locked, work));
                let _ = first.reply.send(done);
            }
            Work::Commit(commit) => {
                let mut batch = vec![(commit, first.reply)];
                while batch.len() < MAX_JOINED && held_over.is_none() {
                    match receiver.try_recv() {
                        Ok(Request { work: Work::Commit(commit), reply, .. }) => batch.push((commit, reply)),
                        Ok(other) => held_over = Some(other),
                        Err(_) => break,
                    }
                }
                commit_batch(core, batch, wait);
            }
        }
    }
}

type Waiting = (Commit, oneshot::Sender<Result<usize>>);

fn commit_batch(core: &Core, batch: Vec<Waiting>, wait: Duration) {
    let locked = match core.lock(LockKind::Exclusive, wait) {
        Ok(locked) => locked,
        Err(error) => return refuse(batch, &error),
    };
    let now = core.options.clock.now();
    let mut joined = Joined::default();
    let mut replies = Vec::with_capacity(batch.len());
    for (commit, reply) in batch {
        match joined.add(&core.state(), commit, now) {
            Ok(()) => replies.push(reply),
            Err(error) => drop(reply.send(Err(error))),
        }
    }
    let written = joined.write(core, &locked);
    let is_written = written.is_ok();
    match written {
        Ok(()) => replies.into_iter().for_each(|reply| drop(reply.send(Ok(0)))),
        Err(error) => replies.into_iter().for_each(|reply| drop(reply.send(Err(repeat(&error))))),
    }
    if is_written && !joined.is_large() {
        rewrite::if_due(core, &locked, now);
    }
}

fn refuse(batch: Vec<Waiting>, error: &Error) {
    for (_, reply) in batch {
        drop(reply.send(Err(repeat(error))));
    }
}

/// The same error for everyone who was waiting.
fn repeat(error: &Error) -> Error {
    let again = Error::new(error.kind(), error.message());
    match error.hint() {
        Some(hint) => again.with_hint(hint),
        None => again,
    }
}

/// Commits that go into one frame.
#[derive(Default)]
struct Joined {
    changes: Vec<Change>,
    bodies: Vec<Option<Zeroizing<Vec<u8>>>>,
    size: usize,
    now: Timestamp,
    names: Vec<RecordName>,
    keys: Vec<LookupKey>,
}

impl Joined {
    /// Adds a commit, unless what it rests on no longer holds, or is being changed by one that was added before.
    fn add(&mut self, state: &State, commit: Commit, now: Timestamp) -> Result<()> {
        state.directory.check(&commit)?;
        let is_touched = commit.changes.iter().any(|change| self.names.contains(&change.name))
            || commit.claims.iter().any(|claim| self.keys.contains(&claim.key));
        if is_touched {
            return Err(Error::conflict());
        }
        self.now = now;
        for change in commit.changes {
            self.names.push(change.name);
            if let Some(old) = state.read(change.name)? {
                self.keys.extend(old.lookup_keys());
            }
            let body = change.value.as_deref().map(record_codec::encode);
            self.keys.extend(change.value.iter().flat_map(|record| record.lookup_keys()));
            self.size += PART_LEN + body.as_ref().map_or(0, |body| body.len());
            self.bodies.push(body);
            self.changes.push(change);
        }
        Ok(())
    }

    fn is_large(&self) -> bool {
        self.size > MAX_FRAME_OF_COMMIT && self.changes.len() > 1
    }

    fn write(&mut self, core: &Core, locked: &Locked<'_>) -> Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        if self.is_large() {
            let changes = std::mem::take(&mut self.changes);
            return rewrite::run(core, locked, Rewrite::with(changes)).map(drop);
        }
        let mut builder = PlaintextBuilder::new();
        for (change, body) in self.changes.iter().zip(self.bodies.drain(..)) {
            match (&change.value, body) {
                (Some(record), Some(body)) => builder.put(change.name, record.saved_at, body),
                _ => builder.tombstone(change.name, self.now),
            }
        }
        let mut plaintext = builder.finish()?;
        let places = frame::parts(&plaintext)?;
        let (at, len, tag) = append(core, &mut plaintext)?;
        core.change_state(|state| {
            for (change, part) in self.changes.drain(..).zip(places) {
                match (change.value, part.body) {
                    (Some(record), Some(body)) => state.place(&record, Place::new(at, len, tag, &body)?),
                    _ => state.forget(change.name, self.now),
                }
            }
            state.advance(len, tag);
            Ok(())
        })
    }
}

/// Appends a frame and syncs it. Where that fails the frame is cut back, and nothing more is written through this
/// descriptor: after a failed sync the system may have forgotten what it could not write.
fn append(core: &Core, plaintext: &mut Zeroizing<Vec<u8>>) -> Result<(Position, usize, [u8; 16])> {
    let (file, at, sealed) = {
        let state = core.state();
        let at = state.position;
        let sealed = frame::seal(&state.key, &state.header.vault_id, at.number, &at.tag_before, plaintext)?;
        (Arc::clone(&state.file), at, sealed)
    };
    let (bytes, tag) = sealed;
    let end = at.offset + bytes.len() as u64;
    let len = file.metadata().map_err(|error| io_error("look at the vault", error))?.len;
    if end > len {
        // Set aside ahead, so that a sync has no length to write; a file system that cannot is simply slower.
        let _ = file.allocate(end.next_multiple_of(ALLOCATION));
    }
    let written = file.write_at(&bytes, at.offset).and_then(|()| file.sync());
    let Err(error) = written else {
        return Ok((at, bytes.len(), tag));
    };
    core.must_reload.store(true, Ordering::SeqCst);
    let cut = file.set_len(at.offset).and_then(|()| file.sync());
    let mut failure = io_error("write the vault", error);
    if cut.is_err() {
        failure = Error::new(ErrorKind::Io, format!("{}; it may or may not have taken effect", failure.message()))
            .with_hint("check the disk, then look whether the change is there");
    }
    Err(failure)
}
