//! From drafts to lines that a sink has taken: sealed into a chain, or into another one after a failure.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::chain::{Chain, Mark};
use crate::audit::failure::Failure;
use crate::audit::fixed::Fixed;
use crate::audit::keys::Mac;
use crate::audit::line::Kind;
use crate::audit::pending::{Drafting, Load, Pending, count_lines};
use crate::audit::sink::{End, Sink};
use crate::clock::Timestamp;
use crate::error::Error;

/// A checkpoint follows after so many lines,
const CHECKPOINT_LINES: u64 = 1000;
/// or with the first line after so long.
const CHECKPOINT_TIME: Duration = Duration::from_mins(10);

/// The sink, and the chain that is written to it.
#[derive(Debug)]
pub(crate) struct Writer {
    fixed: Arc<Fixed>,
    sink: Option<Box<dyn Sink>>,
    chain: Option<Chain>,
    /// Of the last line that was taken, as far as nothing has to be written again.
    last: Option<Mac>,
    /// When the last checkpoint was written.
    checked_at: Timestamp,
    /// What is being written, and what was: kept for their room.
    lines: Vec<u8>,
    load: Load,
    /// Drafts that the sink has taken, and that are in it if it was not gone by then.
    unsettled: Vec<u8>,
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
            unsettled: Vec::new(),
        }
    }

    /// Writes all that waits.
    pub(crate) async fn write(&mut self, pending: &Pending) -> Result<(), Failure> {
        let now = self.fixed.clock.now();
        self.write_with(pending, now, Drafting { draft: |_: &mut Vec<u8>| (), wants_proof: false }).await
    }

    /// Writes all that waits, and what `draft` adds behind it.
    pub(crate) async fn write_with(
        &mut self,
        pending: &Pending,
        now: Timestamp,
        drafting: Drafting<impl FnOnce(&mut Vec<u8>)>,
    ) -> Result<(), Failure> {
        let fixed = Arc::clone(&self.fixed);
        let answering = pending.take(&mut self.load, drafting, &fixed);
        if self.load.is_empty() {
            // Whoever had the sink before has written it all, and may have ended the chain: another would have no end.
            return answering.with(Ok(()));
        }
        let mut outcome = self.write_load(pending, answering.untold, now).await;
        if matches!(&outcome, Err(Refused::Gone(_))) {
            // Somebody took the file away, as who rotates logs does. It is made anew.
            self.load.put_first(&mut self.unsettled);
            outcome = Box::pin(self.write_load(pending, answering.untold, now)).await;
        }
        let outcome = outcome.map_err(Refused::into_failure);
        match &outcome {
            Ok(()) => self.remember_unsettled(),
            Err(failure) => {
                self.unsettled.clear();
                let given_up = self.load.bound();
                fixed.count_lost(given_up, failure);
                pending.count_untold(given_up);
            }
        }
        answering.with(outcome)
    }

    fn remember_unsettled(&mut self) {
        if self.sink.as_ref().is_none_or(|sink| sink.is_settled()) {
            self.unsettled.clear();
            self.last = self.chain.as_ref().map(Chain::mac);
        } else {
            self.unsettled.extend_from_slice(&self.load.kept);
            self.unsettled.extend_from_slice(&self.load.drafts);
        }
        self.load.kept.clear();
    }

    /// `untold` lines are missing that no line speaks of yet.
    async fn write_load(&mut self, pending: &Pending, untold: u64, now: Timestamp) -> Result<(), Refused> {
        // Put back only where all went well: after a failure nobody knows what is there, so another chain begins.
        let (sink, chain) = (self.sink.take(), self.chain.take());
        let mut sink = match sink {
            Some(sink) => sink,
            None => {
                // Nobody can ask the sink before it any more.
                self.unsettled.clear();
                self.fixed.sink.open().map_err(Refused::Unopened)?
            }
        };
        match self.write_to(&mut *sink, chain, untold, now).await {
            Ok((chain, told)) => {
                (self.sink, self.chain) = (Some(sink), Some(chain));
                pending.tell(told);
                Ok(())
            }
            Err(Refused::Unwritten(error)) => Err(Box::pin(refused(&mut *sink, error)).await),
            Err(other) => Err(other),
        }
    }

    /// Answers the chain, and how many of the missing lines it tells of.
    async fn write_to(
        &mut self,
        sink: &mut dyn Sink,
        chain: Option<Chain>,
        untold: u64,
        now: Timestamp,
    ) -> Result<(Chain, u64), Refused> {
        self.lines.clear();
        let (mut chain, mut told) = match chain {
            Some(chain) => (chain, 0),
            None => (Box::pin(self.begin(sink, untold)).await?, untold),
        };
        let keys = &self.fixed.keys;
        let before = chain.sequence();
        for draft in self.load.lines() {
            chain.seal(keys, draft, &mut self.lines);
        }
        let is_long = chain.sequence() / CHECKPOINT_LINES > before / CHECKPOINT_LINES;
        if is_long || self.load.wants_checkpoint || now.since(self.checked_at) >= CHECKPOINT_TIME {
            let End { mac, .. } = sink.end(Some(chain.id())).await?;
            self.checked_at = now;
            let mark = Mark { at: self.checked_at, before: mac.as_ref(), lost: untold - told };
            chain.mark(keys, Kind::Checkpoint, mark, &mut self.lines);
            told = untold;
        }
        sink.write(&self.lines, now).await?;
        if self.load.wants_proof && !sink.is_settled() {
            sink.settle().await?;
        }
        Ok((chain, told))
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

    /// Finds out whether a sink that took lines was gone. If so, the next write writes them again.
    async fn settle(&mut self) {
        let Some(sink) = &mut self.sink else { return };
        if self.unsettled.is_empty() {
            return;
        }
        match sink.settle().await.map_err(Refused::from) {
            Ok(()) => self.remember_unsettled(),
            Err(Refused::Gone(_)) => {
                (self.sink, self.chain) = (None, None);
                self.load.put_first(&mut self.unsettled);
            }
            Err(_) => {}
        }
    }

    /// Writes what waits; whether nothing does any more.
    async fn is_written(&mut self, pending: &Pending) -> bool {
        let is_waiting = !pending.lock().load.is_empty() || !self.load.kept.is_empty();
        !is_waiting || self.write(pending).await.is_ok()
    }

    /// Writes what nobody waited for, and the chain's last line.
    pub(crate) async fn end(&mut self, pending: &Pending) {
        let mut is_written = self.is_written(pending).await;
        if is_written {
            self.settle().await;
            is_written = self.is_written(pending).await;
        }
        if !is_written {
            // Nobody comes who would write them.
            let lines = count_lines(&std::mem::take(&mut self.load.kept));
            tracing::error!(sink = %self.fixed.sink, lines, "the audit trail could not be ended, and lines of calls that were answered are missing");
            return;
        }
        let (Some(mut sink), Some(mut chain)) = (self.sink.take(), self.chain.take()) else { return };
        let before = sink.end(Some(chain.id())).await.ok().and_then(|end| end.mac);
        self.lines.clear();
        let (lost, at) = (pending.untold(), self.fixed.clock.now());
        let mark = Mark { at, before: before.as_ref(), lost };
        chain.mark(&self.fixed.keys, Kind::End, mark, &mut self.lines);
        match sink.write(&self.lines, at).await {
            Ok(()) => pending.tell(lost),
            Err(error) => tracing::error!(%error, "the audit trail could not be ended"),
        }
    }
}

/// Why a sink takes no lines. Where it is gone, that tells what becomes of those that it took.
async fn refused(sink: &mut dyn Sink, error: io::Error) -> Refused {
    match sink.settle().await.map_err(Refused::from) {
        Err(gone @ Refused::Gone(_)) => gone,
        _ => Refused::from(error),
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
