//! Metrics of calls: lines that CloudWatch Logs makes metrics of, in the embedded metric format.
//!
//! Source: CloudWatch user guide, "Specification: Embedded metric format". One object a line: which of its members are
//! metrics and dimensions stands under `_aws`. Each combination of dimensions that occurs is a metric of its own, and is
//! billed as one: no id, user or principal is a dimension, nor is any in the line.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::audit::line::{Ending, source_name};
use crate::audit::stream_sink::{AuditStream, Stream};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::Result;
use crate::operation::{Operation, Source};

/// What takes the lines, each with its line break.
type Take = Box<dyn Fn(&[u8]) -> io::Result<()> + Send + Sync>;

/// Writes a line for each call. A line that is not taken at once is counted, and no call waits for it.
pub struct Metrics {
    take: Take,
    clock: Arc<dyn Clock>,
    lost: AtomicU64,
}

impl Metrics {
    /// Hands the lines to `take`.
    pub fn new(take: impl Fn(&[u8]) -> io::Result<()> + Send + Sync + 'static, clock: Arc<dyn Clock>) -> Self {
        Self { take: Box::new(take), clock, lost: AtomicU64::new(0) }
    }

    /// Writes the lines to a stream of this process.
    ///
    /// # Errors
    /// `Unavailable` where it is closed.
    pub fn to_stream(stream: Stream) -> Result<Self> {
        let out = AuditStream::new(stream, Duration::ZERO).opened()?;
        Ok(Self::new(move |line| out.write_line(line), Arc::new(SystemClock)))
    }

    /// How many lines were not taken.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// A call has begun. Dropped before it is ended, it counts as one whose end nobody knows.
    pub fn begin(&self, operation: Operation) -> Begun<'_> {
        Begun { metrics: self, operation, at: self.clock.now(), is_open: true }
    }

    fn write(&self, begun: &Begun<'_>, ending: Ending, source: Option<Source>) {
        let now = self.clock.now();
        let took = u64::try_from(now.since(begun.at).as_micros()).unwrap_or(u64::MAX);
        let line = line(now, begun.operation, (ending, source), took);
        if let Err(cause) = (self.take)(line.as_bytes())
            && self.lost.fetch_add(1, Ordering::Relaxed) == 0
        {
            tracing::warn!(%cause, "a metric was not taken, and more may be missing");
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("lost", &self.lost).finish_non_exhaustive()
    }
}

/// A call that is under way.
#[derive(Debug)]
pub struct Begun<'m> {
    metrics: &'m Metrics,
    operation: Operation,
    at: Timestamp,
    is_open: bool,
}

impl Begun<'_> {
    /// The call has ended so; its answer came from `source`, if there is one.
    pub fn end(mut self, ending: Ending, source: Option<Source>) {
        self.is_open = false;
        self.metrics.write(&self, ending, source);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.metrics.write(self, Ending::Unknown, None);
        }
    }
}

/// The line. All its texts are names of ours, so none needs an escape.
fn line(at: Timestamp, operation: Operation, end: (Ending, Option<Source>), micros: u64) -> String {
    let (ending, source) = end;
    let (more, source) = match source {
        Some(source) => (r#",["source"]"#, format!(r#","source":"{}""#, source_name(source))),
        None => ("", String::new()),
    };
    format!(
        concat!(
            r#"{{"_aws":{{"Timestamp":{at},"CloudWatchMetrics":[{{"Namespace":"tokenvault","#,
            r#""Dimensions":[["operation","outcome"]{more}],"Metrics":[{{"Name":"calls","Unit":"Count"}},"#,
            r#"{{"Name":"duration","Unit":"Microseconds"}}]}}]}},"#,
            r#""operation":"{operation}","outcome":"{outcome}"{source},"calls":1,"duration":{micros}}}"#,
            "\n"
        ),
        at = at.as_millis(),
        more = more,
        operation = operation.name(),
        outcome = ending.name(),
        source = source,
        micros = micros,
    )
}
