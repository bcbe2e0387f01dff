//! Tokens whose saves failed, or were given up: kept by the process in the order in which they were to be saved, and tried again.

use std::collections::VecDeque;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backend::fallback::pending::came_from;
use crate::clock::Timestamp;
use crate::error::{Error, Result, Retry};
use crate::fields::{Field, Fields};
use crate::identity::{Lineage, RecordName};
use crate::lookup::{LookupKey, LookupKind};
use crate::matching;
use crate::operation::Context;
use crate::record::Record;
use crate::store::{Outcome, Saved};
use crate::token::OAuthToken;
use crate::vault::Vault;
use crate::vault::begun::{Begun, Beside};

/// As many as are kept; what comes then is not.
const MAX_KEPT: usize = 1000;

/// A token that could not be saved.
pub(super) struct Kept {
    /// As it was given.
    pub(super) token: OAuthToken,
    begun: Begun,
    /// The record that it means beside those of the copy, once that was decided: a name of no other meaning, where it is a
    /// new one.
    record: Option<RecordName>,
    is_decided: bool,
    number: u64,
    /// Why it was refused when it was last tried.
    refusal: Option<Error>,
}

#[derive(Default)]
pub(super) struct Queue {
    kept: VecDeque<Kept>,
    numbered: u64,
    /// Saves under way: what they bring is not here yet, nor in the store.
    running: Vec<(u64, OAuthToken)>,
    /// How many were begun, and how many have ended.
    begun: u64,
    ended: u64,
}

/// What waits, or is on its way, that may be newer than a token.
pub(super) enum Ahead {
    Nothing,
    Something,
    /// It is tried, and refused.
    Refused(Error),
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Keeps a token, once. Answers whether there was room for it.
    fn keep(&mut self, token: OAuthToken, begun: Begun) -> bool {
        if self.kept.iter().any(|kept| is_same(&kept.token, &token)) {
            return true;
        }
        if self.kept.len() >= MAX_KEPT {
            return false;
        }
        self.numbered += 1;
        let (number, refusal) = (self.numbered, None);
        self.kept.push_back(Kept { token, begun, record: None, is_decided: false, number, refusal });
        true
    }

    /// The one to be saved after that of this number. The first has number 1.
    pub(super) fn after(&self, number: u64) -> Option<(u64, OAuthToken, Begun)> {
        let next = self.kept.iter().find(|kept| kept.number > number);
        next.map(|kept| (kept.number, kept.token.clone(), kept.begun))
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

    pub(super) fn refuse(&mut self, number: u64, cause: Error) {
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.number == number) {
            kept.refusal = Some(cause);
        }
    }

    /// How many saves were begun, and how many have ended: as long as it is the same, the same are under way.
    pub(super) fn turnover(&self) -> (u64, u64) {
        (self.begun, self.ended)
    }

    /// Whether a save under way may be of this record.
    pub(super) fn is_saving(&self, record: &Record) -> bool {
        self.running.iter().any(|(_, token)| may_mean(token, record.name, (record.lineage, &record.fields)))
    }

    /// What of `token` may be newer than what the store has.
    pub(super) fn ahead_of(&self, token: &OAuthToken) -> Ahead {
        let Some(base) = token.base() else { return Ahead::Nothing };
        let is_of = |own: &OAuthToken| may_mean(own, base.record, (base.lineage, token.fields()));
        let waiting = self.kept.iter().filter(|kept| is_of(&kept.token) || kept.record == Some(base.record));
        let mut ahead = Ahead::Nothing;
        for kept in waiting {
            match &kept.refusal {
                Some(cause) => return Ahead::Refused(cause.again()),
                None => ahead = Ahead::Something,
            }
        }
        // Who was sent may be late, and be all the same the one who has the new refresh token.
        let is_late = |(_, own): &(u64, OAuthToken)| own.lease().is_some() && is_of(own);
        if self.running.iter().any(is_late) { Ahead::Something } else { ahead }
    }

    /// After `begun` was saved, `given` as it was kept, as `token`: what waits for the same record is beside that sign-in now,
    /// unless that did not stand. Where nothing was known of a record, that is what waits for the same user.
    pub(super) fn follow(&mut self, begun: Begun, given: &OAuthToken, token: &OAuthToken, saved: &Saved) {
        let Some(base) = token.base() else { return };
        let is_its_own = given.get(Field::RefreshToken).is_some_and(|own| {
            base.seen.get(Field::RefreshToken) == Some(own)
                || base.rotated_from == Some(LookupKey::new(LookupKind::RefreshToken, own.expose()))
        });
        if saved.outcome == Outcome::Superseded && !is_its_own {
            return;
        }
        let is_behind = |kept: &&mut Kept| match begun.beside {
            Some(_) => kept.begun.beside == begun.beside,
            None => {
                kept.begun.beside.is_none()
                    && kept.token.base().is_none()
                    && kept.token.id().is_none()
                    && matching::is_same_owner(kept.token.fields(), given.fields())
            }
        };
        self.kept.iter_mut().filter(is_behind).for_each(|kept| kept.begun.beside = Some((base.record, base.lineage)));
    }

    /// The last one for this record.
    pub(super) fn of(&self, record: RecordName) -> Option<&Kept> {
        self.kept.iter().rev().find(|kept| kept.record == Some(record))
    }

    /// Forgets those of the token that was deleted under this id: also a sign-in of its user, which was to become part of it.
    pub(super) fn forget(&mut self, id: &str, deleted: Option<&OAuthToken>) {
        let record = deleted.and_then(came_from).map(Arc::new);
        let names = [RecordName::parse(id), record.as_ref().map(|record| record.name)];
        let is_named = |name: Option<RecordName>| name.is_some() && names.contains(&name);
        let is_meant = |token: &OAuthToken| {
            let is_free = token.id().is_none() && token.base().is_none();
            let found = record.as_ref().map(|record| matching::for_save(token.fields(), slice::from_ref(record)));
            is_free && matches!(found, Some(Ok(Some(_))))
        };
        self.kept.retain(|kept| {
            let Kept { token, record, .. } = kept;
            let (of_base, of_id) = (token.base().map(|base| base.record), token.id().and_then(RecordName::parse));
            let is_of = token.id() == Some(id) || [of_base, of_id, *record].into_iter().any(is_named);
            !is_of && !is_meant(token)
        });
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }
}

/// Whether `token` may become part of this record, which has this sign-in and these fields.
fn may_mean(token: &OAuthToken, record: RecordName, (lineage, fields): (Lineage, &Fields)) -> bool {
    if let Some(base) = token.base() {
        return base.record == record || base.lineage.is_same(lineage);
    }
    // Which record it means is decided when it is saved.
    let own = matching::keys(token.fields());
    token.id().and_then(RecordName::parse) == Some(record)
        || matching::keys(fields).iter().any(|key| own.contains(key))
        || own.is_empty()
}

fn is_same(one: &OAuthToken, other: &OAuthToken) -> bool {
    let of = |token: &OAuthToken| token.base().map(|base| (base.record, base.lineage));
    one.id() == other.id() && of(one) == of(other) && one.fields() == other.fields()
}

/// For a moment.
pub(super) fn locked(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // Nothing panics while it is held.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A save under way: where nobody waits for its answer, its token is kept.
pub(super) struct Attempt<'a> {
    queue: &'a Mutex<Queue>,
    token: Option<OAuthToken>,
    begun: Begun,
    at: Timestamp,
    beside: Option<Beside>,
    number: u64,
}

impl<'a> Attempt<'a> {
    pub(super) fn begin(queue: &'a Mutex<Queue>, token: &OAuthToken, at: Timestamp) -> Self {
        let number = {
            let mut queue = locked(queue);
            queue.begun += 1;
            let number = queue.begun;
            queue.running.push((number, token.clone()));
            number
        };
        Self { queue, token: Some(token.clone()), begun: Begun::draw(), at, beside: None, number }
    }

    pub(super) const fn begun(&self) -> Begun {
        self.begun
    }

    /// Passes on what came of it. A token whose save may succeed later is kept, and the error says so by `hint`; so is one that was
    /// refreshed under a lease, as long as the rules take it: the refresh token before it is spent, and a right can be given again. What
    /// one without a base would become part of is asked of `offline`, which knows what the store had.
    pub(super) async fn end<T>(
        mut self,
        outcome: Result<T>,
        offline: impl FnOnce() -> Vault + Send,
        hint: &str,
    ) -> Result<T> {
        let is_leased = self.token.as_ref().is_some_and(|token| token.lease().is_some());
        let may_stand = |error: &Error| error.retry() == Retry::Later || (is_leased && !error.is_final());
        let is_kept = outcome.as_ref().is_err_and(may_stand);
        if let Some(token) = self.token.as_ref().filter(|token| is_kept && token.base().is_none()) {
            self.beside = offline().beside(&Context::new(), token).await;
        }
        match outcome {
            Err(error) if is_kept => {
                let full = "too many tokens are kept in this process already; try again later";
                let kept = if self.keep() { hint } else { full };
                let hint = match error.hint() {
                    Some(own) if error.retry() != Retry::Later => format!("{own}; {kept}"),
                    _ => kept.to_owned(),
                };
                Err(error.with_hint(hint))
            }
            outcome => {
                self.token = None;
                outcome
            }
        }
    }

    fn keep(&mut self) -> bool {
        self.token.take().is_some_and(|token| locked(self.queue).keep(token, self.begun.kept(self.at, self.beside)))
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.keep();
        // Last: at no moment is it in neither of the two.
        let mut queue = locked(self.queue);
        queue.running.retain(|(number, _)| *number != self.number);
        queue.ended += 1;
    }
}
