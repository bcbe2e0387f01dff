//! When a token is to be refreshed.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::fields::{Field, Fields};
use crate::identity::RecordName;
use crate::token::parse_expiry;

/// From here on before its end a token counts as ended. The SDKs take five seconds; the rest is for what lies between the
/// store's look at the clock and theirs.
const ENDS_BEFORE: Duration = Duration::from_secs(10);

/// The early lease is given from some moment of this span before the end on.
const LATEST: Duration = Duration::from_secs(60);
const EARLIEST: Duration = Duration::from_secs(120);

/// What a token's end asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    None,
    /// It lives, and it is time for one caller to refresh it.
    Early,
    /// It has ended.
    Ended,
}

#[derive(Debug)]
pub(super) struct Due {
    is_early: bool,
    covers_first: bool,
    /// Of this process alone: so that those of a fleet do not all come at the same moment.
    jitter: RandomState,
}

impl Due {
    pub(super) fn new(is_early: bool, covers_first: bool) -> Self {
        Self { is_early, covers_first, jitter: RandomState::new() }
    }

    pub(super) fn need(&self, name: RecordName, fields: &Fields, now: Timestamp) -> Need {
        if fields.get(Field::RefreshToken).is_none() {
            return Need::None;
        }
        if fields.get(Field::AccessToken).is_none() {
            return if self.covers_first { Need::Ended } else { Need::None };
        }
        // The SDKs do not refresh what has no end.
        let Some(expiry) = fields.text(Field::ExpiresIn).and_then(parse_expiry) else { return Need::None };
        match expiry.since(now) {
            left if left <= ENDS_BEFORE => Need::Ended,
            // Most are far from it, and the hash costs as much as the rest.
            left if self.is_early && left <= EARLIEST && left <= self.early(name, expiry) => Need::Early,
            _ => Need::None,
        }
    }

    /// How long before this end a lease is asked for: the same at every read, or the many of them would make it the
    /// earliest.
    fn early(&self, name: RecordName, expiry: Timestamp) -> Duration {
        let share = u32::try_from(self.jitter.hash_one((name, expiry)) % 1024).unwrap_or_default();
        LATEST + (EARLIEST - LATEST) * share / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretText;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// Of a token that ends `left` seconds after [`NOW`].
    fn need(due: &Due, fields: &[Field], left: Option<u64>) -> Need {
        need_at(due, fields, left, NOW)
    }

    fn need_at(due: &Due, fields: &[Field], left: Option<u64>, now: Timestamp) -> Need {
        let mut held = Fields::new();
        fields.iter().for_each(|field| held.set(*field, Some(SecretText::new("x"))));
        let expiry = left.map(|seconds| NOW.after(Duration::from_secs(seconds)).as_millis().to_string());
        held.set(Field::ExpiresIn, expiry.map(|text| SecretText::new(&text)));
        due.need(RecordName::from_bytes([1; 16]), &held, now)
    }

    #[test]
    fn a_token_is_due_early_and_then_ended() {
        let whole = [Field::AccessToken, Field::RefreshToken];
        for _ in 0..100 {
            let due = Due::new(true, true);
            let at = |left| need(&due, &whole, Some(left));
            assert_eq!(
                (at(121), at(60), at(11), at(10), at(0)),
                (Need::None, Need::Early, Need::Early, Need::Ended, Need::Ended)
            );
        }
        assert_eq!(need(&Due::new(false, true), &whole, Some(11)), Need::None);
    }

    #[test]
    fn processes_come_at_different_moments_and_each_at_its_own() {
        let begins = |due: &Due| {
            let whole = [Field::AccessToken, Field::RefreshToken];
            let is_due =
                |at: &u64| need_at(due, &whole, Some(3600), NOW.after(Duration::from_secs(*at))) == Need::Early;
            (3400..3600).find(is_due).unwrap()
        };
        let dues: Vec<Due> = (0..64).map(|_| Due::new(true, true)).collect();
        let moments: std::collections::HashSet<u64> = dues.iter().map(begins).collect();
        assert!(moments.len() > 16, "{moments:?}");
        assert!(dues.iter().all(|due| begins(due) == begins(due)));
    }

    #[test]
    fn what_cannot_be_refreshed_or_never_ends_is_never_due() {
        let due = Due::new(true, true);
        assert_eq!(need(&due, &[Field::AccessToken], Some(0)), Need::None);
        assert_eq!(need(&due, &[Field::AccessToken, Field::GrantToken], Some(0)), Need::None);
        assert_eq!(need(&due, &[Field::AccessToken, Field::RefreshToken], None), Need::None);
        assert_eq!(need(&due, &[Field::RefreshToken], None), Need::Ended, "the SDKs refresh at once");
        assert_eq!(need(&Due::new(true, false), &[Field::RefreshToken], None), Need::None);
    }
}
