//! Who writes next. At any time at most one thread of a process writes: a caller whose commit finds nobody else
//! writing does so itself, at no more cost than its own sync; all others wait, and the background thread takes them
//! together.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::backend::Commit;
use crate::backend::file::rewrite::Rewrite;
use crate::error::Result;

/// Something to write, how long to wait for the lock, and whom to tell.
pub(super) struct Request {
    pub(super) work: Work,
    /// The sum of [`Core::waited`](crate::backend::file::core::Core::waited) at which waiting is of no use any more: what
    /// was waited for those before it in the line counts.
    pub(super) give_up: Duration,
    pub(super) reply: oneshot::Sender<Result<usize>>,
}

pub(super) enum Work {
    Commit(Commit),
    Rewrite(Rewrite),
}

#[derive(Default)]
struct Line {
    waiting: Vec<Request>,
    /// Somebody is writing; whoever it is looks at the line again when done.
    is_led: bool,
    is_closed: bool,
}

/// The line of those who wait to write.
#[derive(Default)]
pub(super) struct Queue {
    line: Mutex<Line>,
    changed: Condvar,
}

impl Queue {
    fn line(&self) -> MutexGuard<'_, Line> {
        // No code that can panic runs under this lock.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the request back where the caller is to write it: nobody is writing, and nobody waits. Then it must call
    /// [`done`](Self::done). Else the background thread takes it.
    pub(super) fn enter(&self, request: Request, may_lead: bool) -> Option<Request> {
        let mut line = self.line();
        if may_lead && !line.is_led && line.waiting.is_empty() {
            line.is_led = true;
            return Some(request);
        }
        line.waiting.push(request);
        drop(line);
        self.changed.notify_one();
        None
    }

    /// Ends a turn. What is left over goes to the background thread.
    pub(super) fn done(&self, left_over: impl IntoIterator<Item = Request>) {
        let mut line = self.line();
        line.is_led = false;
        line.waiting.splice(0..0, left_over);
        let is_awaited = !line.waiting.is_empty();
        drop(line);
        if is_awaited {
            self.changed.notify_one();
        }
    }

    /// For the background thread: waits for its turn, and takes all that wait. `None` once the line is closed and
    /// empty.
    pub(super) fn take(&self) -> Option<Vec<Request>> {
        let mut line = self.line();
        loop {
            if !line.is_led && !line.waiting.is_empty() {
                line.is_led = true;
                return Some(std::mem::take(&mut line.waiting));
            }
            if line.is_closed && line.waiting.is_empty() {
                return None;
            }
            line = self.changed.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nobody enters any more.
    pub(super) fn close(&self) {
        self.line().is_closed = true;
        self.changed.notify_one();
    }
}
