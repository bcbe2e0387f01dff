//! Lines as the events of PutLogEvents, within what one call may hold (CloudWatch Logs API reference, PutLogEvents).

use std::io;

use aws_sdk_cloudwatchlogs::types::InputLogEvent;

use crate::audit::line::START;
use crate::audit::utc;

/// Events of one call.
const MAX_EVENTS: usize = 10_000;
/// Bytes of one call: those of the messages, and some for each event.
const MAX_BYTES: usize = 1_048_576;
const BYTES_PER_EVENT: usize = 26;
/// Milliseconds between the first event of a call and its last: a day, which must not be exceeded.
const MAX_SPAN: i64 = 24 * 60 * 60 * 1000;

/// What one call takes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<InputLogEvent>,
    bytes: usize,
}

impl Batch {
    fn takes(&self, bytes: usize, at: i64) -> bool {
        let first = self.events.first().map_or(at, InputLogEvent::timestamp);
        self.events.len() < MAX_EVENTS && self.bytes + bytes <= MAX_BYTES && at - first <= MAX_SPAN
    }
}

/// The calls that `lines` come to, in the order of the lines. An event has the time of its line: where that goes back, since
/// a line may be drafted before another and written after it, that of the line before.
///
/// # Errors
/// `InvalidData` where a line is not UTF-8, which none of ours is.
pub(super) fn batches(lines: &[u8]) -> io::Result<Vec<Batch>> {
    let (mut all, mut latest) = (vec![Batch::default()], 0);
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message = std::str::from_utf8(line).map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))?;
        latest = latest.max(millis(message).unwrap_or_default());
        let bytes = message.len() + BYTES_PER_EVENT;
        if all.last().is_none_or(|batch| !batch.takes(bytes, latest)) {
            all.push(Batch::default());
        }
        let event = InputLogEvent::builder().timestamp(latest).message(message).build().map_err(io::Error::other)?;
        if let Some(batch) = all.last_mut() {
            batch.events.push(event);
            batch.bytes += bytes;
        }
    }
    all.retain(|batch| !batch.events.is_empty());
    Ok(all)
}

/// When a line was written, in milliseconds since 1970: its second member.
fn millis(line: &str) -> Option<i64> {
    let time = line.get(START.len()..)?.strip_prefix("time\":\"")?.get(..24)?;
    i64::try_from(utc::read(time)?.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn line(at: u64, length: usize) -> String {
        let time = String::from_utf8(utc::written(Timestamp::from_millis(at)).to_vec()).unwrap();
        let start = format!("{{\"v\":1,\"time\":\"{time}\",\"x\":\"");
        format!("{start}{}\"}}\n", "x".repeat(length.saturating_sub(start.len() + 2)))
    }

    fn sizes(lines: &str) -> Vec<usize> {
        batches(lines.as_bytes()).unwrap().iter().map(|batch| batch.events.len()).collect()
    }

    #[test]
    fn a_call_holds_ten_thousand_events_and_no_more() {
        assert_eq!(sizes(&line(1, 50).repeat(10_000)), [10_000]);
        assert_eq!(sizes(&line(1, 50).repeat(10_001)), [10_000, 1]);
        assert_eq!(sizes(""), [0; 0]);
    }

    #[test]
    fn a_call_holds_a_mebibyte_with_what_each_event_adds() {
        // 4,096 events of 256 bytes with the 26 that each adds.
        assert_eq!(sizes(&line(1, 230).repeat(4096)), [4096]);
        assert_eq!(sizes(&line(1, 230).repeat(4097)), [4096, 1]);
        let one_more = format!("{}{}", line(1, 230).repeat(4095), line(1, 231));
        assert_eq!(sizes(&one_more), [4095, 1]);
    }

    #[test]
    fn a_call_spans_a_day_and_no_more() {
        let day = 24 * 3600 * 1000;
        assert_eq!(sizes(&format!("{}{}", line(5, 60), line(5 + day, 60))), [2]);
        assert_eq!(sizes(&format!("{}{}", line(5, 60), line(6 + day, 60))), [1, 1]);
    }

    #[test]
    fn events_are_in_the_order_of_their_times_whatever_their_lines_say() {
        let lines = [5, 7, 6, 8].map(|at| line(at, 60)).concat();
        let batches = batches(lines.as_bytes()).unwrap();
        assert_eq!(batches[0].events.iter().map(InputLogEvent::timestamp).collect::<Vec<_>>(), [5, 7, 7, 8]);
        assert_eq!(format!("{}\n", batches[0].events[2].message()), line(6, 60));
    }
}
