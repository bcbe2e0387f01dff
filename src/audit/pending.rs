//! Drafts of lines that wait to be written, and the answers to who waits for them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memchr::memchr_iter;
use tokio::sync::SetOnce;

use crate::audit::failure::Failure;
use crate::audit::fixed::Fixed;

/// How many bytes of kept lines there are at the most: some 500 lines.
const MAX_KEPT: usize = 128 * 1024;

/// Lines that are written together, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Batch(SetOnce<Result<(), Failure>>);

impl Batch {
    /// What came of it, if that is known.
    pub(crate) fn outcome(&self) -> Option<Result<(), Failure>> {
        self.0.get().cloned()
    }

    /// Waits for what comes of it.
    pub(crate) async fn wait(&self) -> Result<(), Failure> {
        self.0.wait().await.clone()
    }
}

/// What adds the lines of one call.
pub(crate) struct Drafting<D> {
    pub(crate) draft: D,
    /// See [`Load::wants_proof`].
    pub(crate) wants_proof: bool,
}

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct Pending(Mutex<Waiting>);

/// What one write is to take. Each draft has its line break.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Drafts of calls that nobody may be lied to about: where they are not taken, the next write tries them again, and one
    /// may be in the trail twice.
    pub(crate) kept: Vec<u8>,
    pub(crate) drafts: Vec<u8>,
    /// A checkpoint is wanted, whether it is due or not.
    pub(crate) wants_checkpoint: bool,
    /// The answer is not to be had before it is known that the lines are where others find them.
    pub(crate) wants_proof: bool,
}

impl Load {
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.drafts.is_empty() && !self.wants_checkpoint
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        [&self.kept, &self.drafts]
            .into_iter()
            .flat_map(|drafts| {
                let mut start = 0;
                memchr_iter(b'\n', drafts).map(move |end| drafts.get(std::mem::replace(&mut start, end + 1)..end))
            })
            .flatten()
    }

    /// Takes what waits, behind what is kept.
    fn take(&mut self, waiting: &mut Self) {
        self.kept.append(&mut waiting.kept);
        self.drafts.clear();
        std::mem::swap(&mut self.drafts, &mut waiting.drafts);
        self.wants_checkpoint = std::mem::take(&mut waiting.wants_checkpoint);
        self.wants_proof = std::mem::take(&mut waiting.wants_proof) || !self.kept.is_empty() || self.wants_checkpoint;
    }

    /// Keeps `earlier`, before all else.
    pub(crate) fn put_first(&mut self, earlier: &mut Vec<u8>) {
        earlier.append(&mut self.kept);
        std::mem::swap(&mut self.kept, earlier);
    }

    /// Gives up the oldest of what is kept, where that is more than can be; how many lines that were.
    pub(crate) fn bound(&mut self) -> u64 {
        let Some(over) = self.kept.len().checked_sub(MAX_KEPT) else { return 0 };
        let end =
            self.kept.iter().skip(over).position(|byte| *byte == b'\n').map_or(self.kept.len(), |at| over + at + 1);
        count_lines(self.kept.drain(..end).as_slice())
    }
}

pub(crate) fn count_lines(drafts: &[u8]) -> u64 {
    memchr_iter(b'\n', drafts).count() as u64
}

#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) load: Load,
    /// What it is part of.
    pub(crate) batch: Arc<Batch>,
    /// How many of the calls that they are about wait for no outcome.
    pub(crate) unheard: u64,
    /// Somebody writes until nothing waits.
    pub(crate) is_in_hand: bool,
    /// How many lines were not taken, and no line in the trail says so.
    untold: u64,
}

impl Waiting {
    /// Counts the lines of `drafts`, for which there is no room.
    pub(crate) fn turn_away(&mut self, drafts: &[u8]) {
        self.untold += count_lines(drafts);
    }
}

impl Pending {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all that waits, and what `draft` adds behind it. Whoever waits is answered when what is returned is dropped, at
    /// the latest.
    pub(crate) fn take<'f>(
        &'f self,
        load: &mut Load,
        drafting: Drafting<impl FnOnce(&mut Vec<u8>)>,
        fixed: &'f Fixed,
    ) -> Answering<'f> {
        let mut waiting = self.lock();
        // Whoever waits has left something.
        let batch = (!waiting.load.is_empty()).then(|| std::mem::take(&mut waiting.batch));
        load.take(&mut waiting.load);
        let mut answering = self.answering(&mut waiting, batch, 0, fixed);
        drop(waiting);
        (drafting.draft)(&mut load.drafts);
        load.wants_proof |= drafting.wants_proof;
        answering.lines = count_lines(&load.drafts);
        answering
    }

    /// How many lines were not taken, and no line in the trail says so.
    pub(crate) fn untold(&self) -> u64 {
        self.lock().untold
    }

    pub(crate) fn count_untold(&self, lines: u64) {
        self.lock().untold += lines;
    }

    /// A line in the trail tells of so many.
    pub(crate) fn tell(&self, lines: u64) {
        if lines > 0 {
            self.lock().untold -= lines;
        }
    }

    /// Answers whoever waits that nobody writes, and gives up the lines but for those that are kept: who comes next writes
    /// them.
    pub(crate) fn give_up(&self, fixed: &Fixed) {
        let mut waiting = self.lock();
        let given_up = waiting.load.bound();
        let lines = count_lines(&std::mem::take(&mut waiting.load.drafts)) + given_up;
        (waiting.load.wants_checkpoint, waiting.load.wants_proof) = (false, false);
        let batch = std::mem::take(&mut waiting.batch);
        let answering = self.answering(&mut waiting, Some(batch), lines, fixed);
        drop(waiting);
        let failure = broken_off();
        fixed.count_lost(given_up, &failure);
        let _ = answering.with(Err(failure));
    }

    fn answering<'f>(
        &'f self,
        waiting: &mut Waiting,
        batch: Option<Arc<Batch>>,
        lines: u64,
        fixed: &'f Fixed,
    ) -> Answering<'f> {
        let (unheard, untold) = (std::mem::take(&mut waiting.unheard), waiting.untold);
        Answering { batch, unheard, untold, lines, is_done: false, pending: self, fixed }
    }
}

/// Answers whoever waits, also where the writer was broken off.
pub(crate) struct Answering<'f> {
    /// `None` where nobody waits.
    batch: Option<Arc<Batch>>,
    unheard: u64,
    /// How many lines were missing before, and no line in the trail says so.
    pub(crate) untold: u64,
    /// How many lines are not in the trail, unless they are taken.
    lines: u64,
    is_done: bool,
    pending: &'f Pending,
    fixed: &'f Fixed,
}

impl Answering<'_> {
    pub(crate) fn with(mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        self.answer(&outcome);
        outcome
    }

    fn answer(&mut self, outcome: &Result<(), Failure>) {
        self.is_done = true;
        if let Err(failure) = outcome {
            self.pending.count_untold(self.lines);
            self.fixed.count_lost(self.unheard, failure);
        }
        if let Some(batch) = &self.batch {
            // Nobody else answers it.
            let _ = batch.0.set(outcome.clone());
        }
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.answer(&Err(broken_off()));
        }
    }
}

fn broken_off() -> Failure {
    Failure::new("the write was broken off")
}
