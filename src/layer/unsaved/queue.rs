//! What could not be saved, in the order in which it was to be.

use std::collections::VecDeque;

use crate::identity::RecordName;
use crate::token::OAuthToken;

/// As many as are kept; what comes then is not.
const MAX_KEPT: usize = 1000;

/// A token that could not be saved.
pub(super) struct Kept {
    /// As it was given.
    pub(super) token: OAuthToken,
    /// The record that it means beside those of the copy, once that was decided: a name of no other meaning, where it is a
    /// new one.
    record: Option<RecordName>,
    is_decided: bool,
    number: u64,
}

#[derive(Default)]
pub(super) struct Queue {
    kept: VecDeque<Kept>,
    numbered: u64,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Keeps a token, once. Answers whether there was room for it.
    pub(super) fn keep(&mut self, token: OAuthToken) -> bool {
        if self.kept.iter().any(|kept| is_same(&kept.token, &token)) {
            return true;
        }
        if self.kept.len() >= MAX_KEPT {
            return false;
        }
        self.numbered += 1;
        self.kept.push_back(Kept { token, record: None, is_decided: false, number: self.numbered });
        true
    }

    /// The one to be saved after that of this number. The first has number 1.
    pub(super) fn after(&self, number: u64) -> Option<(u64, OAuthToken)> {
        self.kept.iter().find(|kept| kept.number > number).map(|kept| (kept.number, kept.token.clone()))
    }

    /// The first of which it is not decided what record it means.
    pub(super) fn undecided(&self) -> Option<(u64, OAuthToken)> {
        let kept = self.kept.iter().find(|kept| !kept.is_decided);
        kept.map(|kept| (kept.number, kept.token.clone()))
    }

    pub(super) fn decide(&mut self, number: u64, record: Option<RecordName>) {
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.number == number) {
            (kept.record, kept.is_decided) = (record, true);
        }
    }

    /// They have to be decided anew.
    pub(super) fn undecide(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.is_decided = false);
    }

    pub(super) fn settle(&mut self, number: u64) {
        self.kept.retain(|kept| kept.number != number);
    }

    /// The last one for this record.
    pub(super) fn of(&self, record: RecordName) -> Option<&Kept> {
        self.kept.iter().rev().find(|kept| kept.record == Some(record))
    }

    /// Forgets those of the token with this id.
    pub(super) fn forget(&mut self, id: &str) {
        let named = RecordName::parse(id);
        let is_of = |kept: &Kept| {
            let of_base = kept.token.base().map(|base| base.record);
            kept.token.id() == Some(id) || (named.is_some() && [of_base, kept.record].contains(&named))
        };
        self.kept.retain(|kept| !is_of(kept));
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }
}

fn is_same(one: &OAuthToken, other: &OAuthToken) -> bool {
    let of = |token: &OAuthToken| token.base().map(|base| (base.record, base.lineage));
    one.id() == other.id() && of(one) == of(other) && one.fields() == other.fields()
}
