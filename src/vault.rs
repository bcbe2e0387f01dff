//! The vault: the rules of matching and merging, over any backend.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tokio::sync::OwnedMutexGuard;

use crate::backend::{Backend, Change, Claim, Commit};
use crate::claims::{claims, reserved};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::fields::Field;
use crate::identity::{RecordName, Version};
use crate::intake;
use crate::lookup::{LookupKey, LookupKind};
use crate::matching;
use crate::merging;
use crate::operation::{Answer, Context, Operation};
use crate::record::{Record, Writer};
use crate::store::{Outcome, Saved, TokenStore};
use crate::token::OAuthToken;
use crate::turns::{Turns, turn_of};
use crate::vault::begun::{Begun, Beside};
use crate::vault::target::{Target, beside, checked};

/// How often a rule is run again after a `Conflict`. Each time, somebody else's write succeeded, so this bounds a
/// herd and not a wait.
const MAX_ROUNDS: usize = 256;

/// A token store over a backend: the one implementation of the SDKs' rules.
#[derive(Debug)]
pub struct Vault {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    last_tick: AtomicU64,
    turns: Turns<LookupKey>,
}

/// A save that is decided and not yet written.
struct Plan {
    record: Arc<Record>,
    /// Without changes where there is nothing to write: what overtook the save must be durable all the same.
    commit: Commit,
    outcome: Outcome,
}

impl Vault {
    /// A vault over `backend`, by the system's clock.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self::with_clock(backend, Arc::new(SystemClock))
    }

    /// A vault over `backend`, by `clock`.
    pub fn with_clock(backend: Arc<dyn Backend>, clock: Arc<dyn Clock>) -> Self {
        Self { backend, clock, last_tick: AtomicU64::new(0), turns: Turns::default() }
    }

    /// What the records are kept in.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// Now, later than every moment this vault has written before: so "the one saved last" is never a tie.
    pub(crate) fn tick(&self) -> Timestamp {
        let now = self.clock.now().as_micros();
        let last = self.last_tick.fetch_max(now, Ordering::SeqCst);
        if now > last {
            return Timestamp::from_micros(now);
        }
        Timestamp::from_micros(self.last_tick.fetch_add(1, Ordering::SeqCst).saturating_add(1))
    }

    /// Fails once waiting is of no use to the caller any more.
    pub(crate) fn check_round(&self, context: &Context, round: usize) -> Result<()> {
        let is_late = context.deadline().is_some_and(|deadline| round > 0 && self.clock.now() > deadline);
        if round < MAX_ROUNDS && !is_late {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Busy, "others kept changing the same records").with_hint("try again in a moment"))
    }

    async fn by_id(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<Record>>>> {
        if !intake::is_usable_id(id) {
            return Ok(Answer::of_store(None));
        }
        if let Some(name) = RecordName::parse(id) {
            let answer = self.backend.read(context, name).await?;
            if answer.value.is_some() {
                return Ok(answer);
            }
        }
        let answer = self.backend.resolve(context, &[LookupKey::new(LookupKind::Id, id)]).await?;
        Ok(answer.map(|candidates| candidates.records.into_iter().find(|record| record.has_id(id))))
    }

    /// The record of this name, or the one that it has become part of, since a journal drew it.
    async fn of_name(&self, context: &Context, name: RecordName) -> Result<Option<Arc<Record>>> {
        let record = self.by_id(context, &name.to_id()).await?.value;
        Ok(record.filter(|record| record.is_of_name(name)))
    }

    async fn matching(&self, context: &Context, token: &OAuthToken) -> Result<Answer<Option<Arc<Record>>>> {
        if let Some(id) = token.id() {
            let answer = self.by_id(context, id).await?;
            return Ok(answer.map(|record| record.filter(|record| !matching::contradicts(token.fields(), record))));
        }
        let keys = matching::keys(token.fields());
        if keys.is_empty() {
            return Ok(Answer::of_store(None));
        }
        let answer = self.backend.resolve(context, &keys).await?;
        Ok(answer.map(|candidates| matching::for_find(token.fields(), &candidates.records).cloned()))
    }

    /// The record that a save of `token` means.
    async fn target(&self, context: &Context, token: &OAuthToken) -> Result<Target> {
        if let Some(base) = token.base() {
            let record = self.of_name(context, base.record).await?.ok_or_else(gone)?;
            if token.id().is_some_and(|id| !record.has_id(id)) {
                return Err(Error::invalid("the token was handed out under another id")
                    .with_hint("save it under its own id, or detach it to save it as a token of its own"));
            }
            return checked(token, record);
        }
        let Some(id) = token.id() else {
            let keys = matching::keys(token.fields());
            let candidates = self.backend.resolve(context, &keys).await?.value;
            let record = matching::for_save(token.fields(), &candidates.records)?.cloned();
            let reserved = reserved(&candidates);
            return Ok(Target { record, claims: claims(&keys, candidates, reserved), reserved });
        };
        if RecordName::parse(id).is_some() {
            let record = self.by_id(context, id).await?.value.ok_or_else(gone)?;
            return checked(token, record);
        }
        let keys = [LookupKey::new(LookupKind::Id, id)];
        let candidates = self.backend.resolve(context, &keys).await?.value;
        if let Some(record) = candidates.records.iter().find(|record| record.has_id(id)) {
            return checked(token, Arc::clone(record));
        }
        let reserved = reserved(&candidates);
        Ok(Target { record: None, claims: claims(&keys, candidates, reserved), reserved })
    }

    /// What a save of `token` would become part of; `None` where that is nothing, or unknown.
    pub(crate) async fn beside(&self, context: &Context, token: &OAuthToken) -> Option<Beside> {
        let record = self.target(context, token).await.ok()?.record?;
        Some((record.name, record.lineage))
    }

    async fn plan(&self, context: &Context, token: &OAuthToken, begun: Begun) -> Result<Plan> {
        let Target { record: old, mut claims, reserved } = self.target(context, token).await?;
        // What waited is as of when it was given: else it would seem newer than what waits behind it.
        let now = begun.kept_since.unwrap_or_else(|| self.tick());
        let (record, outcome) = match &old {
            None => {
                if let Some((name, _)) = begun.beside
                    && self.of_name(context, name).await?.is_none()
                {
                    return Err(gone());
                }
                intake::check_insert(token.fields())?;
                let (given, id) = (token.shared_fields(), token.id().map(Arc::from));
                let mut record = merging::first_state(begun.beginning()?, given, id, Writer::Save, now);
                record.name = reserved.unwrap_or(record.name);
                (record, Outcome::Inserted)
            }
            Some(old) if begun.is_overtaken(token, old) => return Ok(overtaken(old)),
            Some(old) => {
                let base = token.base().map(|base| beside(base, old));
                let merged = merging::next_state(token.fields(), base.as_deref(), old, Writer::Save, now)?;
                if merged.is_void {
                    return Ok(overtaken(old));
                }
                (merged.record, if merged.is_superseded { Outcome::Superseded } else { Outcome::Updated })
            }
        };
        if !old.as_ref().is_some_and(|old| matching::is_same_owner(&old.fields, &record.fields)) {
            claims.extend(self.claim_owner(context, token, old.as_ref().map(|old| old.version), &record).await?);
        }
        let record = Arc::new(record);
        let change =
            Change { name: record.name, expected: old.map(|old| old.version), value: Some(Arc::clone(&record)) };
        Ok(Plan { record, commit: Commit { changes: vec![change], claims }, outcome })
    }

    /// Makes sure that no other record is of `record`'s user and client, which `token` makes of `old`.
    async fn claim_owner(
        &self,
        context: &Context,
        token: &OAuthToken,
        old: Option<Version>,
        record: &Record,
    ) -> Result<Option<Claim>> {
        let Some(user) = record.fields.text(Field::UserName) else { return Ok(None) };
        let keys = [LookupKey::new(LookupKind::User, user)];
        let candidates = self.backend.resolve(context, &keys).await?.value;
        let is_taken =
            |other: &Arc<Record>| other.name != record.name && matching::is_same_owner(&other.fields, &record.fields);
        if candidates.records.iter().any(is_taken) {
            // It may have come after `old` was read, and be the very record that the token means.
            if self.target(context, token).await?.record.map(|record| record.version) != old {
                return Err(Error::conflict());
            }
            return Err(Error::invalid("another token is of this user and client already")
                .with_hint("save without an id to update that one, or delete it first"));
        }
        Ok(claims(&keys, candidates, None).pop())
    }

    /// As [`save_token`](TokenStore::save_token), for one of several attempts: they make one record at most, and none
    /// once that was deleted, nor once that was which a sign-in that waits would have become part of. Such a sign-in is dropped
    /// where the store has a newer one by then.
    ///
    /// # Errors
    /// Those of a save.
    pub(crate) async fn save_begun(
        &self,
        context: &Context,
        token: &mut OAuthToken,
        begun: Begun,
    ) -> Result<Answer<Saved>> {
        self.save(context, token, begun).await.map_err(self.explain(Operation::SaveToken))
    }

    async fn save(&self, context: &Context, token: &mut OAuthToken, begun: Begun) -> Result<Answer<Saved>> {
        intake::check(token.id(), token.fields())?;
        let mut saved = Saved::new(Outcome::Updated);
        saved.expiry_looks_like_seconds = intake::looks_like_seconds(token.fields());
        let (mut turn, mut vacant) = (None, 0);
        for round in 0.. {
            self.check_round(context, round)?;
            let plan = match self.plan(context, token, begun).await {
                Err(error) if error.kind() == ErrorKind::Conflict => continue,
                plan => plan?,
            };
            let record = plan.record;
            match self.backend.commit(context, plan.commit).await {
                Ok(answer) => {
                    token.settle(&record.id(), &record.fields, record.name, record.lineage, record.rotated_from());
                    saved.outcome = plan.outcome;
                    tracing::debug!(record = %record.name, outcome = ?plan.outcome, "saved a token");
                    return Ok(answer.map(|()| saved));
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    if begun.is_used_up(&mut vacant, (record.name, plan.outcome == Outcome::Inserted)) {
                        return Err(gone());
                    }
                    self.queue(&mut turn, &record).await;
                }
                Err(error) => return Err(error),
            }
        }
        unreachable_round()
    }

    /// Waits for the turn of those who met on this token. A change may mean another token each time it is planned; so
    /// one is given back before the next is taken.
    async fn queue(&self, had: &mut Option<(LookupKey, OwnedMutexGuard<()>)>, record: &Record) {
        let key = turn_of(record);
        if had.as_ref().is_none_or(|(of, _)| *of != key) {
            drop(had.take());
            *had = Some((key, self.turns.take(key).await));
        }
    }

    /// Deletes the token with this id. Answers which record that was.
    ///
    /// # Errors
    /// As the store has them; never because nothing matches.
    pub async fn delete_record(&self, context: &Context, id: &str) -> Result<Answer<Option<RecordName>>> {
        self.delete(context, id).await.map_err(self.explain(Operation::DeleteToken))
    }

    async fn delete(&self, context: &Context, id: &str) -> Result<Answer<Option<RecordName>>> {
        let mut turn = None;
        for round in 0.. {
            self.check_round(context, round)?;
            let answer = self.by_id(context, id).await?;
            let Some(record) = &answer.value else {
                // It may have been deleted by somebody who was killed before that was durable.
                self.backend.commit(context, Commit::default()).await?;
                return Ok(answer.map(|_| None));
            };
            let change = Change { name: record.name, expected: Some(record.version), value: None };
            match self.backend.commit(context, Commit { changes: vec![change], claims: Vec::new() }).await {
                Ok(answer) => {
                    tracing::debug!(record = %record.name, "deleted a token");
                    return Ok(answer.map(|()| Some(record.name)));
                }
                Err(error) if error.kind() == ErrorKind::Conflict => self.queue(&mut turn, record).await,
                Err(error) => return Err(error),
            }
        }
        unreachable_round()
    }

    pub(crate) fn explain(&self, operation: Operation) -> impl Fn(Error) -> Error {
        move |error| error.with_operation(operation).with_store(&self.backend)
    }
}

/// There is nothing to write.
fn overtaken(by: &Arc<Record>) -> Plan {
    Plan { record: Arc::clone(by), commit: Commit::default(), outcome: Outcome::Superseded }
}

fn unreachable_round<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Internal, "a bounded loop did not end"))
}

fn gone() -> Error {
    Error::new(ErrorKind::Gone, "the token was deleted, or never was in this vault")
        .with_hint("sign in again; a token that is brought from elsewhere is saved without the vault's id")
}

impl fmt::Display for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.backend, f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TokenStore for Vault {
    async fn find_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<bool>> {
        let answer = self.matching(context, token).await.map_err(self.explain(Operation::FindToken))?;
        if let Some(record) = &answer.value {
            token.fill_in_place(&record.id(), &record.fields, record.name, record.lineage, record.rotated_from());
        }
        Ok(answer.map(|record| record.is_some()))
    }

    async fn find_token_by_id(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        let answer = self.by_id(context, id).await.map_err(self.explain(Operation::FindTokenById))?;
        Ok(answer.map(|record| record.map(|record| Arc::new(record.hand_out(Some(id))))))
    }

    async fn save_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<Saved>> {
        self.save_begun(context, token, Begun::default()).await
    }

    async fn delete_token(&self, context: &Context, id: &str) -> Result<Answer<bool>> {
        Ok(self.delete_record(context, id).await?.map(|record| record.is_some()))
    }

    async fn get_tokens(&self, context: &Context) -> Result<Answer<Vec<Arc<OAuthToken>>>> {
        let answer = self.backend.list(context).await.map_err(self.explain(Operation::GetTokens))?;
        Ok(answer.map(|mut records| {
            records.sort_unstable_by_key(|record| (record.created_at, record.name));
            records.iter().map(|record| Arc::new(record.hand_out(None))).collect()
        }))
    }

    async fn delete_tokens(&self, context: &Context) -> Result<Answer<usize>> {
        self.backend.clear(context).await.map_err(self.explain(Operation::DeleteTokens))
    }
}

pub(crate) mod begun;
pub(crate) mod replay;
mod target;
#[cfg(test)]
mod tests;
