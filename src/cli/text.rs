//! Texts for people: control characters made visible, fingerprints for secrets, durations.

use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::secret::SecretText;

/// `text` with everything that could move the cursor, change colours or turn the writing direction made visible. User
/// names come from outside, and must not write to anybody's terminal what they like.
pub(super) fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_direction(character) {
            clean.extend(character.escape_unicode());
        } else {
            clean.push(character);
        }
    }
    clean
}

const fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What is said in the place of a name that is not shown.
pub(super) const HIDDEN_NAME: &str = "(its name is not shown)";

/// A name that is not known, if it may be shown: where values and names were mixed up, the name is a secret, so only
/// what looks like a name is.
pub(super) fn as_name(text: &str) -> Option<&str> {
    let is_usual = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-');
    Some(text).filter(|text| text.len() <= 32 && text.bytes().all(is_usual))
}

const FINGERPRINT_PREFIX: &str = "sha256:";

/// What is shown in a secret's place: enough to see whether two are the same.
///
/// It is a plain digest, not a keyed one, so that it can be checked without the vault (`printf %s "$TOKEN" | sha256sum`)
/// and is the same in every vault and after every rotation. What a provider makes is random and long, so eight digits
/// of its digest neither lead back to it nor tell it from the four billion others of that fingerprint.
pub(super) fn fingerprint(secret: &SecretText) -> String {
    // In place: a hash that is handed on leaves the end of the secret on the stack.
    let mut hash = Sha256::new();
    hash.update(secret.expose());
    let digest = hash.finalize_reset();
    let start = digest.first_chunk::<4>().copied().unwrap_or_default();
    format!("{FINGERPRINT_PREFIX}{}", HEXLOWER.encode(&start))
}

/// Whether `text` is a fingerprint: what `get` shows without `--reveal`, and nobody means to save.
pub(super) fn is_fingerprint(text: &str) -> bool {
    text.strip_prefix(FINGERPRINT_PREFIX)
        .is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Reads a duration like `10m`: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
///
/// # Errors
/// `InvalidInput` for anything else, and beyond a hundred years.
pub(super) fn parse_duration(text: &str) -> Result<Duration> {
    const LONGEST: Duration = Duration::from_hours(24 * 36_500);
    let millis = || {
        let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let millis = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        let is_number = !number.is_empty();
        // Too many digits for a number are too long a time.
        is_number.then(|| number.parse::<u64>().map_or(u64::MAX, |number| number.saturating_mul(millis)))
    };
    let duration = millis().map(Duration::from_millis).ok_or_else(|| {
        Error::invalid("a duration is a whole number and one of ms, s, m, h, d")
            .with_hint("write for example 90s, 10m or 2h")
    })?;
    if duration > LONGEST {
        return Err(Error::invalid("a duration is at most 36500d").with_hint("write for example 90s, 10m or 2h"));
    }
    Ok(duration)
}

/// When `at` is, seen from `now`.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    if at > now { format!("in {}", span(at.since(now))) } else { format!("{} ago", span(now.since(at))) }
}

fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", (seconds + 30) / 60),
        seconds @ 7200..172_800 => format!("{} h", (seconds + 1800) / 3600),
        seconds => format!("{} days", seconds / 86400),
    }
}

/// A number of things: `1 token`, `2 tokens`.
pub(super) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// `text` cut to `limit` characters.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_start_of_the_digest() {
        // printf %s abc | sha256sum
        let shown = fingerprint(&SecretText::new("abc"));
        assert_eq!(shown, "sha256:ba7816bf");
        assert!(is_fingerprint(&shown));
        assert!(!is_fingerprint("sha256:ba7816b") && !is_fingerprint("sha256:ba7816bg") && !is_fingerprint("ba7816bf"));
    }

    #[test]
    fn durations_have_a_unit() {
        let seconds = |text| parse_duration(text).ok().map(|duration| duration.as_secs());
        assert_eq!(
            (seconds("90s"), seconds("10m"), seconds("2h"), seconds("7d")),
            (Some(90), Some(600), Some(7200), Some(604_800))
        );
        assert_eq!(parse_duration("200ms").unwrap(), Duration::from_millis(200));
        for text in ["", "m", "10", "-1m", "+1m", "1.5h", "10 m", "10ä"] {
            assert!(parse_duration(text).unwrap_err().message().contains("a whole number and"), "{text}");
        }
        assert_eq!(seconds("36500d"), Some(3_153_600_000));
        for text in ["36501d", "99999999999999999999s", "999999999999999999d", "18446744073709551615ms"] {
            assert_eq!(parse_duration(text).unwrap_err().message(), "a duration is at most 36500d", "{text}");
        }
    }

    #[test]
    fn moments_are_told_from_now() {
        let at = |millis| Timestamp::from_millis(millis);
        assert_eq!(relative(at(90_000), at(0)), "in 90 s");
        assert_eq!(relative(at(0), at(600_000)), "10 min ago");
        assert_eq!(relative(at(0), at(0)), "0 s ago");
        assert_eq!(relative(at(7_200_000), at(0)), "in 2 h");
    }

    #[test]
    fn what_could_move_the_cursor_is_made_visible() {
        assert_eq!(printable("a\u{1b}[31m\n\u{202e}é"), "a\\u{1b}[31m\\u{a}\\u{202e}é");
        assert_eq!(shortened("ünicode", 4), "üni…");
        assert_eq!(shortened("four", 4), "four");
    }
}
