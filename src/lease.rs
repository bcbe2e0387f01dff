//! The lease: the exclusive, bounded right to refresh one token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::identity::random_bytes;

/// How long a holder has to refresh and save. The next attempt is not made before that; each one waits twice as long as the
/// one before, since the provider may be down.
pub const HELD_FOR: Duration = Duration::from_secs(90);

/// The longest distance between two attempts.
pub const LONGEST_DISTANCE: Duration = Duration::from_mins(30);

/// More of a holder's name is not kept.
const MAX_HOLDER: usize = 64;

/// Which lease it is: 128 random bits. It travels with the token that was handed out under it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseId([u8; 16]);

impl LeaseId {
    /// The id with these bits.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// A lease as the record holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which one it is.
    pub id: LeaseId,
    /// How many came before it without a new token, and this one.
    pub attempt: u32,
    /// When it was granted, by the clock of who took it.
    pub granted_at: Timestamp,
    /// Who took it, for people to read.
    pub holder: Arc<str>,
}

impl Lease {
    /// A new one.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub fn grant(attempt: u32, granted_at: Timestamp, holder: &str) -> Result<Self> {
        let mut end = holder.len().min(MAX_HOLDER);
        while !holder.is_char_boundary(end) {
            end -= 1;
        }
        let holder = Arc::from(holder.get(..end).unwrap_or_default());
        Ok(Self { id: LeaseId(random_bytes()?), attempt, granted_at, holder })
    }

    /// How long after it was granted the next one may be.
    pub fn distance(&self) -> Duration {
        let doublings = self.attempt.saturating_sub(1).min(16);
        HELD_FOR.saturating_mul(1 << doublings).min(LONGEST_DISTANCE)
    }

    /// As a record's entry holds it: id, attempt, milliseconds since 1970, holder, with blanks between.
    pub(crate) fn to_text(&self) -> String {
        format!("{} {} {} {}", HEXLOWER.encode(&self.id.0), self.attempt, self.granted_at.as_millis(), self.holder)
    }

    /// Reads back what [`to_text`](Self::to_text) wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ' ');
        let mut next = || parts.next();
        let id = HEXLOWER.decode(next()?.as_bytes()).ok()?.try_into().ok().map(LeaseId)?;
        let (attempt, granted_at) = (next()?.parse().ok()?, Timestamp::from_millis(next()?.parse().ok()?));
        Some(Self { id, attempt, granted_at, holder: Arc::from(next()?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(attempt: u32, holder: &str) -> Lease {
        Lease::grant(attempt, Timestamp::from_millis(1_700_000_000_123), holder).unwrap()
    }

    #[test]
    fn a_lease_reads_back_as_it_is_written() {
        for holder in ["", "pid 7, task 3", "zoë \n x"] {
            let lease = lease(3, holder);
            assert_eq!(Lease::parse(&lease.to_text()), Some(lease));
        }
        for text in
            ["", "x 1 1 h", "00 1 1 h", &format!("{} 1 h", "0".repeat(32)), &format!("{} -1 1 h", "0".repeat(32))]
        {
            assert_eq!(Lease::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_long_name_is_cut_between_two_characters() {
        assert_eq!(lease(1, &"ë".repeat(40)).holder.chars().count(), 32);
        assert_eq!(lease(1, &format!("a{}", "ë".repeat(40))).holder.len(), 63);
    }

    #[test]
    fn attempts_double_their_distance_up_to_half_an_hour() {
        let seconds: Vec<u64> = (1..8).map(|attempt| lease(attempt, "").distance().as_secs()).collect();
        assert_eq!(seconds, [90, 180, 360, 720, 1440, 1800, 1800]);
        assert_eq!(lease(u32::MAX, "").distance(), LONGEST_DISTANCE);
    }
}
