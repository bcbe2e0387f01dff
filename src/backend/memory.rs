//! Records in memory: the reference backend, the contract in its plainest form. Nothing outlives the process.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::backend::audit_key::{AuditKey, AuditKeySource};
use crate::backend::directory::Directory;
use crate::backend::{Backend, Candidates, Commit};
use crate::error::Result;
use crate::identity::RecordName;
use crate::lookup::LookupKey;
use crate::operation::{Answer, Context};
use crate::record::Record;

/// A backend without a disk, for tests, demonstrations and processes that need no more.
#[derive(Debug)]
pub struct MemoryBackend {
    directory: Mutex<Directory<Arc<Record>>>,
    audit_key: Mutex<Option<AuditKey>>,
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self { directory: Mutex::new(Directory::new()), audit_key: Mutex::default() }
    }
}

impl MemoryBackend {
    /// A backend without records.
    pub fn new() -> Self {
        Self::default()
    }

    fn directory(&self) -> MutexGuard<'_, Directory<Arc<Record>>> {
        // Whoever panicked inside left the directory as it was before or after one whole call of it.
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for MemoryBackend {
    async fn read(&self, _: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        Ok(Answer::of_store(self.directory().get(name).map(|entry| Arc::clone(&entry.place))))
    }

    async fn resolve(&self, _: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        let directory = self.directory();
        let (by_key, found) = directory.resolve(keys);
        let records = found.into_iter().map(|entry| Arc::clone(&entry.place)).collect();
        Ok(Answer::of_store(Candidates { records, by_key }))
    }

    async fn commit(&self, _: &Context, commit: Commit) -> Result<Answer<()>> {
        let mut directory = self.directory();
        directory.check(&commit)?;
        for change in commit.changes {
            match change.value {
                Some(record) => directory.put(change.name, record.version, &record.lookup_keys(), record),
                None => directory.remove(change.name),
            };
        }
        Ok(Answer::of_store(()))
    }

    async fn list(&self, _: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        Ok(Answer::of_store(self.directory().iter().map(|entry| Arc::clone(&entry.place)).collect()))
    }

    async fn clear(&self, _: &Context) -> Result<Answer<usize>> {
        let old = std::mem::replace(&mut *self.directory(), Directory::new());
        Ok(Answer::of_store(old.len()))
    }
}

/// Made at first use, and gone with the records.
#[async_trait]
impl AuditKeySource for MemoryBackend {
    async fn audit_key(&self, _: &Context) -> Result<AuditKey> {
        let mut held = self.audit_key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*held {
            return Ok(key.clone());
        }
        Ok(held.insert(AuditKey::random()?).clone())
    }

    async fn existing_audit_key(&self, _: &Context) -> Result<Option<AuditKey>> {
        Ok(self.audit_key.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
