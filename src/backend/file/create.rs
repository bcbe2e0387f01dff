//! Making a new vault file.

use std::path::Path;
use std::sync::Arc;

use crate::backend::file::disk::Disk;
use crate::backend::file::header::Header;
use crate::backend::file::opening::{self, io_error};
use crate::backend::file::options::FileOptions;
use crate::backend::file::output::Output;
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
    opening::check(disk, &options.path)?;
    if disk.metadata(&options.path).is_ok() {
        return Err(taken());
    }
    let derivation = options.key.new_derivation(cost)?;
    let kek = options.key.derive(&derivation)?;
    let header = Header::create(random_bytes()?, 1, derivation, &kek, &RootKey::random()?, &*random_key()?)?;
    let new = opening::beside(&options.path, TEMPORARY)?;
    let written = write(disk, &new, header, &kek);
    let placed = written.and_then(|()| {
        disk.link_new(&new, &options.path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => taken(),
            _ => io_error("put the vault in place", error),
        })
    });
    let _ = disk.remove(&new);
    placed?;
    disk.sync_folder(opening::folder(&options.path)).map_err(|error| io_error("sync the vault's folder", error))
}

fn write(disk: &dyn Disk, path: &Path, header: Vec<u8>, kek: &KeyEncryptionKey) -> Result<()> {
    let file = disk.create_new(path).map_err(|error| io_error("make the vault", error))?;
    Output::new(Arc::from(file), header, kek)?.finish().map(drop)
}

fn taken() -> Error {
    Error::new(ErrorKind::InvalidInput, "there is something under the vault's path already")
        .with_hint("use it as it is, choose another path, or move it away first")
}
