//! Writing: PutLogEvents takes all lines of a write, or the write has failed.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types::{InputLogEvent, RejectedLogEventsInfo};

use crate::audit::cloudwatch::CloudWatchLogs;
use crate::audit::cloudwatch::batch::batches;
use crate::audit::cloudwatch::fault::{Fault, FaultKind, ask};
use crate::audit::sink::{End, OpenSink, Sink};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// How long a write may take, with all its calls and waits.
const PATIENCE: Duration = Duration::from_secs(10);

impl OpenSink for CloudWatchLogs {
    /// Nothing is called yet: whether the group is there shows at the first line.
    fn open(&self) -> Result<Box<dyn Sink>> {
        let stream = self.stream.clone().ok_or_else(|| {
            Error::invalid("the audit trail names a log group, and no stream in it to write to")
                .with_hint("write cloudwatch:GROUP:STREAM")
        })?;
        Ok(Box::new(StreamOfLogs { logs: self.clone(), stream }))
    }

    fn is_distant(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct StreamOfLogs {
    logs: CloudWatchLogs,
    stream: String,
}

#[async_trait]
impl Sink for StreamOfLogs {
    async fn write(&mut self, lines: &[u8], _: Timestamp) -> io::Result<()> {
        let put = async {
            for batch in batches(lines)? {
                self.put(&batch.events).await.map_err(io::Error::other)?;
            }
            Ok(())
        };
        match tokio::time::timeout(PATIENCE, put).await {
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "CloudWatch Logs did not take it within 10 seconds")),
        }
    }

    /// What is there is not asked: nobody can take single events out of a stream, a link from one chain to another would go
    /// with the stream, and reading is a right that a writer need not have.
    async fn end(&mut self, _: Option<&str>) -> io::Result<End> {
        Ok(End::default())
    }
}

impl StreamOfLogs {
    async fn put(&self, events: &[InputLogEvent]) -> Result<()> {
        let explained = |fault: Fault| fault.explained(&self.logs.group);
        match self.put_once(events).await {
            Err(fault) if fault.kind == FaultKind::Missing => {
                self.make_stream().await.map_err(explained)?;
                self.put_once(events).await.map_err(explained)?
            }
            outcome => outcome.map_err(explained)?,
        }
    }

    /// The call itself, and what became of its events.
    async fn put_once(&self, events: &[InputLogEvent]) -> Result<Result<()>, Fault> {
        let call = || {
            let call = self.logs.client.put_log_events().log_group_name(&self.logs.group);
            call.log_stream_name(&self.stream).set_log_events(Some(events.to_vec())).send()
        };
        let answer = ask("PutLogEvents", call).await?;
        Ok(answer.rejected_log_events_info().map_or(Ok(()), |info| Err(rejected(info))))
    }

    /// Makes the stream, which another process may have made meanwhile. Where the group is missing, so says the fault.
    async fn make_stream(&self) -> Result<(), Fault> {
        let call = || {
            let call = self.logs.client.create_log_stream().log_group_name(&self.logs.group);
            call.log_stream_name(&self.stream).send()
        };
        match ask("CreateLogStream", call).await {
            Err(fault) if fault.kind != FaultKind::Exists => Err(fault),
            _ => Ok(()),
        }
    }
}

/// Events that are too old, too far ahead or expired are dropped, and the call succeeds all the same.
fn rejected(info: &RejectedLogEventsInfo) -> Error {
    let why = match (info.too_new_log_event_start_index(), info.expired_log_event_end_index()) {
        (Some(_), _) => "their time is more than two hours ahead",
        (None, Some(_)) => "they are older than the group keeps events",
        (None, None) => "their time is more than 14 days past",
    };
    Error::new(ErrorKind::Unavailable, format!("CloudWatch Logs dropped lines: {why}; check the machine's clock"))
}
