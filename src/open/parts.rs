//! What a store is opened into, before the vault is over it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::backend::Backend;
#[cfg(feature = "audit")]
use crate::backend::audit_key::AuditKeySource;
#[cfg(all(feature = "aws", feature = "audit"))]
use crate::backend::fallback::audit_key::KeyOfBoth;
#[cfg(feature = "aws")]
use crate::backend::fallback::recovery::WindowOfBoth;
use crate::backend::file::FileBackend;
use crate::backend::memory::MemoryBackend;
use crate::backend::recovery::RecoveryWindow;
#[cfg(feature = "aws")]
use crate::backend::secrets_manager::SecretsManagerBackend;
#[cfg(feature = "aws")]
use crate::open::away::AwayParts;

/// A backend, and what it is beyond that.
pub(super) struct Parts {
    pub(super) backend: Arc<dyn Backend>,
    #[cfg(feature = "audit")]
    pub(super) audit_key: Option<Arc<dyn AuditKeySource>>,
    pub(super) file: Option<Arc<FileBackend>>,
    #[cfg(feature = "aws")]
    pub(super) aws: Option<Arc<SecretsManagerBackend>>,
    /// What there is for the time that the store is out of reach.
    #[cfg(feature = "aws")]
    pub(super) away: Option<AwayParts>,
    pub(super) recovery: Option<Arc<dyn RecoveryWindow>>,
}

impl Parts {
    fn of(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            #[cfg(feature = "audit")]
            audit_key: None,
            file: None,
            #[cfg(feature = "aws")]
            aws: None,
            #[cfg(feature = "aws")]
            away: None,
            recovery: None,
        }
    }

    pub(super) fn of_memory() -> Self {
        let memory = Arc::new(MemoryBackend::new());
        Self {
            #[cfg(feature = "audit")]
            audit_key: Some(Arc::clone(&memory) as _),
            ..Self::of(memory)
        }
    }

    pub(super) fn of_file(file: FileBackend) -> Self {
        let file = Arc::new(file);
        Self {
            file: Some(Arc::clone(&file)),
            #[cfg(feature = "audit")]
            audit_key: Some(Arc::clone(&file) as _),
            ..Self::of(file)
        }
    }

    #[cfg(feature = "aws")]
    pub(super) fn of_aws(aws: SecretsManagerBackend) -> Self {
        let aws = Arc::new(aws);
        Self {
            aws: Some(Arc::clone(&aws)),
            #[cfg(feature = "audit")]
            audit_key: Some(Arc::clone(&aws) as _),
            recovery: Some(Arc::clone(&aws) as _),
            ..Self::of(aws)
        }
    }

    /// The same store, with a copy.
    #[cfg(feature = "aws")]
    pub(super) fn with_away(self, away: AwayParts) -> Self {
        let fallback = || Arc::clone(&away.fallback);
        Self {
            #[cfg(feature = "audit")]
            audit_key: self.audit_key.map(|source| Arc::new(KeyOfBoth::new(source, fallback())) as _),
            recovery: self.recovery.map(|window| Arc::new(WindowOfBoth::new(window, fallback())) as _),
            backend: fallback(),
            away: Some(away),
            ..self
        }
    }
}

pub(super) fn is_free(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}
