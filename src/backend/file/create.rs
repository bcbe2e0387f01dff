//! Making a new vault file.

use crate::backend::file::disk::Disk;
use crate::backend::file::header::Header;
use crate::backend::file::opening::{self, io_error};
use crate::backend::file::options::FileOptions;
use crate::crypto::kdf::KdfCost;
use crate::crypto::keys::{RootKey, random_key};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::random_bytes;

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
    let new = opening::beside(&options.path, "new")?;
    let made = disk.create_new(&new).and_then(|file| {
        file.write_at(&header, 0)?;
        file.sync()?;
        disk.link_new(&new, &options.path)
    });
    let _ = disk.remove(&new);
    made.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => taken(),
        _ => io_error("make the vault", error),
    })?;
    disk.sync_folder(opening::folder(&options.path)).map_err(|error| io_error("sync the vault's folder", error))
}

fn taken() -> Error {
    Error::new(ErrorKind::InvalidInput, "there is something under the vault's path already")
        .with_hint("use it as it is, choose another path, or move it away first")
}
