//! A backend that lets others go first at every step, so that tasks meet between reading and writing.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokenvault::backend::{Backend, Candidates, Commit};
use tokenvault::error::Result;
use tokenvault::identity::RecordName;
use tokenvault::lookup::LookupKey;
use tokenvault::operation::{Answer, Context};
use tokenvault::record::Record;
use tokio::task::yield_now;

#[derive(Debug)]
pub(crate) struct Unhurried<B>(pub(crate) B);

impl<B> fmt::Display for Unhurried<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unhurried")
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<B: Backend> Backend for Unhurried<B> {
    async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        yield_now().await;
        let answer = self.0.read(context, name).await;
        yield_now().await;
        answer
    }

    async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        yield_now().await;
        let answer = self.0.resolve(context, keys).await;
        yield_now().await;
        answer
    }

    async fn commit(&self, context: &Context, commit: Commit) -> Result<Answer<()>> {
        yield_now().await;
        let answer = self.0.commit(context, commit).await;
        yield_now().await;
        answer
    }

    async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        yield_now().await;
        self.0.list(context).await
    }

    async fn clear(&self, context: &Context) -> Result<Answer<usize>> {
        yield_now().await;
        let answer = self.0.clear(context).await;
        yield_now().await;
        answer
    }
}
