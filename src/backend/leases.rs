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
use crate::operation::{Context, NotReady};
use crate::record::Record;

/// What is left of a lease at the least when it is granted: whoever wrote it slower than that is not sent any more.
const LEFT_AT_LEAST: Duration = Duration::from_secs(HELD_FOR.as_secs() / 2);

/// Tells how long a record has been as it is, by a clock that all who share the backend have in common. What is kept on one
/// machine needs none: its processes share the clock on the wall.
#[async_trait]
pub trait StateAge: fmt::Debug + Send + Sync {
    /// How long the record has been in this very state; `None` where it is not any more.
    ///
    /// # Errors
    /// As the backend has them.
    async fn age(&self, context: &Context, record: &Record) -> Result<Option<Duration>>;
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
    age: Option<Arc<dyn StateAge>>,
    clock: Arc<dyn Clock>,
}

impl Granter {
    /// Over `backend`, whose processes share no more than `age`, or else the clock on the wall.
    pub fn new(backend: Arc<dyn Backend>, age: Option<Arc<dyn StateAge>>, clock: Arc<dyn Clock>) -> Self {
        Self { backend, age, clock }
    }

    /// Asks once for the lease on a record, where `is_due` says that its token is to be refreshed. Whoever gets it has
    /// [`HELD_FOR`] to save a new token, counted from before this was called, and half of that at the least.
    ///
    /// That it is granted also shows that a new token could be saved just now: it is a write like that one.
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

    /// How long ago the lease was granted; `None` where the record has moved on.
    async fn age(&self, context: &Context, record: &Record, lease: &Lease) -> Result<Option<Duration>> {
        let now = self.clock.now();
        match &self.age {
            Some(age) => age.age(context, record).await,
            // Of a clock that was set back nothing follows; nobody may be locked out by it for longer than by a holder.
            None if lease.granted_at > now.after(HELD_FOR) => Ok(Some(lease.distance())),
            None => Ok(Some(now.since(lease.granted_at))),
        }
    }
}

fn not_ready(cause: NotReady) -> Error {
    Error::new(ErrorKind::Unavailable, format!("nobody is sent to refresh the token: {cause}"))
        .with_hint("see to that; the token is as it was")
}
