//! Why lines were not taken, for all who wait for them.

use std::fmt;
#[cfg(feature = "cli")]
use std::io;
use std::sync::Arc;

#[cfg(feature = "cli")]
use crate::error::{Error, ErrorKind};

/// Why a line was not taken.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Arc<dyn std::error::Error + Send + Sync>);

impl Failure {
    pub(crate) fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Arc::from(cause.into()))
    }

    /// Whether whoever writes has no right to.
    #[cfg(feature = "cli")]
    fn is_refusal(&self) -> bool {
        let is_denied = |error: &Error| error.kind() == ErrorKind::PermissionDenied;
        match self.0.downcast_ref::<io::Error>() {
            Some(error) => {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
                inner.map_or(error.kind() == io::ErrorKind::PermissionDenied, is_denied)
            }
            None => self.0.downcast_ref::<Error>().is_some_and(is_denied),
        }
    }
}

/// Whether a line was not taken because whoever writes the trail has no right to.
#[cfg(feature = "cli")]
pub(crate) fn is_refused(error: &Error) -> bool {
    std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<Failure>()).is_some_and(Failure::is_refusal)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
