//! What binds a line to the one before it.
//!
//! ```text
//! line = {"v":1, ... ,"chain":"ID","seq":N  ,"mac":"MAC"}  + line break
//!        ^---------- what is authenticated ^
//! MAC  = mac(MAC of the line before in this chain, or 32 zero bytes; the line's bytes up to ,"mac")
//! ```
//! A chain is what one process writes from its start, or from a line that could not be written, to its end. Its first line
//! names the last line that was there before it.

use data_encoding::HEXLOWER;

use crate::audit::keys::{Keys, Mac};
use crate::audit::line::{Draft, Kind, MAX_REQUESTS, START, key};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::identity::random_bytes;

/// Between what is authenticated and the MAC's digits.
const BEFORE_MAC: &[u8] = b",\"mac\":\"";
const AFTER_MAC: &[u8] = b"\"}";
const MAC_DIGITS: usize = 64;

/// The MAC before a chain's first line.
pub(crate) const NONE_BEFORE: Mac = [0; 32];

/// What a line of the chain's own says, which is of no call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark<'a> {
    pub(crate) at: Timestamp,
    /// The last line that is there and not of this chain.
    pub(crate) before: Option<&'a Mac>,
    /// How many lines were not taken, as far as no line says so already.
    pub(crate) lost: u64,
}

impl Mark<'_> {
    fn draft<'o>(&self, kind: Kind, out: &'o mut Vec<u8>) -> Draft<'o> {
        let mut line = Draft::start(out, self.at, kind);
        if let Some(before) = self.before {
            line.plain(key!("before"), &HEXLOWER.encode(before));
        }
        if self.lost > 0 {
            line.number(key!("lost"), self.lost);
        }
        line
    }
}

/// A chain that is being written.
#[derive(Debug)]
pub(crate) struct Chain {
    id: String,
    /// The members before the line's number, as each line has them.
    member: String,
    mac: Mac,
    /// The next line's.
    sequence: u64,
}

impl Chain {
    /// A new chain, without a line yet.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self::of(HEXLOWER.encode(&random_bytes::<16>()?)))
    }

    fn of(id: String) -> Self {
        let member = format!(",\"chain\":\"{id}\"");
        Self { id, member, mac: NONE_BEFORE, sequence: 0 }
    }

    /// The number of the next line.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The MAC of the last line.
    pub(crate) fn mac(&self) -> Mac {
        self.mac
    }

    /// The chain's id, in hexadecimal digits.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Adds a line to `out`: `draft`, which is whole but for its end.
    pub(crate) fn seal(&mut self, keys: &Keys, draft: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(draft);
        let mut line = Draft(out);
        line.member(&self.member);
        line.number(key!("seq"), self.sequence);
        self.mac = keys.mac(&self.mac, out.get(start..).unwrap_or_default());
        self.sequence += 1;
        out.extend_from_slice(BEFORE_MAC);
        push_hex(out, &self.mac);
        out.extend_from_slice(AFTER_MAC);
        out.push(b'\n');
    }

    /// Adds the line that a chain begins with, and more where one line cannot name all `requests`: those that it took to come
    /// by the key.
    pub(crate) fn begin(&mut self, keys: &Keys, mark: Mark<'_>, requests: &[String], out: &mut Vec<u8>) {
        let (named, more) = requests.split_at(requests.len().min(MAX_REQUESTS));
        let mut draft = Vec::with_capacity(256);
        let mut line = mark.draft(Kind::Begin, &mut draft);
        if !named.is_empty() {
            line.requests(named);
        }
        line.plain(key!("key"), &keys.id());
        line.number(key!("process"), u64::from(std::process::id()));
        line.plain(key!("version"), env!("CARGO_PKG_VERSION"));
        self.seal(keys, &draft, out);
        for some in more.chunks(MAX_REQUESTS) {
            draft.clear();
            Draft::start(&mut draft, mark.at, Kind::Requests).requests(some);
            self.seal(keys, &draft, out);
        }
    }

    /// Adds a checkpoint, or the line that a chain ends with.
    pub(crate) fn mark(&mut self, keys: &Keys, kind: Kind, mark: Mark<'_>, out: &mut Vec<u8>) {
        let mut draft = Vec::with_capacity(256);
        mark.draft(kind, &mut draft);
        self.seal(keys, &draft, out);
    }
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    if let Some(place) = out.get_mut(start..) {
        HEXLOWER.encode_mut(bytes, place);
    }
}

/// A line without its line break, taken apart: what is authenticated, and the MAC. `None` for what is no line.
pub(crate) fn parts(line: &[u8]) -> Option<(&[u8], Mac)> {
    let line = line.strip_suffix(AFTER_MAC)?;
    let (text, digits) = line.split_at_checked(line.len().checked_sub(MAC_DIGITS)?)?;
    let authenticated = text.strip_suffix(BEFORE_MAC).filter(|text| text.starts_with(START))?;
    Some((authenticated, mac_of(digits)?))
}

/// Whether what is authenticated of a line is of the chain with this id.
pub(crate) fn is_of(authenticated: &[u8], id: &str) -> bool {
    let digits = authenticated.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (text, _) = authenticated.split_at(authenticated.len() - digits);
    let before = text.strip_suffix(b"\",\"seq\":").and_then(|text| text.strip_suffix(id.as_bytes()));
    before.is_some_and(|text| text.ends_with(b",\"chain\":\""))
}

/// The MAC that these digits write.
pub(crate) fn mac_of(digits: &[u8]) -> Option<Mac> {
    let mut mac = NONE_BEFORE;
    if digits.len() != MAC_DIGITS || HEXLOWER.decode_mut(digits, &mut mac).is_err() {
        return None;
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::audit_key::AuditKey;

    /// Python: k = HKDF(b"\1" * 32, "tokenvault/1/audit-chain"); hmac.new(k, bytes(32) + line, "sha256"); and so on.
    #[test]
    fn a_chain_is_as_its_formula_says() {
        let keys = Keys::derive(&AuditKey::new(&[1; 32])).unwrap();
        let mut chain = Chain::of("00".repeat(16));
        let mut out = Vec::new();
        for _ in 0..2 {
            chain.seal(&keys, br#"{"v":1,"time":"t""#, &mut out);
        }
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let first =
            keys.mac(&NONE_BEFORE, format!(r#"{{"v":1,"time":"t","chain":"{}","seq":0"#, "00".repeat(16)).as_bytes());
        assert!(lines[0].ends_with(&format!(r#","seq":0,"mac":"{}"}}"#, HEXLOWER.encode(&first))), "{text}");
        let (authenticated, mac) = parts(lines[1].as_bytes()).unwrap();
        assert_eq!(mac, keys.mac(&first, authenticated));
        assert_eq!(mac, chain.mac());
    }

    #[test]
    fn a_line_is_of_its_own_chain_alone() {
        let keys = Keys::derive(&AuditKey::new(&[1; 32])).unwrap();
        let (mut chain, mut out) = (Chain::new().unwrap(), Vec::new());
        chain.sequence = 1234;
        chain.seal(&keys, br#"{"v":1,"time":"t","chain":"00","seq":5"#, &mut out);
        let (authenticated, _) = parts(out.strip_suffix(b"\n").unwrap()).unwrap();
        assert!(is_of(authenticated, chain.id()));
        assert!(!is_of(authenticated, "00") && !is_of(authenticated, &chain.id()[1..]) && !is_of(b"1", "00"));
    }

    #[test]
    fn what_is_no_line_has_no_parts() {
        let line = format!(r#"{{"v":1,"a":1,"mac":"{}"}}"#, "ab".repeat(32));
        assert!(parts(line.as_bytes()).is_some());
        for other in [
            &line[1..],
            &line[..line.len() - 1],
            &line.replace("ab\"}", "aB\"}"),
            "",
            "\"}",
            &line.replace("mac", "Mac"),
        ] {
            assert!(parts(other.as_bytes()).is_none(), "{other}");
        }
    }
}
