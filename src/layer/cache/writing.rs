//! Writes go through; what they change, or may have changed, is not answered from memory afterwards.

use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::layer::cache::question::Question;
use crate::layer::cache::shelf::{Began, Entry, Shelf};
use crate::layer::cache::{Cache, State};
use crate::lookup::LookupKey;
use crate::matching;
use crate::operation::{Answer, Context, Source};
use crate::record::field_keys;
use crate::store::Saved;
use crate::token::OAuthToken;

/// What a write is about.
enum Target<'a> {
    All,
    Id(&'a str),
    /// As it was before the save.
    Token(OAuthToken),
}

/// A write that is under way. Dropped before it is ended, nobody knows what became of it.
struct Write<'a> {
    cache: &'a Cache,
    target: Target<'a>,
    epoch: u64,
    began: Began,
    is_ended: bool,
}

impl Cache {
    /// # Errors
    /// As the store has them.
    pub(super) async fn save(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<Saved>> {
        let write = self.begin(Target::Token(token.clone()));
        let answer = self.inner.save_token(context, token).await;
        let is_stores = answer.as_ref().is_ok_and(|answer| answer.source == Source::Store);
        write.end(&answer, |write, state, _| write.saved(state, token, is_stores));
        answer
    }

    /// # Errors
    /// As the store has them.
    pub(super) async fn delete(&self, context: &Context, id: &str) -> Result<Answer<bool>> {
        let write = self.begin(Target::Id(id));
        let answer = self.inner.delete_token(context, id).await;
        write.end(&answer, |_, state, was_there| state.shelf.deleted(id, *was_there));
        answer
    }

    /// # Errors
    /// As the store has them.
    pub(super) async fn delete_all(&self, context: &Context) -> Result<Answer<usize>> {
        let write = self.begin(Target::All);
        let answer = self.inner.delete_tokens(context).await;
        write.end(&answer, |_, state, _| state.shelf.clear());
        answer
    }

    fn begin<'a>(&'a self, target: Target<'a>) -> Write<'a> {
        let now = self.options.clock.now();
        let state = self.state();
        Write { cache: self, target, epoch: state.epoch, began: state.began(now), is_ended: false }
    }
}

impl Write<'_> {
    fn end<T>(mut self, answer: &Result<Answer<T>>, done: impl FnOnce(&Self, &mut State, &T)) {
        match answer {
            Ok(answer) => {
                let mut state = self.cache.state();
                state.failed_at = None;
                done(&self, &mut state, &answer.value);
                state.epoch += 1;
                self.is_ended = true;
            }
            Err(error) => self.is_ended = changed_nothing(error),
        }
    }

    /// `token` is as the store has left it: it remembers what its record holds now. Not for good where the store itself does not
    /// have it yet: it may become part of another record.
    fn saved(&self, state: &mut State, token: &OAuthToken, is_stores: bool) {
        let (Some(stored), Some(base)) = (token.as_stored(), token.base()) else {
            state.shelf.clear();
            return;
        };
        let keys: Vec<LookupKey> = field_keys(stored.fields(), base.rotated_from).collect();
        state.shelf.drop_where(|_, entry| entry.token().is_none() || entry.leans_on(&keys));
        // Another write may have been later than this one, and be told of before it.
        let own = stored.id().and_then(|id| Question::Id(id).key()).filter(|_| is_stores && state.epoch == self.epoch);
        let now = self.cache.options.clock.now();
        match own {
            Some(own) => state.shelf.replace(stored, own, self.began, now, &self.cache.options),
            None => state.shelf.drop_records(&[base.record]),
        }
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        let mut state = self.cache.state();
        state.epoch += 1;
        match &self.target {
            Target::All => state.shelf.clear(),
            Target::Id(id) => state.shelf.drop_id(id),
            Target::Token(given) => state.shelf.drop_all_of(given),
        }
        state.shelf.drop_where(|_, entry| entry.token().is_none());
    }
}

/// Whether the store refused the write before it changed anything, by what it was given and nothing else.
fn changed_nothing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Ambiguous | ErrorKind::InvalidInput)
}

impl Shelf {
    /// The token with this id is gone.
    fn deleted(&mut self, id: &str, was_there: bool) {
        let known = self.known(id);
        if known.is_empty() && was_there {
            // It may be kept under other ids.
            self.clear();
        }
        self.drop_records(&known);
        self.drop_where(|_, entry| entry.token().is_none());
    }

    fn drop_id(&mut self, id: &str) {
        let known = self.known(id);
        self.drop_records(&known);
    }

    /// Drops what a save of `given` may have changed.
    fn drop_all_of(&mut self, given: &OAuthToken) {
        let base = given.base();
        let records = match (base, given.id()) {
            (Some(base), _) => vec![base.record],
            (None, Some(id)) => self.known(id),
            (None, None) => {
                let keys = matching::keys(given.fields());
                self.records_where(|entry| is_found_by(entry, &keys))
            }
        };
        self.drop_records(&records);
        let keys: Vec<LookupKey> = field_keys(given.fields(), base.and_then(|base| base.rotated_from)).collect();
        self.drop_where(|_, entry| entry.leans_on(&keys));
    }

    /// The records that this id leads to, as far as that can be told from the answers.
    fn known(&self, id: &str) -> Vec<RecordName> {
        let mut known = self.records_of(id);
        let named = RecordName::parse(id);
        known.extend(self.records_where(|entry| entry.record() == named));
        known
    }

    fn drop_records(&mut self, records: &[RecordName]) {
        self.drop_where(|_, entry| entry.record().is_some_and(|record| records.contains(&record)));
    }
}

fn is_found_by(entry: &Entry, keys: &[LookupKey]) -> bool {
    let Some((token, base)) = entry.token().and_then(|token| Some((token, token.base()?))) else { return false };
    field_keys(token.fields(), base.rotated_from).any(|key| keys.contains(&key))
}
