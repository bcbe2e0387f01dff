//! A vault in AWS with a copy in a file, for the time that AWS is out of reach.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Backend;
use crate::backend::fallback::FallbackBackend;
use crate::backend::fallback::options::FallbackOptions;
use crate::backend::file::{FileBackend, FileOptions, KeySource};
use crate::crypto::kdf::KdfCost;
use crate::error::{Error, Result};
use crate::open::aws::Location;
use crate::open::parts::{Parts, is_free};

/// A vault in AWS, with a copy where its location names one. `key` is asked for only then: it is the copy's.
///
/// # Errors
/// Those of the location, of `key`, and of the copy's file.
pub(super) async fn in_aws(
    location: &Location,
    key: impl FnOnce() -> Result<KeySource>,
    lock_wait: Duration,
) -> Result<Parts> {
    let reached = location.reach().await?;
    let parts = Parts::of_aws(reached.backend);
    let Some(path) = location.fallback() else { return Ok(parts) };
    let copy = CopyFile { path, longest_age: location.fallback_age(), key: key()?, lock_wait };
    let fallback = with_copy(Arc::clone(&parts.backend), &reached.address, copy).await?;
    Ok(parts.with_fallback(fallback))
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
    let mut bounds = FallbackOptions::default();
    if let Some(longest_age) = longest_age {
        bounds.longest_age = longest_age;
        bounds.sync_every = bounds.sync_every.min(longest_age / 4);
    }
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
