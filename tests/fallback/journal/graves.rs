//! A store in memory in which no name is used twice, as it is in AWS.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::backend::{Backend, Candidates, Commit};
use tokenvault::error::{Error, Result};
use tokenvault::identity::RecordName;
use tokenvault::lookup::LookupKey;
use tokenvault::operation::{Answer, Context};
use tokenvault::record::Record;

#[derive(Debug, Default)]
pub(crate) struct Graves {
    inner: MemoryBackend,
    used: Mutex<HashSet<RecordName>>,
}

impl fmt::Display for Graves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for Graves {
    async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        self.inner.read(context, name).await
    }

    async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        self.inner.resolve(context, keys).await
    }

    async fn commit(&self, context: &Context, commit: Commit) -> Result<Answer<()>> {
        let made: Vec<RecordName> =
            commit.changes.iter().filter(|change| change.expected.is_none()).map(|change| change.name).collect();
        if made.iter().any(|name| self.used.lock().unwrap().contains(name)) {
            return Err(Error::conflict());
        }
        let answer = self.inner.commit(context, commit).await?;
        self.used.lock().unwrap().extend(made);
        Ok(answer)
    }

    async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        self.inner.list(context).await
    }

    async fn clear(&self, context: &Context) -> Result<Answer<usize>> {
        self.inner.clear(context).await
    }
}
