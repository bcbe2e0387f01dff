//! Lines on their way to the sink. Whoever finds nobody writing writes for all that wait, by one write.

use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context as Poll, Waker};
use std::time::Duration;

use crate::audit::chain::Chain;
use crate::audit::keys::{Keys, Mac};
use crate::audit::line::Kind;
use crate::audit::sink::{End, OpenSink, Sink};
use crate::clock::{Clock, Timestamp};
use crate::error::Error;

/// A checkpoint follows after so many lines,
const CHECKPOINT_LINES: u64 = 1000;
/// or with the first line after so long.
const CHECKPOINT_TIME: Duration = Duration::from_mins(10);

/// Why a line was not taken.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Arc<dyn std::error::Error + Send + Sync>);

impl Failure {
    fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Arc::from(cause.into()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// Lines that are written together, and what came of it.
#[derive(Debug, Default)]
struct Batch(OnceLock<Result<(), Failure>>);

#[derive(Debug, Default)]
struct Pending {
    /// Drafts, each with its line break.
    drafts: Vec<u8>,
    batch: Arc<Batch>,
}

/// What never changes, and a writer needs.
#[derive(Debug)]
pub(crate) struct Fixed {
    pub(crate) sink: Arc<dyn OpenSink>,
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
}

/// One process's way to the sink.
#[derive(Debug)]
pub(crate) struct Queue {
    process: u32,
    fixed: Arc<Fixed>,
    pending: Mutex<Pending>,
    writer: tokio::sync::Mutex<Writer>,
}

impl Queue {
    pub(crate) fn new(fixed: Arc<Fixed>) -> Self {
        let writer = Writer::new(Arc::clone(&fixed));
        Self { process: std::process::id(), fixed, pending: Mutex::default(), writer: tokio::sync::Mutex::new(writer) }
    }

    /// Whether this process made it, and not the one it was forked from.
    pub(crate) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// A queue of this process, in the place of its parent's.
    pub(crate) fn after_fork(&self) -> Self {
        Self::new(Arc::clone(&self.fixed))
    }

    /// Has the lines of `drafts` written. Answers once the sink has taken them.
    ///
    /// Dropping the future leaves it open whether they are written.
    pub(crate) async fn write(&self, drafts: &[u8]) -> Result<(), Failure> {
        let batch = self.enter(drafts);
        let mut writer = match self.writer.try_lock() {
            Ok(writer) => writer,
            Err(_) => self.writer.lock().await,
        };
        if let Some(outcome) = batch.0.get() {
            return outcome.clone();
        }
        writer.write(&self.pending).await
    }

    /// As [`write`](Self::write), for who cannot wait: where the sink is busy, the lines are left to who comes next.
    pub(crate) fn write_now(&self, drafts: &[u8]) -> Option<Result<(), Failure>> {
        self.enter(drafts);
        let mut writer = self.writer.try_lock().ok()?;
        now(writer.write(&self.pending))
    }

    fn enter(&self, drafts: &[u8]) -> Arc<Batch> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.drafts.extend_from_slice(drafts);
        Arc::clone(&pending.batch)
    }
}

/// The future's answer, if it has one without waiting.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Poll::from_waker(Waker::noop())) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

impl Drop for Queue {
    /// Ends the chain.
    fn drop(&mut self) {
        if self.is_ours() {
            now(self.writer.get_mut().end(&self.pending));
        }
    }
}

/// The sink, and the chain that is written to it.
#[derive(Debug)]
struct Writer {
    fixed: Arc<Fixed>,
    sink: Option<Box<dyn Sink>>,
    chain: Option<Chain>,
    /// Of the last line that was taken.
    last: Option<Mac>,
    /// When the last checkpoint was written.
    checked_at: Timestamp,
    /// Lines that were not taken.
    lost: u64,
    /// What is being written, and what was: kept for their room.
    lines: Vec<u8>,
    drafts: Vec<u8>,
}

/// Answers a batch, also where its writer was broken off.
struct Answering(Arc<Batch>);

impl Answering {
    fn with(&self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        self.0.0.get_or_init(|| outcome).clone()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.get_or_init(|| Err(Failure::new("the write was broken off")));
    }
}

impl Writer {
    fn new(fixed: Arc<Fixed>) -> Self {
        Self {
            fixed,
            sink: None,
            chain: None,
            last: None,
            checked_at: Timestamp::default(),
            lost: 0,
            lines: Vec::new(),
            drafts: Vec::new(),
        }
    }

    /// Writes all that waits.
    async fn write(&mut self, pending: &Mutex<Pending>) -> Result<(), Failure> {
        self.drafts.clear();
        let answering = {
            let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut pending.drafts, &mut self.drafts);
            Answering(std::mem::take(&mut pending.batch))
        };
        let mut outcome = self.write_drafts().await;
        if matches!(&outcome, Err(Refused::Gone(_))) {
            // Somebody took the file away, as who rotates logs does. It is made anew.
            outcome = self.write_drafts().await;
        }
        if outcome.is_err() {
            self.lost += self.drafts.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        answering.with(outcome.map_err(Refused::into_failure))
    }

    async fn write_drafts(&mut self) -> Result<(), Refused> {
        // Put back only where all went well: after a failure nobody knows what is there, so another chain begins.
        let sink = self.sink.take();
        let mut chain = self.chain.take();
        let mut sink = match sink {
            Some(sink) => sink,
            None => self.fixed.sink.open().map_err(Refused::Unopened)?,
        };
        let keys = &self.fixed.keys;
        self.lines.clear();
        let mut chain = match chain.take() {
            Some(chain) => chain,
            None => {
                let End { mac, is_torn } = sink.end(None).await?;
                if is_torn {
                    self.lines.push(b'\n');
                }
                let mut chain = Chain::new().map_err(Refused::Unopened)?;
                self.checked_at = self.fixed.clock.now();
                chain.begin(keys, self.checked_at, mac.or(self.last).as_ref(), self.lost, &mut self.lines);
                chain
            }
        };
        let before = chain.sequence();
        for draft in self.drafts.split(|byte| *byte == b'\n').filter(|draft| !draft.is_empty()) {
            chain.seal(keys, draft, &mut self.lines);
        }
        if chain.sequence() / CHECKPOINT_LINES > before / CHECKPOINT_LINES || self.is_checkpoint_due() {
            let End { mac, .. } = sink.end(Some(chain.id())).await?;
            self.checked_at = self.fixed.clock.now();
            chain.mark(keys, self.checked_at, Kind::Checkpoint, mac.as_ref(), &mut self.lines);
        }
        sink.write(&self.lines).await?;
        self.last = Some(chain.mac());
        (self.sink, self.chain, self.lost) = (Some(sink), Some(chain), 0);
        Ok(())
    }

    fn is_checkpoint_due(&self) -> bool {
        self.fixed.clock.now().since(self.checked_at) >= CHECKPOINT_TIME
    }

    /// Writes what nobody waited for, and the chain's last line.
    async fn end(&mut self, pending: &Mutex<Pending>) {
        let is_waiting = !pending.lock().unwrap_or_else(PoisonError::into_inner).drafts.is_empty();
        if is_waiting && self.write(pending).await.is_err() {
            return;
        }
        let (Some(mut sink), Some(mut chain)) = (self.sink.take(), self.chain.take()) else { return };
        let before = sink.end(Some(chain.id())).await.ok().and_then(|end| end.mac);
        self.lines.clear();
        let at = self.fixed.clock.now();
        chain.mark(&self.fixed.keys, at, Kind::End, before.as_ref(), &mut self.lines);
        if let Err(error) = sink.write(&self.lines).await {
            tracing::error!(%error, "the audit trail could not be ended");
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
