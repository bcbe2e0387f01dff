//! Where the key-encryption key comes from: a passphrase, or a key file.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind as IoKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use zeroize::Zeroizing;

use crate::backend::file::header::KeyDerivation;
use crate::crypto::kdf::{self, KdfCost};
use crate::crypto::keys::{KEY_LEN, KeyEncryptionKey};
use crate::crypto::stack::wiped_after;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::random_bytes;
use crate::secret::SecretText;

/// The longest passphrase, in bytes.
const MAX_PASSPHRASE: usize = 64 * 1024;

/// What opens a vault file. Files are read anew at every use, so a passphrase that was changed on disk is found.
#[derive(Clone)]
pub enum KeySource {
    /// A passphrase.
    Passphrase(SecretText),
    /// A file that holds a passphrase. One line feed (or carriage return and line feed) at its end does not belong to
    /// it.
    PassphraseFile(PathBuf),
    /// A file of exactly 32 random bytes.
    KeyFile(PathBuf),
}

impl KeySource {
    /// How a new vault, or one that gets a new key, derives its key from this source.
    ///
    /// # Errors
    /// `InvalidInput` for a cost beyond the bounds; `Unavailable` without randomness.
    pub(super) fn new_derivation(&self, cost: KdfCost) -> Result<KeyDerivation> {
        match self {
            Self::KeyFile(_) => Ok(KeyDerivation::KeyFile),
            Self::Passphrase(_) | Self::PassphraseFile(_) => {
                cost.check()?;
                Ok(KeyDerivation::Argon2id { cost, salt: random_bytes()? })
            }
        }
    }

    /// The key-encryption key of a vault that derives it so.
    ///
    /// # Security
    /// Whatever is read on the way lies in memory that is wiped. A file that others may read, or anybody but its owner
    /// may write, is refused.
    ///
    /// # Errors
    /// `WrongKey` where the vault wants the other kind; `InvalidInput` for a file that is not there or not in form;
    /// `PermissionDenied` for one whose mode is too wide, or that may not be read.
    pub(super) fn derive(&self, derivation: &KeyDerivation) -> Result<KeyEncryptionKey> {
        wiped_after(|| self.derive_on_stack(derivation))
    }

    fn derive_on_stack(&self, derivation: &KeyDerivation) -> Result<KeyEncryptionKey> {
        match (self, derivation) {
            (Self::KeyFile(path), KeyDerivation::KeyFile) => key_from_file(path),
            (Self::Passphrase(text), KeyDerivation::Argon2id { cost, salt }) => {
                key_from_passphrase(text.expose().as_bytes(), *cost, salt)
            }
            (Self::PassphraseFile(path), KeyDerivation::Argon2id { cost, salt }) => {
                let bytes = read_secret(path, "passphrase file", MAX_PASSPHRASE + 2)?;
                key_from_passphrase(without_line_end(&bytes), *cost, salt)
            }
            (_, KeyDerivation::KeyFile) => {
                Err(Error::new(ErrorKind::WrongKey, "this vault opens with a key file, not with a passphrase"))
            }
            (_, KeyDerivation::Argon2id { .. }) => {
                Err(Error::new(ErrorKind::WrongKey, "this vault opens with a passphrase, not with a key file"))
            }
        }
    }
}

#[cfg(feature = "cli")]
impl KeySource {
    /// Whether there is a key to be had: it need not be the right one.
    ///
    /// # Errors
    /// As opening a vault has them.
    pub(crate) fn examine(&self) -> Result<()> {
        let length = match self {
            Self::KeyFile(path) => return key_from_file(path).map(drop),
            Self::Passphrase(text) => text.expose().len(),
            Self::PassphraseFile(path) => {
                without_line_end(&read_secret(path, "passphrase file", MAX_PASSPHRASE + 2)?).len()
            }
        };
        check_passphrase(length)
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase(_) => f.debug_tuple("Passphrase").finish_non_exhaustive(),
            Self::PassphraseFile(path) => f.debug_tuple("PassphraseFile").field(path).finish(),
            Self::KeyFile(path) => f.debug_tuple("KeyFile").field(path).finish(),
        }
    }
}

fn key_from_passphrase(passphrase: &[u8], cost: KdfCost, salt: &[u8; 32]) -> Result<KeyEncryptionKey> {
    check_passphrase(passphrase.len())?;
    Ok(KeyEncryptionKey::new(&*kdf::derive(passphrase, salt, cost)?))
}

fn check_passphrase(length: usize) -> Result<()> {
    match length {
        0 => {
            Err(Error::invalid("the passphrase is empty")
                .with_hint("give one on the terminal, or by its file or variable"))
        }
        1..=MAX_PASSPHRASE => Ok(()),
        _ => Err(Error::invalid("the passphrase is longer than 64 KiB")
            .with_hint("check that the passphrase file is the right one")),
    }
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let line = bytes.strip_suffix(b"\n");
    line.map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn key_from_file(path: &Path) -> Result<KeyEncryptionKey> {
    let bytes = read_secret(path, "key file", KEY_LEN)?;
    match bytes.as_slice().try_into() {
        Ok(key) => Ok(KeyEncryptionKey::new(key)),
        Err(_) => Err(wrong_length(path)),
    }
}

fn wrong_length(path: &Path) -> Error {
    Error::invalid(format!("the key file {} does not hold exactly {KEY_LEN} bytes", path.display()))
        .with_hint("make one with: head -c 32 /dev/urandom > FILE; it is raw bytes, not text")
}

/// The file's bytes, or its first `limit` + 1 where it is longer, read at once into memory that is wiped.
pub(crate) fn read_secret(path: &Path, what: &str, limit: usize) -> Result<Zeroizing<Vec<u8>>> {
    // Not blocking, lest a named pipe that nobody writes to holds us up before its kind is known.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
        .map_err(|cause| cannot_read(path, what, cause))?;
    check_mode(&file.metadata().map_err(|cause| cannot_read(path, what, cause))?, path, what)?;
    let mut bytes = Zeroizing::new(vec![0; limit + 1]);
    let length = fill(&mut file, &mut bytes).map_err(|cause| cannot_read(path, what, cause))?;
    bytes.truncate(length);
    Ok(bytes)
}

fn fill(file: &mut File, mut room: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while !room.is_empty() {
        match file.read(room) {
            Ok(0) => break,
            Ok(count) => {
                length += count;
                room = room.split_at_mut_checked(count).map_or(&mut [], |(_, rest)| rest);
            }
            Err(cause) if cause.kind() == IoKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(length)
}

/// The mode that counts is the opened file's, not that of whatever the path names a moment later.
fn check_mode(metadata: &Metadata, path: &Path, what: &str) -> Result<()> {
    const OTHERS_READ: u32 = 0o004;
    const OTHERS_OR_GROUP_WRITE: u32 = 0o022;
    if !metadata.is_file() {
        return Err(Error::invalid(format!("the {what} {} is not a regular file", path.display()))
            .with_hint("name the file itself, not a folder, a pipe or a device"));
    }
    if metadata.mode() & (OTHERS_READ | OTHERS_OR_GROUP_WRITE) != 0 {
        let mode = metadata.mode() & 0o7777;
        let message = format!("the {what} {} has mode {mode:04o}: others can read or change it", path.display());
        return Err(Error::new(ErrorKind::PermissionDenied, message)
            .with_hint("chmod 600 it (in Kubernetes, defaultMode: 0400 of the secret's volume)"));
    }
    Ok(())
}

fn cannot_read(path: &Path, what: &str, cause: std::io::Error) -> Error {
    let path = path.display();
    match cause.kind() {
        IoKind::NotFound => Error::invalid(format!("the {what} {path} does not exist"))
            .with_hint("check the path; for a new vault, `tokenvault init --make-key-file` makes a key file as well"),
        IoKind::PermissionDenied => {
            Error::new(ErrorKind::PermissionDenied, format!("the {what} {path} may not be read by this user"))
                .with_hint("run this as the file's owner, or check its mode and that of its folder")
        }
        _ => Error::new(ErrorKind::Io, format!("the {what} {path} cannot be read")),
    }
    .with_source(cause)
}

#[cfg(test)]
mod tests;
