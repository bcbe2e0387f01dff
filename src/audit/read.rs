//! Lines as they come back: from a file, or from a log that other programs wrote to as well.

use std::fmt;
use std::io::{self, BufRead};

use serde::Deserialize;

use crate::audit::chain;
use crate::audit::keys::Mac;
use crate::audit::line::START;
use crate::audit::utc;
use crate::clock::Timestamp;

/// The longest stretch without a line break that is looked at as a whole: what is longer is no line of ours.
const MAX_STRETCH: u64 = 1024 * 1024;

/// A line, as far as this version knows its members; those that it does not know are left out. Its `Debug` says where it stands
/// and of what kind it is: neither ids nor users.
#[derive(Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct Line {
    /// When it was written, as it says.
    pub time: String,
    /// `begin`, `intent`, `requests`, `call`, `checkpoint`, `end`.
    pub kind: String,
    /// The chain's id.
    pub chain: String,
    /// Its number in the chain.
    pub seq: u64,
    /// The operation.
    pub operation: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// The kind of its error.
    pub error: Option<String>,
    /// What a save did.
    pub did: Option<String>,
    /// What an intent and the call that follows have in common.
    pub change: Option<u64>,
    /// The token's id.
    pub token: Option<String>,
    /// The hash of an id that led to no token.
    pub token_hash: Option<String>,
    /// The name of the token's record, where it is not the id.
    pub record: Option<String>,
    /// The user's name.
    pub user: Option<String>,
    /// The hash of the user's name.
    pub user_hash: Option<String>,
    /// Who asked.
    pub principal: Option<String>,
    /// Who of the principal's.
    pub caller: Option<String>,
    /// Where the answer came from.
    pub source: Option<String>,
    /// The requests to a service.
    #[serde(default)]
    pub requests: Vec<String>,
    /// How many tokens it was about.
    pub count: Option<u64>,
    /// How long it took.
    pub micros: Option<u64>,
    /// In a chain's first line: which vault's it is.
    pub key: Option<String>,
    /// The MAC of a line before this chain, or of another one.
    pub before: Option<String>,
    /// How many lines were not taken, as far as no line before this one says so.
    pub lost: Option<u64>,
    /// The line itself.
    #[serde(skip)]
    pub text: String,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Line");
        shown.field("time", &self.time).field("kind", &self.kind).field("chain", &self.chain).field("seq", &self.seq);
        shown.field("operation", &self.operation).field("outcome", &self.outcome).finish_non_exhaustive()
    }
}

impl Line {
    /// Reads the members of a line, MAC or none; `None` for what is none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let line: Self = serde_json::from_slice(bytes).ok()?;
        Some(Self { text: String::from_utf8(bytes.to_vec()).ok()?, ..line })
    }

    /// When it was written.
    pub fn at(&self) -> Option<Timestamp> {
        utc::read(&self.time)
    }

    /// The MAC that [`before`](Self::before) names.
    pub(crate) fn before_mac(&self) -> Option<Mac> {
        chain::mac_of(self.before.as_ref()?.as_bytes())
    }
}

/// A piece of what was read. Its `Debug` shows none of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The number of the line of text it is in, from 1.
    pub number: u64,
    /// Its bytes, without a line break.
    pub bytes: &'a [u8],
}

impl fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece").field("number", &self.number).field("length", &self.bytes.len()).finish()
    }
}

impl Piece<'_> {
    /// The line, where the piece is one that has a MAC. Whether that is the right one only the verifier knows.
    pub fn line(&self) -> Option<Line> {
        chain::parts(self.bytes)?;
        Line::parse(self.bytes)
    }
}

/// Goes through all of `input`, and hands over every piece that begins like a line of the trail: whole ones, and what is
/// left of others. Answers how many lines of text had none.
///
/// What stands before a line is passed over, as logs have it that add the time; and two that a torn write left in one line
/// of text are told apart.
///
/// # Errors
/// Where `input` cannot be read.
pub fn pieces(mut input: impl BufRead, mut take: impl FnMut(Piece<'_>)) -> io::Result<u64> {
    let (mut number, mut others) = (0, 0);
    let mut text = Vec::new();
    loop {
        text.clear();
        if io::Read::take(&mut input, MAX_STRETCH).read_until(b'\n', &mut text)? == 0 {
            return Ok(others);
        }
        number += 1;
        let text = text.strip_suffix(b"\n").unwrap_or(&text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let starts: Vec<usize> =
            text.windows(START.len()).enumerate().filter(|(_, window)| *window == START).map(|(at, _)| at).collect();
        if starts.is_empty() && !text.is_empty() {
            others += 1;
        }
        for (place, start) in starts.iter().enumerate() {
            let end = starts.get(place + 1).copied().unwrap_or(text.len());
            take(Piece { number, bytes: text.get(*start..end).unwrap_or_default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_behind_what_a_log_adds_and_behind_a_torn_one() {
        let text = b"2026 {\"v\":1,\"a\":1}\nsomething else\n{\"v\":1,\"b{\"v\":1,\"c\":2}\r\n\n{\"v\":1,\"d\"";
        let mut found = Vec::new();
        let others = pieces(&text[..], |piece| {
            found.push((piece.number, String::from_utf8(piece.bytes.to_vec()).unwrap()));
        });
        let expected = [(1, r#"{"v":1,"a":1}"#), (3, r#"{"v":1,"b"#), (3, r#"{"v":1,"c":2}"#), (5, r#"{"v":1,"d""#)];
        assert_eq!(found, expected.map(|(number, text)| (number, text.to_owned())));
        assert_eq!(others.unwrap(), 1);
    }

    #[test]
    fn members_that_are_not_known_are_passed_over() {
        let line = r#"{"v":1,"time":"2026-11-22T17:20:00.000Z","kind":"call","new":{"x":[1]},"chain":"c","seq":7}"#;
        let line = Line::parse(line.as_bytes()).unwrap();
        assert_eq!((line.seq, line.at()), (7, utc::read("2026-11-22T17:20:00Z")));
        assert!(Line::parse(b"{\"v\":1,\"time\":3}").is_none());
    }

    #[test]
    fn what_has_no_mac_is_no_line_however_whole_it_is() {
        let start = r#"{"v":1,"time":"t","kind":"requests","requests":["a"],"chain":"c","seq":0"#;
        let line =
            |end: &str| Piece { number: 1, bytes: format!("{start}{end}").as_bytes() }.line().map(|line| line.requests);
        assert_eq!(line("}"), None);
        assert_eq!(line(r#","mac":"ab"}"#), None);
        assert_eq!(line(&format!(r#","mac":"{}"}}"#, "ab".repeat(32))), Some(vec!["a".to_owned()]));
    }
}
