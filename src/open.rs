//! From the text that names a store to the vault over it. The only file that knows every backend.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::backend::file::{FileBackend, FileOptions, KeySource};
#[cfg(feature = "aws")]
use crate::backend::secrets_manager::SecretsManagerBackend;
use crate::crypto::kdf::KdfCost;
use crate::error::{Error, ErrorKind, Result};
use crate::open::opened::Opened;
use crate::open::parts::{Parts, is_free};

#[cfg(feature = "aws")]
pub mod away;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
pub mod caller;
#[cfg(feature = "aws")]
mod client;
#[cfg(feature = "aws")]
pub mod fallback;
#[cfg(feature = "audit-cloudwatch")]
pub mod logs;
pub mod look;
pub mod opened;
mod parts;

/// Where a vault keeps its tokens: `file:PATH`, `aws:PREFIX`, or `memory:`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreLocation {
    /// An encrypted file.
    File(PathBuf),
    /// AWS Secrets Manager.
    #[cfg(feature = "aws")]
    Aws(aws::Location),
    /// This process's memory: gone when it ends.
    Memory,
}

impl StoreLocation {
    /// Reads a location as users write it.
    ///
    /// # Errors
    /// `InvalidInput` for anything but `file:PATH`, `aws:PREFIX` and `memory:`. A bare path is refused too: a misspelt
    /// scheme would quietly become a file of that name.
    pub fn parse(text: &OsStr) -> Result<Self> {
        if text == "memory:" {
            return Ok(Self::Memory);
        }
        if let Some(rest) = after_scheme("aws:", text) {
            return Self::in_aws(rest);
        }
        match after_scheme("file:", text) {
            Some(path) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            _ => Err(Error::invalid("the store is named neither file:PATH nor aws:PREFIX nor memory:")
                .with_hint("write file: before the path, as in file:/srv/app/vault.tv")),
        }
    }

    /// The Region that it names, if it is in AWS and names one.
    pub fn region(&self) -> Option<&str> {
        match self {
            #[cfg(feature = "aws")]
            Self::Aws(location) => location.region(),
            _ => None,
        }
    }

    #[cfg(feature = "aws")]
    fn in_aws(rest: &OsStr) -> Result<Self> {
        aws::Location::parse(rest).map(Self::Aws)
    }

    #[cfg(not(feature = "aws"))]
    fn in_aws(_: &OsStr) -> Result<Self> {
        Err(Error::invalid("this build has no store in AWS: it was made without the feature aws")
            .with_hint("install one with it, as in: cargo install --path . --features aws"))
    }
}

/// What follows the scheme. A path need not be UTF-8.
fn after_scheme<'a>(scheme: &str, text: &'a OsStr) -> Option<&'a OsStr> {
    use std::os::unix::ffi::OsStrExt;
    text.as_bytes().strip_prefix(scheme.as_bytes()).map(OsStr::from_bytes)
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            #[cfg(feature = "aws")]
            Self::Aws(location) => write!(f, "aws:{location}"),
            Self::Memory => f.write_str("memory:"),
        }
    }
}

/// Opens the store at `location`. `key` is asked for only where there is a store that has one, and `lock_wait` is how
/// long other processes may hold a file before this one gives up.
///
/// A store in AWS needs a tokio runtime with io and time. It is not called yet: whether there is a vault shows at the
/// first operation.
///
/// # Errors
/// `NotFound` where there is no such file; those of `key`; those of the backend; for AWS those of [`aws::Location`].
pub async fn open(
    location: &StoreLocation,
    key: impl FnOnce() -> Result<KeySource>,
    lock_wait: Duration,
) -> Result<Opened> {
    let parts = match location {
        StoreLocation::Memory => Parts::of_memory(),
        #[cfg(feature = "aws")]
        StoreLocation::Aws(aws) => {
            let opened = async { fallback::in_aws(aws.reach().await?, aws, key, lock_wait).await };
            opened.await.map_err(|error| error.with_store(location))?
        }
        StoreLocation::File(path) => {
            if is_free(path) {
                return Err(Error::new(ErrorKind::NotFound, "there is no vault")
                    .with_store(location)
                    .with_hint("make one with `tokenvault init`, or check the path"));
            }
            let options = FileOptions { lock_wait, ..FileOptions::new(path, key()?) };
            Parts::of_file(FileBackend::open(options).map_err(|error| error.with_store(location))?)
        }
    };
    Ok(Opened::new(parts))
}

/// Opens the vault in AWS at `location` as [`open`] does, but through a backend that is there already: one over a client with
/// credentials, a proxy or time-outs of its own. What the location names beside the vault, a copy and a journal, is opened with it; its endpoint and KMS key are the
/// backend's.
///
/// # Errors
/// `InvalidInput` where the backend is under another prefix or in another Region, and where the location names none; else as
/// [`open`].
#[cfg(feature = "aws")]
pub async fn open_through(
    backend: SecretsManagerBackend,
    location: &aws::Location,
    key: impl FnOnce() -> Result<KeySource>,
    lock_wait: Duration,
) -> Result<Opened> {
    let parts = fallback::in_aws(location.reached_by(backend)?, location, key, lock_wait).await;
    Ok(Opened::new(parts.map_err(|error| error.with_store(&format_args!("aws:{location}")))?))
}

/// Makes a new store at `location`. `key` is asked for only where the store has one; `cost` is what a passphrase costs
/// to try.
///
/// # Errors
/// `InvalidInput` where there is something already, or where nothing can be made; those of `key`; those of the backend.
pub async fn create(location: &StoreLocation, key: impl FnOnce() -> Result<KeySource>, cost: KdfCost) -> Result<()> {
    let made = match location {
        StoreLocation::File(path) if !is_free(path) => {
            // Seen again by the backend, for certain; said here before anybody is asked for a new passphrase.
            Err(Error::invalid("there is something under the vault's path already")
                .with_hint("use it as it is, choose another path, or move it away first"))
        }
        StoreLocation::File(path) => FileBackend::create(FileOptions::new(path, key()?), cost).map(drop),
        #[cfg(feature = "aws")]
        StoreLocation::Aws(aws) => aws.create().await,
        StoreLocation::Memory => Err(Error::invalid("a vault in memory is there without being made")),
    };
    made.map_err(|error| error.with_store(location))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<StoreLocation> {
        StoreLocation::parse(OsStr::new(text)).ok()
    }

    #[test]
    fn a_location_reads_back_as_it_is_shown() {
        for text in ["memory:", "file:/srv/vault.tv", "file:vault.tv", "file:a:b"] {
            assert_eq!(parse(text).map(|location| location.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn aws_is_known_and_a_build_without_it_says_so() {
        let text = "aws:prod/crm?region=eu-west-1";
        match StoreLocation::parse(OsStr::new(text)) {
            Ok(location) => assert!(cfg!(feature = "aws") && location.to_string() == text),
            Err(error) => assert!(cfg!(not(feature = "aws")) && error.message().contains("feature aws"), "{error}"),
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "vault.tv", "/srv/vault.tv", "file:", "memory:x", "File:x", "s3:bucket", "aws:", "AWS:x"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
