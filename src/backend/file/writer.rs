//! Writing: commits that wait together become one frame, one append, one sync.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::backend::Commit;
use crate::backend::file::core::{Core, Locked};
use crate::backend::file::disk::LockKind;
use crate::backend::file::joined::Joined;
use crate::backend::file::queue::{Queue, Request, Work};
use crate::backend::file::rewrite::{self, Rewrite};
use crate::error::{Error, ErrorKind, Result};

/// A caller writes a commit of this many changes itself; more are left to the background thread.
pub(super) const MAX_LED: usize = 4;

/// More commits than this wait for the next frame: whoever reads a record opens the whole frame it lies in.
const MAX_JOINED: usize = 32;

type Waiting = (Commit, oneshot::Sender<Result<usize>>);

/// The background thread.
pub(super) fn run(core: &Core, queue: &Queue) {
    while let Some(requests) = queue.take() {
        let mut batch: Vec<Waiting> = Vec::new();
        let mut longest = Duration::ZERO;
        for Request { work, give_up, reply } in requests {
            match work {
                Work::Commit(commit) => {
                    longest = longest.max(give_up);
                    batch.push((commit, reply));
                    if batch.len() == MAX_JOINED {
                        commit_all(core, std::mem::take(&mut batch), longest);
                    }
                }
                Work::Rewrite(work) => {
                    commit_all(core, std::mem::take(&mut batch), longest);
                    let locked = core.lock(LockKind::Exclusive, core.wait_until(give_up));
                    let done = locked.and_then(|locked| rewrite::run(core, &locked, work));
                    let _ = reply.send(done);
                }
            }
        }
        commit_all(core, batch, longest);
        queue.done(None);
    }
}

/// Writes one commit on the caller's thread. Gives back what is better done in the background: the commit, where the
/// lock is not to be had at once, or a rewrite that is due after it.
pub(super) fn lead(core: &Core, request: Request) -> Option<Request> {
    let Request { work: Work::Commit(commit), give_up, reply } = request else { return Some(request) };
    let locked = match core.lock_at_once() {
        Ok(locked) => locked,
        Err(error) if error.kind() == ErrorKind::Busy => {
            return Some(Request { work: Work::Commit(commit), give_up, reply });
        }
        Err(error) => {
            let _ = reply.send(Err(error));
            return None;
        }
    };
    commit_under(core, &locked, vec![(commit, reply)]);
    let is_due = rewrite::is_due(&core.state(), core.options.clock.now());
    // Nobody waits for it, so nobody is told.
    is_due.then(|| Request { work: Work::Rewrite(Rewrite::if_still_due()), give_up, reply: oneshot::channel().0 })
}

fn commit_all(core: &Core, batch: Vec<Waiting>, give_up: Duration) {
    if batch.is_empty() {
        return;
    }
    match core.lock(LockKind::Exclusive, core.wait_until(give_up)) {
        Ok(locked) => {
            commit_under(core, &locked, batch);
            rewrite::if_due(core, &locked);
        }
        Err(error) => answer_all(batch.into_iter().map(|(_, reply)| reply), &Err(error)),
    }
}

fn commit_under(core: &Core, locked: &Locked<'_>, batch: Vec<Waiting>) {
    let is_shared = batch.len() > 1;
    let mut rest = batch.into_iter().peekable();
    while rest.peek().is_some() {
        let mut joined = Joined::new(is_shared, core.options.clock.now());
        let mut replies = Vec::new();
        while let Some((commit, reply)) = rest.next_if(|(commit, _)| joined.has_room_for(commit)) {
            match joined.add(&core.state(), commit) {
                Ok(()) => replies.push(reply),
                Err(error) => drop(reply.send(Err(error))),
            }
        }
        if replies.is_empty() {
            continue;
        }
        let written = joined.write(core, locked);
        answer_all(replies, &written);
        if written.is_err() {
            // What is in memory need not fit the file any more: nothing more is written by it.
            return answer_all(rest.map(|(_, reply)| reply), &written);
        }
    }
}

fn answer_all(replies: impl IntoIterator<Item = oneshot::Sender<Result<usize>>>, outcome: &Result<()>) {
    for reply in replies {
        // An error cannot be copied with its cause; who waited together is told the same kind, words and remedy.
        let _ = reply.send(outcome.as_ref().map(|()| 0).map_err(|error| {
            let again = Error::new(error.kind(), error.message());
            error.hint().map_or_else(|| Error::new(error.kind(), error.message()), |hint| again.with_hint(hint))
        }));
    }
}
