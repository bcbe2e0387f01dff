//! Granting leases, over any backend: a lease is part of its token's record, and commits decide who gets it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::backend::{Backend, Change, Commit};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::lease::{HELD_FOR, Lease};
use crate::operation::{Answer, Context, NotReady, Source};
use crate::record::Record;
use crate::token::OAuthToken;

/// What is left of a lease at the least when it is granted: whoever wrote it slower than that is not sent any more.
const LEFT_AT_LEAST: Duration = Duration::from_secs(HELD_FOR.as_secs() / 2);

/// From this life of its access tokens on, less what may lie between the provider's answer and the save, a record that several
/// machines share has room for a lease and a save at each refresh: a secret of AWS takes 96 versions a day.
pub const LONG_ENOUGH: Duration = Duration::from_secs(40 * 60 - 60);

/// What a backend tells of its records that several machines share. What is kept on one machine needs none of it: its
/// processes share the clock on the wall, and a write costs nothing.
#[async_trait]
pub trait SharedRecords: fmt::Debug + Send + Sync {
    /// How long the record has been in this very state, by a clock that all have in common; `None` where it is not any more.
    ///
    /// # Errors
    /// As the backend has them.
    async fn age(&self, context: &Context, record: &Record) -> Result<Option<Duration>>;

    /// Whether there is room for one more save of this record, with as much in reserve as where a lease is written.
    ///
    /// # Errors
    /// `QuotaReached` where there is none.
    fn check_room(&self, record: &Record) -> Result<()>;
}

/// What knows the records while the store is out of reach, and keeps what is written meanwhile: where one process alone uses the
/// store, a lease need not be where others see it.
#[async_trait]
pub trait StandIn: fmt::Debug + Send + Sync {
    /// Whether the store has all that is known here of the token's record: else its leases are of an older state.
    ///
    /// # Errors
    /// Its own.
    async fn is_settled(&self, token: &OAuthToken) -> Result<bool>;

    /// The record as it stands after it has shown that what comes of a refresh would be kept: as of the store where that
    /// answers after all, `None` where it is gone.
    ///
    /// # Errors
    /// Why that would not be kept, or what is not known of the record.
    async fn ready(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>>;
}

/// What came of asking for a lease.
#[derive(Clone, Debug)]
pub enum Asked {
    /// It is granted, on the record in this state.
    Granted(Arc<Record>, Lease),
    /// Somebody has it.
    Held {
        /// How much longer; zero where its time is over without a new token.
        ends_in: Duration,
        /// When to ask again.
        next_in: Duration,
    },
    /// There is nothing to refresh: the token is new, or gone.
    Overtaken,
    /// Somebody wrote the record at the same moment, or the store took so long that the time is half over.
    Lost,
}

/// A lease that can be granted.
pub(crate) struct Free {
    record: Arc<Record>,
    attempt: u32,
    /// When it was looked for.
    began: Timestamp,
}

impl Free {
    /// The record as the store has it.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// So many attempts were made already, of which the record does not tell.
    pub(crate) fn after(self, attempts: u32) -> Self {
        Self { attempt: self.attempt.max(attempts.saturating_add(1)), ..self }
    }
}

/// What a look has found.
pub(crate) enum Looked {
    Free(Free),
    /// There is none to be granted.
    Settled(Asked),
}

/// Grants leases.
#[derive(Debug)]
pub struct Granter {
    backend: Arc<dyn Backend>,
    shared: Option<Arc<dyn SharedRecords>>,
    stand_in: Option<Arc<dyn StandIn>>,
    clock: Arc<dyn Clock>,
}

impl Granter {
    /// Over `backend`, whose records several machines share as `shared` tells, or else the processes of one.
    pub fn new(backend: Arc<dyn Backend>, shared: Option<Arc<dyn SharedRecords>>, clock: Arc<dyn Clock>) -> Self {
        Self { backend, shared, stand_in: None, clock }
    }

    /// The same for the only process that uses the store: while that is out of reach, it grants itself leases on what `stand_in`
    /// has. Two processes that do so refresh twice. [`ask`](Self::ask) asks the store alone.
    #[must_use]
    pub fn with_stand_in(self, stand_in: Arc<dyn StandIn>) -> Self {
        Self { stand_in: Some(stand_in), ..self }
    }

    /// Whether leases are granted also while the store is out of reach.
    pub(crate) fn has_stand_in(&self) -> bool {
        self.stand_in.is_some()
    }

    /// Whether the store is to be asked for a lease on this token: to be looked at before it is.
    ///
    /// # Errors
    /// Those of the stand-in.
    pub(crate) async fn is_settled(&self, token: &OAuthToken) -> Result<bool> {
        match &self.stand_in {
            Some(stand_in) => stand_in.is_settled(token).await,
            None => Ok(true),
        }
    }

    /// Asks once for the lease on a record, where `is_due` says that its token is to be refreshed. Whoever gets it has
    /// [`HELD_FOR`] to save a new token, counted from before this was called, and half of that at the least.
    ///
    /// That it is granted also shows that a new token could be saved just now: it is a write like that one. Of access tokens
    /// that live for less than 40 minutes several machines have no room for two writes each: there the lease is this process's
    /// alone, is not written, and shows no more than that the save has room.
    ///
    /// # Errors
    /// As the backend has them; `Unavailable` where [`Context::check_readiness`] fails.
    pub async fn ask(
        &self,
        context: &Context,
        name: RecordName,
        holder: &str,
        is_due: impl Fn(&Record) -> bool + Send + Sync,
    ) -> Result<Asked> {
        match self.look(context, name, is_due).await? {
            Looked::Free(free) => self.grant(context, free, holder).await,
            Looked::Settled(asked) => Ok(asked),
        }
    }

    /// Whether there is one to be granted. Nothing is written: who has no more time lets go of this.
    ///
    /// # Errors
    /// As the backend has them.
    pub(crate) async fn look(
        &self,
        context: &Context,
        name: RecordName,
        is_due: impl Fn(&Record) -> bool + Send + Sync,
    ) -> Result<Looked> {
        let began = self.clock.now();
        let Some(record) = self.backend.read(context, name).await?.value.filter(|record| is_due(record)) else {
            return Ok(Looked::Settled(Asked::Overtaken));
        };
        let Some(lease) = &record.lease else { return Ok(Looked::Free(Free { record, attempt: 1, began })) };
        let Some(age) = self.age(context, &record, lease).await? else { return Ok(Looked::Settled(Asked::Lost)) };
        let (ends_in, next_in) = (HELD_FOR.saturating_sub(age), lease.distance().saturating_sub(age));
        if !next_in.is_zero() {
            return Ok(Looked::Settled(Asked::Held { ends_in, next_in }));
        }
        let attempt = lease.attempt.saturating_add(1);
        Ok(Looked::Free(Free { record, attempt, began }))
    }

    /// Grants it. To be awaited to its end: where it is let go of, the lease may be there, and nobody know of it.
    ///
    /// # Errors
    /// As the backend has them; `Unavailable` where [`Context::check_readiness`] fails.
    pub(crate) async fn grant(&self, context: &Context, free: Free, holder: &str) -> Result<Asked> {
        let Free { record, attempt, began } = free;
        let lease = Lease::grant(attempt, self.clock.now(), holder)?;
        if let Some(shared) = self.shared.as_ref().filter(|_| lives_too_short(&record)) {
            shared.check_room(&record)?;
            context.check_readiness().await.map_err(not_ready)?;
            tracing::warn!(
                record = %record.name,
                life_s = record.longest_life.unwrap_or_default().as_secs(),
                "the access token lives for less than 40 minutes: one refreshes for this process, not for all machines"
            );
            return Ok(Asked::Granted(record, lease));
        }
        let (version, expected) = (record.version.next()?, Some(record.version));
        let granted = Arc::new(Record { version, lease: Some(lease.clone()), ..Record::clone(&record) });
        let change = Change { name: record.name, expected, value: Some(Arc::clone(&granted)) };
        context.check_readiness().await.map_err(not_ready)?;
        match self.backend.commit(context, Commit { changes: vec![change], claims: Vec::new() }).await {
            // Its answer was long in coming: another may be sent by now, or soon.
            Ok(_) if self.clock.now().since(began) > HELD_FOR.saturating_sub(LEFT_AT_LEAST) => Ok(Asked::Lost),
            Ok(_) => Ok(Asked::Granted(granted, lease)),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Asked::Lost),
            Err(error) => Err(error),
        }
    }

    /// Grants a lease that only this process knows of, where `is_due` says that the token is to be refreshed, after so many
    /// attempts that a caller of this process made; `None` where it knows nothing of who had a lease that the record shows.
    ///
    /// # Errors
    /// `Unavailable` where the stand-in is not ready or there is none, and where [`Context::check_readiness`] fails.
    pub(crate) async fn grant_alone(
        &self,
        context: &Context,
        name: RecordName,
        (holder, attempts): (&str, Option<u32>),
        is_due: impl Fn(&Record) -> bool + Send + Sync,
    ) -> Result<Answer<Asked>> {
        let stand_in = self.stand_in.as_ref().ok_or_else(|| nobody_is_sent("others may refresh it as well"))?;
        let began = self.clock.now();
        context.check_readiness().await.map_err(not_ready)?;
        // Last, and nothing is waited for after it: what was written meanwhile is in it.
        let answer = stand_in.ready(context, name).await.map_err(|error| nobody_is_sent(&error).with_source(error))?;
        let Answer { value, source, request_ids } = answer;
        let asked = match value.filter(|record| is_due(record)) {
            None => Asked::Overtaken,
            // Its leases count again.
            Some(_) if source == Source::Store => Asked::Lost,
            Some(record) => {
                let before = record.lease.as_ref().map_or(0, |lease| lease.attempt);
                if before > 0 && attempts.is_none() {
                    return Err(nobody_is_sent(
                        "another was, before this process knew, and only the store has what came of it",
                    ));
                }
                let attempts = attempts.unwrap_or_default();
                let lease = Lease::grant(before.max(attempts).saturating_add(1), self.clock.now(), holder)?;
                let is_late = self.clock.now().since(began) > HELD_FOR.saturating_sub(LEFT_AT_LEAST);
                if is_late { Asked::Lost } else { Asked::Granted(record, lease) }
            }
        };
        Ok(Answer { value: asked, source, request_ids })
    }

    /// How long ago the lease was granted; `None` where the record has moved on.
    async fn age(&self, context: &Context, record: &Record, lease: &Lease) -> Result<Option<Duration>> {
        let now = self.clock.now();
        match &self.shared {
            Some(shared) => shared.age(context, record).await,
            // Of a clock that was set back nothing follows; nobody may be locked out by it for longer than by a holder.
            None if lease.granted_at > now.after(HELD_FOR) => Ok(Some(lease.distance())),
            None => Ok(Some(now.since(lease.granted_at))),
        }
    }
}

fn lives_too_short(record: &Record) -> bool {
    record.longest_life.is_some_and(|life| life < LONG_ENOUGH)
}

fn nobody_is_sent(why: &(impl fmt::Display + ?Sized)) -> Error {
    let what = format!("the store is out of reach, and nobody is sent to refresh the token: {why}");
    Error::new(ErrorKind::Unavailable, what).with_hint("try again when the store is in reach, or see to that")
}

fn not_ready(cause: NotReady) -> Error {
    Error::new(ErrorKind::Unavailable, format!("nobody is sent to refresh the token: {cause}"))
        .with_hint("see to that; the token is as it was")
}
