//! From drafts to lines that a sink has taken: sealed into a chain, or into another one after a failure.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use memchr::memchr_iter;
use tokio::sync::SetOnce;

use crate::audit::chain::{Chain, Mark};
use crate::audit::failure::Failure;
use crate::audit::keys::{Keys, Mac};
use crate::audit::line::Kind;
use crate::audit::sink::{End, OpenSink, Sink};
use crate::clock::{Clock, Timestamp};
use crate::error::Error;

/// A checkpoint follows after so many lines,
const CHECKPOINT_LINES: u64 = 1000;
/// or with the first line after so long.
const CHECKPOINT_TIME: Duration = Duration::from_mins(10);

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
}

impl Load {
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.drafts.is_empty() && !self.wants_checkpoint
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
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
    }

    /// Gives up the oldest of what is kept, where that is more than can be; how many lines that were.
    fn bound(&mut self) -> u64 {
        let Some(over) = self.kept.len().checked_sub(MAX_KEPT) else { return 0 };
        let end =
            self.kept.iter().skip(over).position(|byte| *byte == b'\n').map_or(self.kept.len(), |at| over + at + 1);
        count_lines(self.kept.drain(..end).as_slice())
    }
}

fn count_lines(drafts: &[u8]) -> u64 {
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

    /// Takes all that waits. Whoever waits for it is answered when what is returned is dropped, at the latest.
    fn take<'f>(&'f self, load: &mut Load, fixed: &'f Fixed) -> Answering<'f> {
        let mut waiting = self.lock();
        load.take(&mut waiting.load);
        self.answering(&mut waiting, count_lines(&load.drafts), fixed)
    }

    /// Answers whoever waits that nobody writes, and gives up the lines but for those that are kept: who comes next writes
    /// them.
    pub(crate) fn give_up(&self, fixed: &Fixed) {
        let mut waiting = self.lock();
        let given_up = waiting.load.bound();
        let lines = count_lines(&std::mem::take(&mut waiting.load.drafts)) + given_up;
        waiting.load.wants_checkpoint = false;
        let answering = self.answering(&mut waiting, lines, fixed);
        drop(waiting);
        let failure = broken_off();
        fixed.count_lost(given_up, &failure);
        let _ = answering.with(Err(failure));
    }

    fn answering<'f>(&'f self, waiting: &mut Waiting, lines: u64, fixed: &'f Fixed) -> Answering<'f> {
        let (batch, unheard) = (std::mem::take(&mut waiting.batch), std::mem::take(&mut waiting.unheard));
        Answering { batch, unheard, lines, pending: self, fixed }
    }
}

/// What never changes, and a writer needs.
#[derive(Debug)]
pub(crate) struct Fixed {
    pub(crate) sink: Arc<dyn OpenSink>,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
    /// The requests that it took to come by the keys.
    pub(crate) requests: Vec<String>,
    /// How many lines were not taken, of calls that went on without.
    pub(crate) lost: AtomicU64,
}

impl Fixed {
    /// Counts lines that were not taken, of calls that go on without, and tells of the first.
    pub(crate) fn count_lost(&self, count: u64, failure: &Failure) {
        if count > 0 && self.lost.fetch_add(count, Ordering::Relaxed) == 0 {
            tracing::error!(sink = %self.sink, cause = %failure, "the audit trail has lost a line, and may lose more");
        }
    }
}

/// The sink, and the chain that is written to it.
#[derive(Debug)]
pub(crate) struct Writer {
    fixed: Arc<Fixed>,
    sink: Option<Box<dyn Sink>>,
    chain: Option<Chain>,
    /// Of the last line that was taken.
    last: Option<Mac>,
    /// When the last checkpoint was written.
    checked_at: Timestamp,
    /// What is being written, and what was: kept for their room.
    lines: Vec<u8>,
    load: Load,
}

/// Answers a batch, also where its writer was broken off.
pub(crate) struct Answering<'f> {
    batch: Arc<Batch>,
    unheard: u64,
    /// How many lines are not in the trail, unless they are taken.
    lines: u64,
    pending: &'f Pending,
    fixed: &'f Fixed,
}

impl Answering<'_> {
    pub(crate) fn with(&self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        // An outcome that is there already is this one.
        if self.batch.0.set(outcome.clone()).is_ok()
            && let Err(failure) = &outcome
        {
            self.pending.lock().untold += self.lines;
            self.fixed.count_lost(self.unheard, failure);
        }
        outcome
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        if self.batch.outcome().is_none() {
            let _ = self.with(Err(broken_off()));
        }
    }
}

fn broken_off() -> Failure {
    Failure::new("the write was broken off")
}

impl Writer {
    pub(crate) fn new(fixed: Arc<Fixed>) -> Self {
        Self {
            fixed,
            sink: None,
            chain: None,
            last: None,
            checked_at: Timestamp::default(),
            lines: Vec::new(),
            load: Load::default(),
        }
    }

    /// Writes all that waits.
    pub(crate) async fn write(&mut self, pending: &Pending) -> Result<(), Failure> {
        let fixed = Arc::clone(&self.fixed);
        let answering = pending.take(&mut self.load, &fixed);
        if self.load.is_empty() {
            // Whoever had the sink before has written it all, and may have ended the chain: another would have no end.
            return answering.with(Ok(()));
        }
        let mut outcome = self.write_load(pending).await;
        if matches!(&outcome, Err(Refused::Gone(_))) {
            // Somebody took the file away, as who rotates logs does. It is made anew.
            outcome = self.write_load(pending).await;
        }
        let outcome = outcome.map_err(Refused::into_failure);
        match &outcome {
            Ok(()) => self.load.kept.clear(),
            Err(failure) => {
                let given_up = self.load.bound();
                fixed.count_lost(given_up, failure);
                pending.lock().untold += given_up;
            }
        }
        answering.with(outcome)
    }

    async fn write_load(&mut self, pending: &Pending) -> Result<(), Refused> {
        // Put back only where all went well: after a failure nobody knows what is there, so another chain begins.
        let sink = self.sink.take();
        let mut chain = self.chain.take();
        let mut sink = match sink {
            Some(sink) => sink,
            None => self.fixed.sink.open().map_err(Refused::Unopened)?,
        };
        self.lines.clear();
        let untold = pending.lock().untold;
        let mut told = 0;
        let mut chain = match chain.take() {
            Some(chain) => chain,
            None => {
                told = untold;
                self.begin(&mut *sink, told).await?
            }
        };
        let keys = &self.fixed.keys;
        let before = chain.sequence();
        for draft in self.load.lines() {
            chain.seal(keys, draft, &mut self.lines);
        }
        let is_long = chain.sequence() / CHECKPOINT_LINES > before / CHECKPOINT_LINES;
        if is_long || self.load.wants_checkpoint || self.is_checkpoint_due() {
            let End { mac, .. } = sink.end(Some(chain.id())).await?;
            self.checked_at = self.fixed.clock.now();
            let mark = Mark { at: self.checked_at, before: mac.as_ref(), lost: untold - told };
            chain.mark(keys, Kind::Checkpoint, mark, &mut self.lines);
            told = untold;
        }
        sink.write(&self.lines).await?;
        self.last = Some(chain.mac());
        (self.sink, self.chain) = (Some(sink), Some(chain));
        pending.lock().untold -= told;
        Ok(())
    }

    /// Begins another chain, whose first line names the last one that is there.
    async fn begin(&mut self, sink: &mut dyn Sink, lost: u64) -> Result<Chain, Refused> {
        let End { mac, is_torn } = sink.end(None).await?;
        if is_torn {
            self.lines.push(b'\n');
        }
        let mut chain = Chain::new().map_err(Refused::Unopened)?;
        self.checked_at = self.fixed.clock.now();
        let before = mac.or(self.last);
        let mark = Mark { at: self.checked_at, before: before.as_ref(), lost };
        chain.begin(&self.fixed.keys, mark, &self.fixed.requests, &mut self.lines);
        Ok(chain)
    }

    fn is_checkpoint_due(&self) -> bool {
        self.fixed.clock.now().since(self.checked_at) >= CHECKPOINT_TIME
    }

    /// Writes what nobody waited for, and the chain's last line.
    pub(crate) async fn end(&mut self, pending: &Pending) {
        let is_waiting = !pending.lock().load.is_empty() || !self.load.kept.is_empty();
        if is_waiting && self.write(pending).await.is_err() {
            return;
        }
        let (Some(mut sink), Some(mut chain)) = (self.sink.take(), self.chain.take()) else { return };
        let before = sink.end(Some(chain.id())).await.ok().and_then(|end| end.mac);
        self.lines.clear();
        let lost = pending.lock().untold;
        let mark = Mark { at: self.fixed.clock.now(), before: before.as_ref(), lost };
        chain.mark(&self.fixed.keys, Kind::End, mark, &mut self.lines);
        match sink.write(&self.lines).await {
            Ok(()) => pending.lock().untold -= lost,
            Err(error) => tracing::error!(%error, "the audit trail could not be ended"),
        }
    }
}

/// Why lines were not taken.
enum Refused {
    Unopened(Error),
    Gone(io::Error),
    Unwritten(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Gone(error) } else { Self::Unwritten(error) }
    }
}

impl Refused {
    fn into_failure(self) -> Failure {
        match self {
            Self::Unopened(error) => Failure::new(error),
            Self::Gone(error) | Self::Unwritten(error) => Failure::new(error),
        }
    }
}
