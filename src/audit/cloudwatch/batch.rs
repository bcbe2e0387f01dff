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
const HOUR: i64 = 60 * 60 * 1000;
/// How much later than its line an event may be: who reads asks for so much more.
pub(super) const MAX_LATER: i64 = HOUR;
/// What waited for longer is given a later time: a call must not span more than a day, and a group that keeps events for a day
/// takes none that is older.
const MAX_WAITED: i64 = 23 * HOUR;

/// What one call takes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) events: Vec<InputLogEvent>,
    bytes: usize,
}

impl Batch {
    fn takes(&self, bytes: usize) -> bool {
        self.events.len() < MAX_EVENTS && self.bytes + bytes <= MAX_BYTES
    }
}

/// The calls that `lines` come to, in the order of the lines. An event has the time of its line: where that goes back a little,
/// since a line may be drafted before another and written after it, that of the line before. Where it goes back far, since
/// the line waited for a service that was away, another call begins: within one, time may not go back.
///
/// # Errors
/// `InvalidData` where a line is not UTF-8, which none of ours is.
pub(super) fn batches(lines: &[u8]) -> io::Result<Vec<Batch>> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let messages = lines.map(std::str::from_utf8).collect::<Result<Vec<_>, _>>();
    let messages = messages.map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))?;
    let oldest = messages.iter().filter_map(|message| millis(message)).max().unwrap_or_default() - MAX_WAITED;
    let (mut all, mut latest) = (Vec::<Batch>::new(), oldest.max(0));
    for message in messages {
        let own = millis(message).unwrap_or(latest).max(oldest);
        let is_far_back = latest - own > MAX_LATER;
        latest = if is_far_back { own } else { latest.max(own) };
        let bytes = message.len() + BYTES_PER_EVENT;
        if is_far_back || all.last().is_none_or(|batch| !batch.takes(bytes)) {
            all.push(Batch::default());
        }
        let event = InputLogEvent::builder().timestamp(latest).message(message).build().map_err(io::Error::other)?;
        if let Some(batch) = all.last_mut() {
            batch.events.push(event);
            batch.bytes += bytes;
        }
    }
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

    fn times(lines: &[u64]) -> Vec<Vec<i64>> {
        let lines = lines.iter().map(|at| line(*at, 60)).collect::<String>();
        let times = |batch: &Batch| batch.events.iter().map(InputLogEvent::timestamp).collect();
        batches(lines.as_bytes()).unwrap().iter().map(times).collect()
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
    fn a_call_spans_a_day_at_the_most_also_where_lines_waited_for_longer() {
        let (hour, day) = (3_600_000, 24 * 3_600_000);
        assert_eq!(times(&[5, 5 + day]), [[5 + 3_600_000, 5 + 24 * 3_600_000]]);
        assert_eq!(times(&[5, 5 + 23 * hour, 6]), [vec![5, 5 + 23 * 3_600_000], vec![6]]);
        assert_eq!(times(&[100 * day, 5]), [vec![100 * 24 * 3_600_000], vec![(100 * 24 - 23) * 3_600_000]]);
    }

    #[test]
    fn events_of_a_call_are_in_the_order_of_their_times_whatever_their_lines_say() {
        let lines = [5, 7, 6, 8].map(|at| line(at, 60)).concat();
        let batches = batches(lines.as_bytes()).unwrap();
        assert_eq!(times(&[5, 7, 6, 8]), [[5, 7, 7, 8]]);
        assert_eq!(format!("{}\n", batches[0].events[2].message()), line(6, 60));
    }

    /// Who asks for a time finds every line of it among the events of an hour more.
    #[test]
    fn an_event_is_an_hour_later_than_its_line_at_the_most() {
        let hour = 3_600_000;
        assert_eq!(times(&[hour + 5, 5]), [[3_600_005, 3_600_005]]);
        assert_eq!(times(&[hour + 6, 5, 7, hour + 6]), [vec![3_600_006], vec![5, 7, 3_600_006]]);
    }
}
