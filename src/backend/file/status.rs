//! What a vault file is made of, as it is.

use crate::backend::file::core::Core;
use crate::backend::file::header::{FORMAT, KeyDerivation};
use crate::backend::file::opening::io_error;
use crate::crypto::kdf::KdfCost;
use crate::error::Result;

/// What a vault file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileStatus {
    /// The format of the file.
    pub format: u16,
    /// How often the file has been written anew since it was made, plus one: each time under a new data key.
    pub generation: u64,
    /// Live records.
    pub records: usize,
    /// Bytes of the file, with the room that is set aside behind the last frame.
    pub bytes: u64,
    /// Of those, bytes that nothing needs any more.
    pub dead_bytes: u64,
    /// What a passphrase costs to try; `None` where a key file opens the vault.
    pub passphrase_cost: Option<KdfCost>,
}

pub(super) fn status(core: &Core) -> Result<FileStatus> {
    let state = core.fresh_state()?;
    let bytes = state.file.metadata().map_err(|error| io_error("look at the vault", error))?.len;
    Ok(FileStatus {
        format: FORMAT,
        generation: state.header.generation,
        records: state.directory.len(),
        bytes,
        dead_bytes: state.dead_bytes(),
        passphrase_cost: match state.header.derivation {
            KeyDerivation::KeyFile => None,
            KeyDerivation::Argon2id { cost, .. } => Some(cost),
        },
    })
}
