//! Lines on their way to the sink. Whoever finds nobody writing writes for all that wait, by one write: itself where the
//! sink takes lines at once, and by a task where it is a service, since nobody's patience may decide what becomes of the
//! lines of others.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Poll, Waker};

use rustix::process::{Pid, getpid};
use tokio::runtime::Handle;

use crate::audit::failure::Failure;
use crate::audit::fixed::Fixed;
use crate::audit::pending::{Batch, Drafting, Pending};
use crate::audit::writer::Writer;
use crate::clock::Timestamp;

/// How many bytes wait for a service at the most: some 40,000 lines.
const MAX_WAITING: usize = 8 * 1024 * 1024;

/// One process's way to the sink.
#[derive(Debug)]
pub(crate) struct Queue {
    process: Pid,
    fixed: Arc<Fixed>,
    pending: Pending,
    writer: tokio::sync::Mutex<Writer>,
}

impl Queue {
    pub(crate) fn new(fixed: Arc<Fixed>) -> Self {
        let writer = tokio::sync::Mutex::new(Writer::new(Arc::clone(&fixed)));
        Self { process: getpid(), fixed, pending: Pending::default(), writer }
    }

    /// Whether this process made it, and not the one it was forked from.
    pub(crate) fn is_ours(&self) -> bool {
        self.process == getpid()
    }

    /// A queue of this process, in the place of its parent's.
    pub(crate) fn after_fork(&self) -> Self {
        Self::new(Arc::clone(&self.fixed))
    }

    /// Has the lines written that `draft` adds. Answers once the sink has taken them.
    ///
    /// Dropping the future leaves it open whether they are written.
    pub(crate) async fn write(
        self: &Arc<Self>,
        now: Timestamp,
        drafting: Drafting<impl FnOnce(&mut Vec<u8>)>,
    ) -> Result<(), Failure> {
        if !self.fixed.sink.is_distant()
            && let Ok(mut writer) = self.writer.try_lock()
        {
            return writer.write_with(&self.pending, now, drafting).await;
        }
        let batch = self.enter(&drafted(drafting.draft), true, drafting.wants_proof)?;
        Box::pin(self.taken(batch)).await
    }

    /// As [`write`](Self::write), but that every later write tries again what was not taken.
    pub(crate) async fn write_or_keep(self: &Arc<Self>, drafts: &[u8]) -> Result<(), Failure> {
        let batch = self.enter_kept(drafts);
        self.taken(batch).await
    }

    /// The same, for who has something to do that cannot wait for a service.
    pub(crate) async fn write_ahead(self: &Arc<Self>, drafts: &[u8]) -> Result<(), Failure> {
        let batch = self.enter_kept(drafts);
        if self.fixed.sink.is_distant() { self.keep_writing() } else { self.taken(batch).await }
    }

    /// Has a checkpoint written, to see whether lines are taken.
    pub(crate) async fn probe(self: &Arc<Self>) -> Result<(), Failure> {
        let batch = {
            let mut waiting = self.pending.lock();
            waiting.load.wants_checkpoint = true;
            Arc::clone(&waiting.batch)
        };
        self.taken(batch).await
    }

    async fn taken(self: &Arc<Self>, batch: Arc<Batch>) -> Result<(), Failure> {
        if self.fixed.sink.is_distant() {
            self.keep_writing()?;
            return batch.wait().await;
        }
        let mut writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(_) => self.writer.lock().await,
        };
        if let Some(outcome) = batch.outcome() {
            return outcome;
        }
        writer.write(&self.pending).await
    }

    /// As [`write`](Self::write), for who does not wait for a service; what is not taken is counted as lost.
    pub(crate) async fn write_for_nobody(self: &Arc<Self>, drafts: &[u8]) {
        if self.fixed.sink.is_distant() {
            self.leave(drafts);
        } else if let Err(failure) = self
            .write(
                self.fixed.clock.now(),
                Drafting { draft: |out: &mut Vec<u8>| out.extend_from_slice(drafts), wants_proof: false },
            )
            .await
        {
            self.fixed.count_lost(1, &failure);
        }
    }

    /// As [`write`](Self::write), for who cannot wait at all: where the sink is busy, the lines are left to who comes next.
    pub(crate) fn write_now(self: &Arc<Self>, drafts: &[u8]) {
        if self.fixed.sink.is_distant() {
            return self.leave(drafts);
        }
        // The bound is for what a service holds up.
        let _ = self.enter(drafts, false, false);
        if let Ok(mut writer) = self.writer.try_lock() {
            let _ = now(writer.write(&self.pending));
        }
    }

    /// Writes what waits, and the chain's last line.
    pub(crate) async fn finish(&self) {
        self.writer.lock().await.end(&self.pending).await;
    }

    fn leave(self: &Arc<Self>, drafts: &[u8]) {
        match self.enter(drafts, false, false) {
            // Without a runtime they are left to who comes next.
            Ok(_) => drop(self.keep_writing()),
            Err(failure) => self.fixed.count_lost(1, &failure),
        }
    }

    fn enter(&self, drafts: &[u8], is_heard: bool, wants_proof: bool) -> Result<Arc<Batch>, Failure> {
        let mut waiting = self.pending.lock();
        if self.fixed.sink.is_distant() && waiting.load.drafts.len() + drafts.len() > MAX_WAITING {
            waiting.turn_away(drafts);
            return Err(Failure::new("too many lines wait to be taken already"));
        }
        waiting.load.drafts.extend_from_slice(drafts);
        waiting.load.wants_proof |= wants_proof;
        waiting.unheard += u64::from(!is_heard);
        Ok(Arc::clone(&waiting.batch))
    }

    fn enter_kept(&self, drafts: &[u8]) -> Arc<Batch> {
        let mut waiting = self.pending.lock();
        waiting.load.kept.extend_from_slice(drafts);
        Arc::clone(&waiting.batch)
    }

    /// Sees to it that somebody writes until nothing waits.
    fn keep_writing(self: &Arc<Self>) -> Result<(), Failure> {
        let runtime = Handle::try_current().map_err(Failure::new)?;
        if !std::mem::replace(&mut self.pending.lock().is_in_hand, true) {
            runtime.spawn(InHand { queue: Arc::clone(self), is_done: false }.write());
        }
        Ok(())
    }
}

/// What `draft` adds.
pub(crate) fn drafted(draft: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut drafts = Vec::with_capacity(512);
    draft(&mut drafts);
    drafts
}

/// The future's answer, if it has one without waiting.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Poll::from_waker(Waker::noop())) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

impl Drop for Queue {
    /// Ends the chain: where the sink is a service, only in a runtime that goes on.
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        if !self.fixed.sink.is_distant() {
            now(self.writer.get_mut().end(&self.pending));
        } else if let Ok(runtime) = Handle::try_current() {
            let mut writer = std::mem::replace(self.writer.get_mut(), Writer::new(Arc::clone(&self.fixed)));
            let pending = std::mem::take(&mut self.pending);
            runtime.spawn(async move { writer.end(&pending).await });
        }
    }
}

/// Writes for all.
struct InHand {
    queue: Arc<Queue>,
    is_done: bool,
}

impl InHand {
    async fn write(mut self) {
        while self.is_more() {
            // Who waits for it is answered, and what nobody waits for is counted.
            let _ = self.queue.writer.lock().await.write(&self.queue.pending).await;
        }
    }

    fn is_more(&mut self) -> bool {
        let mut waiting = self.queue.pending.lock();
        waiting.is_in_hand = !waiting.load.is_empty();
        self.is_done = !waiting.is_in_hand;
        waiting.is_in_hand
    }
}

impl Drop for InHand {
    /// Where the runtime ends before it is done, nobody else would answer those who wait.
    fn drop(&mut self) {
        if !self.is_done {
            self.queue.pending.lock().is_in_hand = false;
            self.queue.pending.give_up(&self.queue.fixed);
        }
    }
}
