//! Making a new vault file.

use std::path::Path;
use std::sync::Arc;

use crate::backend::file::disk::{Disk, DiskFile, LockKind};
use crate::backend::file::header::Header;
use crate::backend::file::opening::{self, io_error};
use crate::backend::file::options::FileOptions;
use crate::backend::file::output::Output;
use crate::backend::file::state::State;
use crate::crypto::kdf::KdfCost;
use crate::crypto::keys::{KeyEncryptionKey, RootKey, random_key};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::random_bytes;

/// What `beside` calls a vault that is being made.
pub(super) const TEMPORARY: &str = "new";

/// Makes an empty vault under the path, where there must be nothing.
///
/// It is written under another name and linked into place when it is whole, so that nobody finds half of it.
pub(super) fn create(disk: &dyn Disk, options: &FileOptions, cost: KdfCost) -> Result<()> {
    check_folder(disk, &options.path)?;
    if disk.metadata(&options.path).is_ok() {
        return Err(taken());
    }
    let derivation = options.key.new_derivation(cost)?;
    let kek = options.key.derive(&derivation)?;
    let header = Header::create(random_bytes()?, 1, derivation, &kek, &RootKey::random()?, &*random_key()?)?;
    remove_left_over(disk, &options.path);
    let new = opening::beside(&options.path, TEMPORARY)?;
    let written = write(disk, &new, header, &kek);
    // Open until it is in place: it is its lock that keeps it from being cleared away.
    let placed = written.and_then(|_open| {
        disk.link_new(&new, &options.path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => taken(),
            _ => io_error("put the vault in place", error),
        })
    });
    let _ = disk.remove(&new);
    placed?;
    disk.sync_folder(opening::folder(&options.path)).map_err(|error| io_error("sync the vault's folder", error))
}

/// Refuses a path under which no vault can be made.
pub(super) fn check_folder(disk: &dyn Disk, path: &Path) -> Result<()> {
    opening::check(disk, path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => error.with_hint("make the folder first"),
        _ => error,
    })
}

fn write(disk: &dyn Disk, path: &Path, header: Vec<u8>, kek: &KeyEncryptionKey) -> Result<State> {
    let file = create_locked(disk, path).map_err(|error| io_error("make the vault", error))?;
    Output::new(Arc::from(file), header, kek)?.finish()
}

/// Makes a file that is to be put in its place once it is whole. Its lock tells that somebody is still at it.
pub(super) fn create_locked(disk: &dyn Disk, path: &Path) -> std::io::Result<Box<dyn DiskFile>> {
    let file = disk.create_new(path)?;
    file.try_lock(LockKind::Exclusive)?;
    Ok(file)
}

/// Removes what others left beside `path` who were killed while they made it.
pub(super) fn remove_left_over(disk: &dyn Disk, path: &Path) {
    for name in disk.names(opening::folder(path)).unwrap_or_default() {
        let left = opening::folder(path).join(&name);
        let is_file = || disk.metadata(&left).is_ok_and(|metadata| metadata.is_file);
        if !opening::is_beside(path, TEMPORARY, &name) || !is_file() {
            continue;
        }
        let Ok(file) = disk.open(&left) else { continue };
        if file.try_lock(LockKind::Exclusive).unwrap_or(false) {
            tracing::debug!(left = %left.display(), "removed what was left over");
            let _ = disk.remove(&left);
        }
    }
}

fn taken() -> Error {
    Error::new(ErrorKind::InvalidInput, "there is something under the vault's path already")
        .with_hint("use it as it is, choose another path, or move it away first")
}
