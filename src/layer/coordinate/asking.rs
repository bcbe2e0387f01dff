//! What is asked for, what was found, and what came of asking for a lease on it.

use std::sync::Arc;
use std::time::Duration;

use crate::identity::RecordName;
use crate::layer::coordinate::due::Need;
use crate::layer::coordinate::held::End;
use crate::operation::{Answer, Source};
use crate::token::OAuthToken;

/// How a token was asked for.
#[derive(Clone, Copy)]
pub(super) enum Asking<'a> {
    ById(&'a str),
    Matching(&'a OAuthToken),
}

pub(super) type Found = Answer<Option<Arc<OAuthToken>>>;

/// A token that is to be refreshed, as it was found.
pub(super) struct Wanted<'a> {
    pub(super) end: End,
    pub(super) need: Need,
    pub(super) answer: &'a Found,
}

/// What came of asking for a lease.
pub(super) enum Taken {
    Granted(Found),
    Held { ends_in: Duration, next_in: Duration },
    Overtaken,
    Lost,
}

/// The token that was found, and its record.
pub(super) fn of_record(answer: &Found) -> Option<(RecordName, &Arc<OAuthToken>)> {
    let token = answer.value.as_ref()?;
    Some((token.base()?.record, token))
}

/// Whether it is not the store that tells of the token: a lease is the store's, whose token may be older, and its refresh
/// token spent.
pub(super) fn is_second_hand(answer: &Found) -> bool {
    matches!(answer.source, Source::Fallback | Source::Journal)
}
