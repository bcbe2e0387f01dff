//! A line of the trail as it is written: one JSON object, its members in a fixed order, no longer than a pipe takes at
//! once. Texts from outside are escaped and cut, so none can split a line, forge one, or move a terminal's cursor.

use std::borrow::Cow;

use crate::audit::utc;
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::operation::{Operation, Source};

/// The start of every line. A quote inside a text is escaped, so no text holds it.
pub(crate) const START: &[u8] = b"{\"v\":1,\"";
/// The longest text of a line, as it is written.
const MAX_TEXT: usize = 300;
/// The longest identifier of a request.
const MAX_REQUEST: usize = 64;
/// How many requests one line names.
pub(crate) const MAX_REQUESTS: usize = 32;

/// What kind of line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A chain begins.
    Begin,
    /// A change is about to be made.
    Intent,
    /// Requests of the call that follows, where one line cannot name them all.
    Requests,
    /// A call has ended.
    Call,
    /// The chain is this long.
    Checkpoint,
    /// The chain has ended.
    End,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Intent => "intent",
            Self::Requests => "requests",
            Self::Call => "call",
            Self::Checkpoint => "checkpoint",
            Self::End => "end",
        }
    }
}

/// A member's key as a line has it, with what stands around it: each piece that is added costs some nanoseconds.
#[derive(Clone, Copy)]
pub(crate) struct Key(pub(crate) &'static str);

/// The [`Key`] of this name.
macro_rules! key {
    ($name:literal) => {
        $crate::audit::line::Key(concat!(",\"", $name, "\":"))
    };
}
pub(crate) use key;

/// A line that is being written: all of it but what the chain adds.
pub(crate) struct Draft<'a>(pub(crate) &'a mut Vec<u8>);

impl Draft<'_> {
    pub(crate) fn start(out: &mut Vec<u8>, at: Timestamp, kind: Kind) -> Draft<'_> {
        out.extend_from_slice(START);
        out.extend_from_slice(b"time\":\"");
        out.extend_from_slice(&utc::written(at));
        out.extend_from_slice(b"\",\"kind\":\"");
        out.extend_from_slice(kind.name().as_bytes());
        out.push(b'"');
        Draft(out)
    }

    fn key(&mut self, key: Key) {
        self.0.extend_from_slice(key.0.as_bytes());
    }

    /// A member that is always the same: as it is written, with the comma before it.
    pub(crate) fn member(&mut self, written: &str) {
        self.0.extend_from_slice(written.as_bytes());
    }

    /// A text that needs no escape.
    pub(crate) fn plain(&mut self, key: Key, text: &str) {
        self.key(key);
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
    }

    /// A text from outside.
    pub(crate) fn text(&mut self, key: Key, text: &str) {
        self.key(key);
        self.0.push(b'"');
        push_escaped(self.0, &bounded(text, MAX_TEXT));
        self.0.push(b'"');
    }

    pub(crate) fn number(&mut self, key: Key, number: u64) {
        self.key(key);
        push_number(self.0, number);
    }

    /// At most [`MAX_REQUESTS`].
    pub(crate) fn requests(&mut self, ids: &[String]) {
        self.key(key!("requests"));
        self.0.push(b'[');
        for (place, id) in ids.iter().enumerate() {
            self.0.extend_from_slice(if place == 0 { b"\"" } else { b",\"" });
            push_escaped(self.0, &bounded(id, MAX_REQUEST));
            self.0.push(b'"');
        }
        self.0.push(b']');
    }

    /// The draft is whole: a line break parts it from the next.
    pub(crate) fn finish(self) {
        self.0.push(b'\n');
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for place in digits.iter_mut().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// How a character is written, where not as it is: control characters, what turns the writing direction, and what a
/// program for JavaScript takes for a line break.
fn escape(character: char) -> Option<[u8; 6]> {
    let is_safe = match character {
        '"' | '\\' | '\u{2028}' | '\u{2029}' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        _ => !character.is_control(),
    };
    if is_safe {
        return None;
    }
    // All of them are of the Basic Multilingual Plane.
    let code = u32::from(character);
    let digit = |shift: u32| b"0123456789abcdef".get((code >> shift & 0xf) as usize).copied().unwrap_or(b'0');
    Some([b'\\', b'u', digit(12), digit(8), digit(4), digit(0)])
}

fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let is_usual = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_usual) {
        return out.extend_from_slice(text.as_bytes());
    }
    for character in text.chars() {
        match escape(character) {
            Some(escaped) => out.extend_from_slice(&escaped),
            None => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// As much of `text` as takes `limit` bytes when it is written; `…` says that there was more.
fn bounded(text: &str, limit: usize) -> Cow<'_, str> {
    // A byte takes six at most.
    if text.len() <= limit / 6 {
        return Cow::Borrowed(text);
    }
    let mut length = 0;
    let mut cut = 0;
    for (at, character) in text.char_indices() {
        if length + '…'.len_utf8() <= limit {
            cut = at;
        }
        length += escape(character).map_or(character.len_utf8(), |escaped| escaped.len());
        if length > limit {
            return Cow::Owned(format!("{}…", text.get(..cut).unwrap_or_default()));
        }
    }
    Cow::Borrowed(text)
}

/// `text` as a line has it: cut where it is long.
pub(crate) fn as_written(text: &str) -> Cow<'_, str> {
    bounded(text, MAX_TEXT)
}

/// Whether a line holds all of `text`.
pub(crate) fn fits(text: &str) -> bool {
    matches!(as_written(text), Cow::Borrowed(_))
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// As it was asked.
    Ok,
    /// What was asked for is not there.
    NotFound,
    /// The input, the rules or somebody's rights were against it.
    Refused,
    /// It could not be done.
    Failed,
    /// Nobody waited for its end.
    Unknown,
}

impl Ending {
    /// Every ending.
    pub const ALL: [Self; 5] = [Self::Ok, Self::NotFound, Self::Refused, Self::Failed, Self::Unknown];

    /// Its name in a line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not-found",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    /// How a call ended that answered an error of this kind.
    pub(crate) const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Ambiguous
            | ErrorKind::Gone
            | ErrorKind::InvalidInput
            | ErrorKind::PermissionDenied
            | ErrorKind::Revoked
            | ErrorKind::WrongKey => Self::Refused,
            ErrorKind::Busy
            | ErrorKind::Conflict
            | ErrorKind::Damaged
            | ErrorKind::Internal
            | ErrorKind::Io
            | ErrorKind::QuotaReached
            | ErrorKind::StorageFull
            | ErrorKind::Unavailable
            | ErrorKind::Unsupported => Self::Failed,
        }
    }
}

/// A source as a line has it.
pub(crate) const fn source_name(source: Source) -> &'static str {
    match source {
        Source::Store => "store",
        Source::Cache => "cache",
        Source::StaleCache => "stale-cache",
        Source::Fallback => "fallback",
        Source::Journal => "journal",
    }
}

/// The kind of an error as a line has it.
pub(crate) const fn error_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Ambiguous => "ambiguous",
        ErrorKind::Busy => "busy",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Damaged => "damaged",
        ErrorKind::Gone => "gone",
        ErrorKind::Internal => "internal",
        ErrorKind::InvalidInput => "invalid-input",
        ErrorKind::Io => "io",
        ErrorKind::NotFound => "not-found",
        ErrorKind::PermissionDenied => "permission-denied",
        ErrorKind::QuotaReached => "quota-reached",
        ErrorKind::Revoked => "revoked",
        ErrorKind::StorageFull => "storage-full",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::WrongKey => "wrong-key",
    }
}

/// The operation that a line is about.
pub(crate) fn operation(draft: &mut Draft<'_>, operation: Operation) {
    draft.plain(key!("operation"), operation.name());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `PIPE_BUF` is on Linux: so much a pipe takes at once, or nothing of it.
    const MAX_LEN: usize = 4096;

    fn read(line: &[u8]) -> serde_json::Value {
        serde_json::from_slice(line).unwrap()
    }

    #[test]
    fn whatever_a_text_holds_it_stays_one_line_and_reads_back_or_is_cut() {
        let mut random = fastrand::Rng::new();
        println!("seed {}", random.get_seed());
        for _ in 0..2000 {
            let pool =
                ['"', '\\', '\n', '\r', '\u{0}', '\u{1b}', '\u{85}', '\u{2028}', '\u{202e}', 'a', 'é', '😀', '{'];
            let text: String = (0..random.usize(..400)).map(|_| pool[random.usize(..pool.len())]).collect();
            let mut out = Vec::new();
            let mut draft = Draft::start(&mut out, Timestamp::default(), Kind::Call);
            draft.text(key!("principal"), &text);
            draft.0.push(b'}');
            assert!(out.len() <= 80 + MAX_TEXT && !out.contains(&b'\n') && !out.contains(&0x1b), "{text:?}");
            let shown = String::from_utf8(out.clone()).unwrap();
            assert!(!shown.chars().any(|c| c.is_control() || c == '\u{202e}' || c == '\u{2028}'), "{shown}");
            let back = read(&out)["principal"].as_str().unwrap().to_owned();
            assert_eq!(back, as_written(&text));
            assert!(back == text || (text.starts_with(back.trim_end_matches('…')) && !fits(&text)));
            assert_eq!(out.windows(START.len()).filter(|window| *window == START).count(), 1);
        }
    }

    #[test]
    fn a_text_at_the_bound_is_whole_and_one_beyond_is_cut() {
        assert!(fits(&"x".repeat(MAX_TEXT)) && !fits(&"x".repeat(MAX_TEXT + 1)));
        assert!(fits(&"\n".repeat(MAX_TEXT / 6)) && !fits(&"\n".repeat(MAX_TEXT / 6 + 1)));
        assert!(as_written(&"é".repeat(10_000)).ends_with("é…"));
    }

    #[test]
    fn numbers_are_written_whole() {
        for number in [0, 7, 10, 4096, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }

    #[test]
    fn no_line_is_longer_than_a_pipe_takes() {
        let mut out = Vec::new();
        let mut draft = Draft::start(&mut out, Timestamp::default(), Kind::Call);
        let ids = vec!["\n".repeat(500); MAX_REQUESTS];
        draft.requests(&ids);
        for key in [key!("token"), key!("user"), key!("principal"), key!("caller")] {
            draft.text(key, &"\n".repeat(10_000));
        }
        assert!(out.len() + 300 < MAX_LEN, "{}", out.len());
        assert_eq!(read(&[&out[..], b"}"].concat())["requests"].as_array().unwrap().len(), MAX_REQUESTS);
    }
}
