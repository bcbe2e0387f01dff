//! A save that is made more than once: because the store's answer was lost, or because its token had to wait.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::fields::Field;
use crate::identity::{Beginning, Lineage, RecordName};
use crate::matching;
use crate::record::Record;
use crate::token::OAuthToken;

/// After so many conflicts over a record that is not there, its name is one that was used: it was made, and deleted.
pub(crate) const MAX_VACANT: usize = 8;

/// What all attempts of one save have in common.
#[derive(Clone, Copy, Default)]
pub(crate) struct Begun {
    /// What the record begins with that the save makes: so a later attempt finds what an earlier one has made, or that its name
    /// is used up. Drawn at the attempt where there is none.
    beginning: Option<Beginning>,
    /// Since when its token waits; `None` for a first attempt.
    pub(crate) kept_since: Option<Timestamp>,
    /// What a token without a base would have become part of when it began to wait, where that is known.
    pub(crate) beside: Option<Beside>,
}

/// A record, and the sign-in that it had.
pub(crate) type Beside = (RecordName, Lineage);

impl Begun {
    /// Of a first attempt.
    pub(crate) fn draw() -> Self {
        Self { beginning: Beginning::draw().ok(), kept_since: None, beside: None }
    }

    /// Of every attempt after the first, which was made at `since`.
    pub(crate) fn kept(self, since: Timestamp, beside: Option<Beside>) -> Self {
        Self { kept_since: Some(since), beside, ..self }
    }

    /// The records that it makes, or becomes part of: once one of them is deleted, it makes none.
    pub(crate) fn names(&self) -> impl Iterator<Item = RecordName> {
        let drawn = self.beginning.map(|beginning| beginning.name);
        drawn.into_iter().chain(self.beside.map(|(name, _)| name))
    }

    pub(super) fn beginning(&self) -> Result<Beginning> {
        self.beginning.map_or_else(Beginning::draw, Ok)
    }

    /// Whether `old` is of a sign-in that has come after the token that waits, which is one of its own: the newer one stands.
    pub(super) fn is_overtaken(&self, token: &OAuthToken, old: &Record) -> bool {
        let tokens = [Field::RefreshToken, Field::GrantToken, Field::AccessToken];
        token.base().is_none()
            && self.kept_since.is_some_and(|since| old.saved_at > since)
            && self.beside.is_none_or(|(_, seen)| !seen.is_same(old.lineage))
            && tokens.into_iter().any(|field| token.get(field).is_some())
            && !matching::holds_one_given(token.fields(), old)
    }

    /// Counts conflicts over the record that this began. Answers whether an earlier attempt has made it, and somebody has deleted
    /// it since.
    pub(super) fn is_used_up(&self, vacant: &mut usize, (name, is_new): (RecordName, bool)) -> bool {
        let is_its = is_new && self.beginning.is_some_and(|beginning| beginning.name == name);
        *vacant += usize::from(is_its && self.kept_since.is_some());
        *vacant >= MAX_VACANT
    }
}
