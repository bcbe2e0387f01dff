//! Reading: FilterLogEvents, page by page, and the lines put in the order of their chains.

use std::collections::BTreeMap;

use crate::audit::cloudwatch::CloudWatchLogs;
use crate::audit::cloudwatch::batch::MAX_LATER;
use crate::audit::cloudwatch::fault::ask;
use crate::audit::read::{Line, pieces};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

impl CloudWatchLogs {
    /// All pieces of lines in the events of the stream, or of the whole group, as [`pieces`] finds them. Those from `since`
    /// on and before `until` are among them, but for those that waited for almost a day to be taken; there may be others.
    ///
    /// The lines of a chain come in their order, and a line that is there twice comes once: a write that was tried again may
    /// have been taken twice, and the service promises no order among events of one millisecond.
    ///
    /// # Errors
    /// `NotFound` where there is no such group or stream; `PermissionDenied`, `Unavailable` as the service has them.
    pub async fn read(&self, since: Option<Timestamp>, until: Option<Timestamp>) -> Result<Vec<Vec<u8>>> {
        let millis = |at: Timestamp| i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        let (start, end) = (since.map(millis), until.map(|at| millis(at).saturating_add(MAX_LATER)));
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let call = || {
                let call = self.client.filter_log_events().log_group_name(&self.group);
                let call = call.set_log_stream_names(self.stream.clone().map(|stream| vec![stream]));
                call.set_start_time(start).set_end_time(end).set_next_token(next.clone()).send()
            };
            let page = ask("FilterLogEvents", call).await.map_err(|fault| fault.explained(&self.group))?;
            for event in page.events() {
                let message = event.message().unwrap_or_default().as_bytes();
                pieces(message, |piece| found.push(piece.bytes.to_vec()))
                    .map_err(|cause| Error::new(ErrorKind::Internal, "an event was not read").with_source(cause))?;
            }
            // An empty page with a token is not the last one.
            next = page.next_token;
            if next.is_none() {
                return Ok(in_order(found));
            }
        }
    }

    /// Whether it may be read, by one call for one event.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn try_reading(&self) -> Result<()> {
        let call = || {
            let call = self.client.filter_log_events().log_group_name(&self.group).limit(1);
            call.set_log_stream_names(self.stream.clone().map(|stream| vec![stream])).send()
        };
        ask("FilterLogEvents", call).await.map(drop).map_err(|fault| fault.explained(&self.group))
    }
}

/// The pieces without repeated lines, and with the lines of each chain in their order: on the places that lines of that
/// chain had.
fn in_order(found: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    // Where the lines of each chain are, by their numbers.
    let mut chains: BTreeMap<String, BTreeMap<u64, Vec<usize>>> = BTreeMap::new();
    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(found.len());
    for piece in found {
        if let Some(line) = Line::parse(&piece) {
            let same = chains.entry(line.chain).or_default().entry(line.seq).or_default();
            if same.iter().any(|place| kept.get(*place) == Some(&piece)) {
                continue;
            }
            same.push(kept.len());
        }
        kept.push(piece);
    }
    let mut order: Vec<usize> = (0..kept.len()).collect();
    for lines in chains.into_values() {
        let by_number: Vec<usize> = lines.into_values().flatten().collect();
        let mut places = by_number.clone();
        places.sort_unstable();
        for (place, from) in places.into_iter().zip(by_number) {
            order.get_mut(place).into_iter().for_each(|at| *at = from);
        }
    }
    order.into_iter().filter_map(|from| kept.get_mut(from).map(std::mem::take)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(chain: &str, seq: u64) -> Vec<u8> {
        format!(r#"{{"v":1,"time":"2026-11-22T17:20:00.000Z","kind":"call","chain":"{chain}","seq":{seq}}}"#).into()
    }

    #[test]
    fn chains_are_put_in_order_on_their_own_places_and_repeats_are_left_out() {
        let torn = br#"{"v":1,"ti"#.to_vec();
        let found = vec![
            line("a", 1),
            line("b", 0),
            line("a", 0),
            line("b", 0),
            torn.clone(),
            torn.clone(),
            line("a", 2),
            line("b", 1),
        ];
        let expected =
            [line("a", 0), line("b", 0), line("a", 1), torn.clone(), torn, line("a", 2), line("b", 1)].to_vec();
        assert_eq!(in_order(found), expected);
        assert_eq!(in_order(Vec::new()), Vec::<Vec<u8>>::new());
    }

    /// Not the same line: somebody has written another one under its number.
    #[test]
    fn a_line_that_differs_from_another_of_its_number_stays() {
        let other = String::from_utf8(line("a", 0)).unwrap().replace("call", "end").into_bytes();
        assert_eq!(in_order(vec![line("a", 0), other.clone()]), [line("a", 0), other]);
    }
}
