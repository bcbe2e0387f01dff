//! The three things that a backend is asked, of the store and of its copy.

use std::sync::Arc;

use async_trait::async_trait;

use crate::backend::fallback::kept_copy::{KeptCopy, Outset, Seen};
use crate::backend::fallback::mark::Mark;
use crate::backend::{Backend, Candidates};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::identity::RecordName;
use crate::lookup::LookupKey;
use crate::operation::{Answer, Context};
use crate::record::Record;

#[async_trait]
pub(super) trait Question: Sync {
    type Reply: Send + Sync;
    /// What must be known of the copy from before the store was asked.
    type Before: Send + Sync;
    /// Whether the answer is all that there is.
    const IS_WHOLE: bool;

    async fn ask(&self, context: &Context, store: &dyn Backend) -> Result<Answer<Self::Reply>>;

    /// What the copy has; `None` where that is nothing.
    async fn ask_copy(&self, copy: &KeptCopy) -> Result<Option<Self::Reply>>;

    async fn before(&self, copy: &KeptCopy, mark: &Mark, now: Timestamp) -> Result<Self::Before>;

    /// Takes over what the store has shown.
    async fn note(
        &self,
        reply: &Self::Reply,
        before: &Self::Before,
        copy: &KeptCopy,
        store: (&dyn Backend, &Context),
    ) -> Result<()>;
}

/// A record by its name.
pub(super) struct Named(pub(super) RecordName);

#[async_trait]
impl Question for Named {
    type Reply = Option<Arc<Record>>;
    type Before = Mark;
    const IS_WHOLE: bool = false;

    async fn ask(&self, context: &Context, store: &dyn Backend) -> Result<Answer<Self::Reply>> {
        store.read(context, self.0).await
    }

    async fn ask_copy(&self, copy: &KeptCopy) -> Result<Option<Self::Reply>> {
        Ok(copy.read(self.0).await?.map(Some))
    }

    async fn before(&self, _: &KeptCopy, mark: &Mark, _: Timestamp) -> Result<Mark> {
        Ok(mark.clone())
    }

    async fn note(
        &self,
        reply: &Self::Reply,
        before: &Mark,
        copy: &KeptCopy,
        _: (&dyn Backend, &Context),
    ) -> Result<()> {
        let seen = match reply {
            Some(record) => Seen { records: vec![Arc::clone(record)], missing: Vec::new() },
            None => Seen { records: Vec::new(), missing: vec![self.0] },
        };
        copy.note(&seen, before).await
    }
}

/// Records by lookup keys.
pub(super) struct Found<'a>(pub(super) &'a [LookupKey]);

#[async_trait]
impl Question for Found<'_> {
    type Reply = Candidates;
    type Before = Mark;
    const IS_WHOLE: bool = false;

    async fn ask(&self, context: &Context, store: &dyn Backend) -> Result<Answer<Candidates>> {
        store.resolve(context, self.0).await
    }

    async fn ask_copy(&self, copy: &KeptCopy) -> Result<Option<Candidates>> {
        Ok(Some(copy.resolve(self.0).await?).filter(|found| !found.records.is_empty()))
    }

    async fn before(&self, _: &KeptCopy, mark: &Mark, _: Timestamp) -> Result<Mark> {
        Ok(mark.clone())
    }

    /// What the copy finds by these keys and the store does not has other keys by then, or is gone.
    async fn note(
        &self,
        reply: &Candidates,
        before: &Mark,
        copy: &KeptCopy,
        (store, context): (&dyn Backend, &Context),
    ) -> Result<()> {
        let mut seen = Seen { records: reply.records.clone(), missing: Vec::new() };
        for held in copy.resolve(self.0).await?.records {
            let is_known = reply.records.iter().any(|record| record.name == held.name);
            if is_known || !held.lookup_keys().iter().any(|key| self.0.contains(key)) {
                continue;
            }
            // Where the store does not answer, what the copy has of it is as old as the rest.
            match store.read(context, held.name).await.map(|answer| answer.value) {
                Ok(Some(record)) => seen.records.push(record),
                Ok(None) => seen.missing.push(held.name),
                Err(error) => tracing::debug!(%error, record = %held.name, "the copy keeps an older state"),
            }
        }
        copy.note(&seen, before).await
    }
}

/// Every record.
pub(super) struct All;

#[async_trait]
impl Question for All {
    type Reply = Vec<Arc<Record>>;
    type Before = Outset;
    const IS_WHOLE: bool = true;

    async fn ask(&self, context: &Context, store: &dyn Backend) -> Result<Answer<Self::Reply>> {
        store.list(context).await
    }

    async fn ask_copy(&self, copy: &KeptCopy) -> Result<Option<Self::Reply>> {
        Ok(Some(copy.list().await?).filter(|records| !records.is_empty()))
    }

    async fn before(&self, copy: &KeptCopy, _: &Mark, now: Timestamp) -> Result<Outset> {
        copy.outset(now).await
    }

    async fn note(
        &self,
        reply: &Self::Reply,
        before: &Outset,
        copy: &KeptCopy,
        _: (&dyn Backend, &Context),
    ) -> Result<()> {
        copy.complete(before, reply).await.map(drop)
    }
}
