//! A vault in AWS with a copy in a file, for the time that AWS is out of reach.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Backend;
#[cfg(feature = "audit")]
use crate::backend::audit_key::AuditKey;
use crate::backend::fallback::FallbackBackend;
#[cfg(feature = "audit")]
use crate::backend::fallback::audit_key::kept_in;
use crate::backend::fallback::copy_seen::CopySeen;
use crate::backend::fallback::journal::lock_file::LockFile;
use crate::backend::fallback::journal::{Journal, JournalStatus};
use crate::backend::fallback::options::FallbackOptions;
use crate::backend::file::{FileBackend, FileOptions, KeySource};
use crate::crypto::kdf::KdfCost;
use crate::error::{Error, Result};
use crate::open::away::AwayParts;
use crate::open::aws::{Location, Reached};
use crate::open::parts::{Parts, is_free};

/// The vault in AWS that is reached, with a copy and a journal where its location names them. `key` is asked for only then: it is theirs.
///
/// # Errors
/// Those of `key`, and of the files.
pub(super) async fn in_aws(
    reached: Reached,
    location: &Location,
    key: impl FnOnce() -> Result<KeySource>,
    lock_wait: Duration,
) -> Result<Parts> {
    let parts = Parts::of_aws(reached.backend);
    let Some(path) = location.fallback() else { return Ok(parts) };
    let key = key()?;
    // First: it holds what is nowhere else, so it is made, or found to be damaged, before anything else is.
    let journal = match location.journal() {
        Some(path) => Some(journal_in(path, &reached.address, key.clone(), lock_wait).await?),
        None => None,
    };
    let copy = CopyFile { path, longest_age: location.fallback_age(), key, lock_wait };
    let fallback = with_copy(Arc::clone(&parts.backend), &reached.address, copy).await?;
    Ok(parts.with_away(AwayParts { fallback, journal, is_alone: location.has_one_writer() }))
}

/// The journal of the store that has this address, and the lock of who plays it back. Its file is made where there is none.
///
/// # Errors
/// `InvalidInput` where the file holds anything else; else as the file has them.
async fn journal_in(path: &Path, address: &str, key: KeySource, lock_wait: Duration) -> Result<(Journal, LockFile)> {
    let of_journal = |error: Error| error.with_store(&format_args!("file:{}", path.display()));
    let options = FileOptions { lock_wait, ..FileOptions::new(path, key) };
    let file = Arc::new(opened(options).map_err(of_journal)?);
    let journal = Journal::open(Arc::clone(&file) as _, address).await.map_err(of_journal)?;
    Ok((journal.with_room(move |bytes| file.check_room(bytes)), AwayParts::lock_of(path)))
}

/// The copy, and how old it may be.
struct CopyFile<'a> {
    path: &'a Path,
    longest_age: Option<Duration>,
    key: KeySource,
    lock_wait: Duration,
}

/// `primary`, which has this address, with a copy. The copy's file is made where there is none: it holds nothing that is not
/// in `primary`, and may be removed at any time.
///
/// # Errors
/// `InvalidInput` where the file holds tokens of its own; else as the file has them.
async fn with_copy(primary: Arc<dyn Backend>, address: &str, copy: CopyFile<'_>) -> Result<Arc<FallbackBackend>> {
    let CopyFile { path, longest_age, key, lock_wait } = copy;
    let of_copy = |error: Error| error.with_store(&format_args!("file:{}", path.display()));
    let options = FileOptions { lock_wait, ..FileOptions::new(path, key) };
    let file = opened(options).map_err(of_copy)?;
    let bounds = bounds(longest_age);
    let fallback = FallbackBackend::new(primary, Arc::new(file), address, bounds).await.map_err(of_copy)?;
    let path = path.to_owned();
    Ok(Arc::new(fallback.with_last_resort(move || match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })))
}

fn opened(options: FileOptions) -> Result<FileBackend> {
    if is_free(&options.path) {
        // Another process may make it at the same time.
        let made = FileBackend::create(options.clone(), KdfCost::default());
        if made.is_ok() || is_free(&options.path) {
            return made;
        }
    }
    FileBackend::open(options)
}

fn bounds(longest_age: Option<Duration>) -> FallbackOptions {
    let mut bounds = FallbackOptions::default();
    if let Some(longest_age) = longest_age {
        bounds.longest_age = longest_age;
        bounds.sync_every = bounds.sync_every.min(longest_age / 4);
    }
    bounds
}

/// The copy that a location names, as it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct CopyState {
    /// The file.
    pub path: PathBuf,
    /// How old the copy may be for an answer.
    pub longest_age: Duration,
    /// What it says of itself; `None` where there is no such file, or nothing in it.
    pub seen: Result<Option<CopySeen>>,
    /// Its file, where it could be opened.
    pub file: Option<Arc<FileBackend>>,
    /// The journal beside it, where the location names one.
    pub journal: Option<JournalState>,
    /// Of the store that it is a copy of.
    #[cfg(feature = "audit")]
    address: String,
}

#[cfg(feature = "audit")]
impl CopyState {
    /// The key of the store's audit trail, if the copy has it.
    ///
    /// # Errors
    /// As the copy's file has them.
    pub(super) async fn audit_key(&self) -> Result<Option<AuditKey>> {
        match &self.file {
            Some(file) => kept_in(Arc::clone(file) as _, &self.address).await,
            None => Ok(None),
        }
    }
}

/// The journal that a location names, as it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct JournalState {
    /// The file.
    pub path: PathBuf,
    /// What it holds; `None` where there is no such file yet, or nothing in it.
    pub seen: Result<Option<JournalStatus>>,
    /// Its file, where it could be opened.
    pub file: Option<Arc<FileBackend>>,
}

/// The copy of the store with this address, and its journal, where the location names them. Makes and changes nothing.
pub(super) async fn look(
    location: &Location,
    address: &str,
    key: impl FnOnce() -> Result<KeySource>,
    lock_wait: Duration,
) -> Option<CopyState> {
    let path = location.fallback()?.to_owned();
    // Also where there is no file yet: every call makes it, and takes the key for that.
    let key = key();
    let open = |path: &Path| match &key {
        Err(error) => Err(error.again()),
        Ok(_) if is_free(path) => Ok(None),
        Ok(key) => {
            FileBackend::open(FileOptions { lock_wait, ..FileOptions::new(path, key.clone()) }).map(Arc::new).map(Some)
        }
    };
    let (seen, file) = match open(&path) {
        Ok(Some(file)) => (CopySeen::of(&(Arc::clone(&file) as Arc<dyn Backend>), address).await, Some(file)),
        Ok(None) => (Ok(None), None),
        Err(error) => (Err(error), None),
    };
    let journal = match location.journal() {
        Some(path) => {
            let (seen, file) = match open(path) {
                Ok(Some(file)) => (Journal::look(Arc::clone(&file) as Arc<dyn Backend>, address).await, Some(file)),
                Ok(None) => (Ok(None), None),
                Err(error) => (Err(error), None),
            };
            Some(JournalState { path: path.to_owned(), seen, file })
        }
        None => None,
    };
    Some(CopyState {
        path,
        longest_age: bounds(location.fallback_age()).longest_age,
        seen,
        file,
        journal,
        #[cfg(feature = "audit")]
        address: address.to_owned(),
    })
}
