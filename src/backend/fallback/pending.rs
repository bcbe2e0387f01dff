//! What this process could not write to the store, over what the copy has: so the rules can be applied to both.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::backend::directory::Directory;
use crate::backend::fallback::FallbackBackend;
use crate::backend::fallback::question::{All, Found, Named};
use crate::backend::{Backend, Candidates, Change, Claim, Commit};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::{RecordName, Version};
use crate::lookup::LookupKey;
use crate::operation::{Answer, Context, Source};
use crate::record::{Record, Writer};
use crate::token::OAuthToken;

/// Records in memory over those of a fallback's copy. The store is never asked. Where the copy may not answer, there are
/// those in memory alone; so that something is not here says nothing.
pub(crate) struct Pending {
    under: Arc<FallbackBackend>,
    records: Mutex<Directory<Arc<Record>>>,
}

impl Pending {
    pub(crate) fn over(under: Arc<FallbackBackend>) -> Self {
        Self { under, records: Mutex::new(Directory::new()) }
    }

    /// Forgets what was written.
    pub(crate) async fn forget(&self) {
        *self.records.lock().await = Directory::new();
    }

    /// Puts a record that is not here: a token came from it.
    pub(crate) async fn recall(&self, record: Arc<Record>) {
        let mut directory = self.records.lock().await;
        if self.find(&directory, record.name).await.is_none() {
            directory.put(record.name, record.version, &record.lookup_keys(), record);
        }
    }

    async fn find(&self, directory: &Directory<Arc<Record>>, name: RecordName) -> Option<Arc<Record>> {
        if let Some(entry) = directory.get(name) {
            return Some(Arc::clone(&entry.place));
        }
        self.under.ask_copy(&Named(name)).await.and_then(|answer| answer.value)
    }

    async fn candidates(&self, directory: &Directory<Arc<Record>>, keys: &[LookupKey]) -> Candidates {
        let (own_by_key, own) = directory.resolve(keys);
        let Candidates { mut by_key, mut records } =
            self.under.ask_copy(&Found(keys)).await.map(|answer| answer.value).unwrap_or_default();
        by_key.resize(keys.len(), Vec::new());
        records.retain(|record| directory.get(record.name).is_none());
        records.extend(own.into_iter().map(|entry| Arc::clone(&entry.place)));
        for (names, own) in by_key.iter_mut().zip(own_by_key) {
            names.retain(|name| directory.get(*name).is_none());
            names.extend(own);
            names.sort_unstable();
        }
        Candidates { by_key, records }
    }

    async fn is_as_expected(&self, directory: &Directory<Arc<Record>>, commit: &Commit) -> bool {
        for Change { name, expected, .. } in &commit.changes {
            if self.find(directory, *name).await.map(|record| record.version) != *expected {
                return false;
            }
        }
        for Claim { key, names } in &commit.claims {
            if self.candidates(directory, &[*key]).await.by_key.first() != Some(names) {
                return false;
            }
        }
        true
    }
}

/// The record that a token was handed out from, as far as the token remembers it.
pub(crate) fn came_from(token: &OAuthToken) -> Option<Record> {
    let base = token.base()?;
    let brought = token.id().filter(|id| RecordName::parse(id).is_none());
    Some(Record {
        name: base.record,
        version: Version::first().ok()?,
        fields: Arc::clone(&base.seen),
        ids: brought.map(Arc::from).into_iter().collect(),
        adopted: Vec::new(),
        lineage: base.lineage,
        longest_life: None,
        first_refresh: None,
        created_at: Timestamp::default(),
        saved_at: Timestamp::default(),
        writer: Writer::Save,
        lease: None,
    })
}

fn answer<T>(value: T) -> Answer<T> {
    Answer { source: Source::Fallback, ..Answer::of_store(value) }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.under, f)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("under", &self.under).finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for Pending {
    async fn read(&self, _: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        Ok(answer(self.find(&*self.records.lock().await, name).await))
    }

    async fn resolve(&self, _: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        Ok(answer(self.candidates(&*self.records.lock().await, keys).await))
    }

    async fn commit(&self, _: &Context, commit: Commit) -> Result<Answer<()>> {
        let mut directory = self.records.lock().await;
        if !self.is_as_expected(&directory, &commit).await {
            return Err(Error::conflict());
        }
        for change in commit.changes {
            let Some(record) = change.value else { return Err(only_the_store()) };
            directory.put(change.name, record.version, &record.lookup_keys(), record);
        }
        Ok(answer(()))
    }

    async fn list(&self, _: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        let directory = self.records.lock().await;
        let mut records = self.under.ask_copy(&All).await.map(|answer| answer.value).unwrap_or_default();
        records.retain(|record| directory.get(record.name).is_none());
        records.extend(directory.iter().map(|entry| Arc::clone(&entry.place)));
        Ok(answer(records))
    }

    async fn clear(&self, _: &Context) -> Result<Answer<usize>> {
        Err(only_the_store())
    }
}

fn only_the_store() -> Error {
    Error::new(ErrorKind::Unavailable, "nothing is deleted while the store is out of reach")
        .with_hint("try again later")
}
