//! An audit trail in CloudWatch Logs: one event a line, in a stream that any number of processes may share.
//!
//! Limits and names: CloudWatch Logs API reference, PutLogEvents, CreateLogStream, CreateLogGroup, FilterLogEvents.

use std::fmt;

use aws_sdk_cloudwatchlogs::Client;

use crate::error::{Error, Result};

mod batch;
mod fault;
mod read;
mod sink;

/// The longest name of a group or a stream.
const MAX_NAME: usize = 512;

/// A stream of a log group, or all streams of one, and a client that reaches them.
#[derive(Clone)]
pub struct CloudWatchLogs {
    client: Client,
    group: String,
    stream: Option<String>,
}

impl CloudWatchLogs {
    /// The log group `group`, or only its stream `stream`, by a client whose own retries should be off: they are made here.
    ///
    /// # Errors
    /// `InvalidInput` for what cannot be the name of a group or a stream.
    pub fn new(client: Client, group: &str, stream: Option<&str>) -> Result<Self> {
        check(group, stream)?;
        Ok(Self { client, group: group.to_owned(), stream: stream.map(str::to_owned) })
    }
}

/// Checks the names of a group and a stream. Neither may hold a colon, so the two can be written with one between.
///
/// # Errors
/// `InvalidInput` for what cannot be either.
pub fn check(group: &str, stream: Option<&str>) -> Result<()> {
    let is_of_group = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte);
    if !(1..=MAX_NAME).contains(&group.len()) || !group.bytes().all(is_of_group) {
        return Err(Error::invalid("that cannot be the name of a log group")
            .with_hint("a log group is named by 1 to 512 letters, digits and ._-/#, as in /tokenvault/prod"));
    }
    let is_of_stream = |character: char| !character.is_control() && character != ':' && character != '*';
    match stream {
        Some(stream) if !(1..=MAX_NAME).contains(&stream.len()) || !stream.chars().all(is_of_stream) => {
            Err(Error::invalid("that cannot be the name of a log stream")
                .with_hint("a log stream is named by 1 to 512 bytes without : and *"))
        }
        _ => Ok(()),
    }
}

impl fmt::Display for CloudWatchLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cloudwatch:{}", self.group)?;
        self.stream.as_ref().map_or(Ok(()), |stream| write!(f, ":{stream}"))
    }
}

impl fmt::Debug for CloudWatchLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CloudWatchLogs").field(&self.to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_would_refuse_is_no_name() {
        for (group, stream) in
            [("/a/b", None), ("A.-_/#9", Some("a/b [$LATEST] é")), (&"g".repeat(512), Some(&*"s".repeat(512)))]
        {
            check(group, stream).unwrap();
        }
        for (group, stream) in [
            ("", None),
            ("a:b", None),
            ("a b", None),
            ("é", None),
            (&"g".repeat(513), None),
            ("a", Some("")),
            ("a", Some("b:c")),
            ("a", Some("b*")),
            ("a", Some("b\n")),
            ("a", Some(&*"s".repeat(513))),
        ] {
            check(group, stream).unwrap_err();
        }
    }
}
