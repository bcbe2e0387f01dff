//! From the text that names a store to the vault over it. The only file that knows every backend.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "audit")]
use crate::audit::{
    keys::Keys,
    recorder::{Facts, Recorder, RecorderOptions, Subject},
    sink::OpenSink,
};
#[cfg(feature = "audit")]
use crate::backend::audit_key::AuditKeySource;
use crate::backend::file::{FileBackend, FileOptions, KeySource};
use crate::backend::leases::Granter;
#[cfg(feature = "aws")]
use crate::backend::leases::StateAge;
use crate::backend::recovery::RecoveryWindow;
#[cfg(feature = "aws")]
use crate::backend::secrets_manager::SecretsManagerBackend;
use crate::clock::{Clock, SystemClock};
use crate::crypto::kdf::KdfCost;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "audit")]
use crate::layer::audit::Audited;
use crate::layer::coordinate::{CoordinateOptions, Coordinated};
use crate::open::parts::{Parts, is_free};
#[cfg(feature = "audit")]
use crate::operation::{Context, Operation};
use crate::store::TokenStore;
use crate::vault::Vault;

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
mod fallback;
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

/// A vault that is open, and what its backend can do beyond keeping records.
#[derive(Debug)]
pub struct Opened {
    /// The vault, without the layers around it.
    pub vault: Arc<Vault>,
    store: Arc<dyn TokenStore>,
    #[cfg(feature = "audit")]
    audit_key: Option<Arc<dyn AuditKeySource>>,
    #[cfg(feature = "audit")]
    recorder: Option<Arc<Recorder>>,
    file: Option<Arc<FileBackend>>,
    #[cfg(feature = "aws")]
    aws: Option<Arc<SecretsManagerBackend>>,
    recovery: Option<Arc<dyn RecoveryWindow>>,
}

impl Opened {
    /// The vault with its layers: what tokens are read and saved through.
    pub fn store(&self) -> &dyn TokenStore {
        &*self.store
    }

    /// The same, to be shared.
    pub fn shared_store(&self) -> Arc<dyn TokenStore> {
        Arc::clone(&self.store)
    }

    /// The same, whose readers refresh one at a time. `holder` names this process to people. To be put around the vault
    /// before the lines of [`audited`](Self::audited), which tell what came of all that.
    #[must_use]
    pub fn coordinated(mut self, holder: &str, options: CoordinateOptions) -> Self {
        let backend = Arc::clone(self.vault.backend());
        #[cfg(feature = "aws")]
        let age = self.aws.clone().map(|aws| aws as Arc<dyn StateAge>);
        #[cfg(not(feature = "aws"))]
        let age = None;
        let granter = Granter::new(backend, age, Arc::clone(&options.clock));
        self.store = Arc::new(Coordinated::new(self.store, granter, holder, options));
        self
    }

    /// The same, where every call leaves a line in `sink`.
    ///
    /// # Errors
    /// As the backend has them, which keeps the key of the lines; `Unsupported` where it keeps none.
    #[cfg(feature = "audit")]
    pub async fn audited(
        mut self,
        sink: Arc<dyn OpenSink>,
        options: RecorderOptions,
        context: &Context,
    ) -> Result<Self> {
        let recorder = Arc::new(Recorder::new(sink, self.audit_keys(context).await?, options));
        self.store = Arc::new(Audited::new(self.store, Arc::clone(&recorder)));
        self.recorder = Some(recorder);
        Ok(self)
    }

    /// The keys of the vault's audit trail.
    ///
    /// # Errors
    /// As the backend has them; `Unsupported` where it keeps none.
    #[cfg(feature = "audit")]
    pub async fn audit_keys(&self, context: &Context) -> Result<Keys> {
        let source = self.audit_key.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "this store keeps no key for an audit trail")
                .with_store(&self.vault)
                .with_hint("unset TOKENVAULT_AUDIT, or keep the vault in a file")
        })?;
        Keys::derive(&source.audit_key(context).await?)
    }

    /// Does what is no operation of a token store, and leaves a line where lines are kept.
    ///
    /// # Errors
    /// Those of `work`; those of [`Recorder::record`].
    #[cfg(feature = "audit")]
    pub async fn recorded<T>(
        &self,
        call: (&Context, Operation, Subject<'_>),
        work: impl AsyncFnOnce(&Context) -> Result<T>,
        facts: impl FnOnce(&Result<T>) -> Facts<'_>,
    ) -> Result<T> {
        match &self.recorder {
            Some(recorder) => recorder.record(call, work, facts).await,
            None => work(call.0).await,
        }
    }

    /// The file under the vault, for what only a file can do: key rotation, backup, verification.
    ///
    /// # Errors
    /// `InvalidInput` where the vault is not kept in a file.
    pub fn file(&self) -> Result<&FileBackend> {
        self.file.as_deref().ok_or_else(|| {
            Error::invalid("this store is no file, and only a vault file has this")
                .with_store(&self.vault)
                .with_hint("name a vault file by --store file:PATH")
        })
    }

    /// What brings deleted tokens back, or takes them away for good, where the store keeps them for a while.
    pub fn recovery(&self) -> Option<&dyn RecoveryWindow> {
        self.recovery.as_deref()
    }

    /// The vault in AWS, for what only that can do: another KMS key, verification and repair of its index.
    ///
    /// # Errors
    /// `InvalidInput` where the vault is not kept in AWS.
    #[cfg(feature = "aws")]
    pub fn aws(&self) -> Result<&SecretsManagerBackend> {
        self.aws.as_deref().ok_or_else(|| {
            Error::invalid("this store is not in AWS, and only a vault there has this")
                .with_store(&self.vault)
                .with_hint("name a vault in AWS by --store aws:PREFIX")
        })
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
            fallback::in_aws(aws, key, lock_wait).await.map_err(|error| error.with_store(location))?
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
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let vault = Arc::new(Vault::with_clock(parts.backend, clock));
    Ok(Opened {
        store: parts.layers.map_or_else(|| Arc::clone(&vault) as _, |layers| layers(Arc::clone(&vault))),
        vault,
        #[cfg(feature = "audit")]
        audit_key: parts.audit_key,
        #[cfg(feature = "audit")]
        recorder: None,
        file: parts.file,
        #[cfg(feature = "aws")]
        aws: parts.aws,
        recovery: parts.recovery,
    })
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
