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
use crate::open::is_free;

/// The copy, and how old it may be.
pub(super) struct CopyFile<'a> {
    pub(super) path: &'a Path,
    pub(super) longest_age: Option<Duration>,
    pub(super) key: KeySource,
    pub(super) lock_wait: Duration,
}

/// `primary`, which has this address, with a copy. The copy's file is made where there is none: it holds nothing that is not
/// in `primary`, and may be removed at any time.
///
/// # Errors
/// `InvalidInput` where the file holds tokens of its own; else as the file has them.
pub(super) async fn with_copy(
    primary: Arc<dyn Backend>,
    address: &str,
    copy: CopyFile<'_>,
) -> Result<Arc<FallbackBackend>> {
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
