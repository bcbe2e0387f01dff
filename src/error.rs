//! What went wrong, whether to try again, and what to do next.
//!
//! An error names its kind, the operation, the store and the cause. It never holds a secret, nor a piece of what was
//! being read: messages are fixed sentences, with paths, ids and numbers at most.

use std::fmt;
use std::sync::Arc;

use crate::operation::Operation;

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong. Callers branch on this, never on a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The token fits several records; naming the client (or the id) decides.
    Ambiguous,
    /// Somebody else holds the store for longer than the operation may wait.
    Busy,
    /// The records changed between reading and writing. The vault answers it by running the whole rule again; a caller
    /// sees it only where that did not help within the deadline.
    Conflict,
    /// What is stored is damaged, was tampered with, or was set back.
    Damaged,
    /// The record that the token came from has been deleted: a log-out is final.
    Gone,
    /// A defect of this crate.
    Internal,
    /// The input is not usable; nothing was changed.
    InvalidInput,
    /// Reading or writing failed in a way that the operating system reports.
    Io,
    /// What was named does not exist.
    NotFound,
    /// The operating system, or the store's rights, refuse.
    PermissionDenied,
    /// As much as the service lets one have, or do; no retry helps before somebody acts, or a day has passed.
    QuotaReached,
    /// The provider takes a grant no more: somebody has to sign in again.
    Revoked,
    /// There is no room left.
    StorageFull,
    /// The store is out of reach for now.
    Unavailable,
    /// The stored format is newer than this build, or of another kind; or a service does not take what this build asks.
    Unsupported,
    /// The passphrase or key does not open the store.
    WrongKey,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// The same call will fail again.
    Never,
    /// The same call may succeed later, unchanged.
    Later,
    /// Read again, decide again, then write.
    Reread,
}

/// An error of the vault.
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    retry: Retry,
    operation: Option<Operation>,
    store: Option<String>,
    message: String,
    hint: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of the kind `kind`, saying what happened in one sentence without a full stop.
    ///
    /// # Security
    /// `message` is printed and logged: it must not hold a secret or a piece of what was read.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::Busy | ErrorKind::StorageFull | ErrorKind::Unavailable => Retry::Later,
            ErrorKind::Conflict => Retry::Reread,
            _ => Retry::Never,
        };
        Self(Box::new(Inner {
            kind,
            retry,
            operation: None,
            store: None,
            message: message.into(),
            hint: None,
            source: None,
        }))
    }

    /// Input that cannot be used; nothing was changed.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// Something stored that does not open, or was tampered with.
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, message)
    }

    /// The records changed between reading and writing.
    pub fn conflict() -> Self {
        Self::new(ErrorKind::Conflict, "the records changed between reading and writing")
    }

    /// Adds what to try next, as one sentence without a full stop.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    ///
    /// # Security
    /// The cause's text is shown to users: it must not quote what was being read.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into() as Box<dyn std::error::Error + Send + Sync>));
        self
    }

    /// Names the store, unless a store nearer to the cause has named itself already.
    #[must_use]
    pub fn with_store(mut self, store: &dyn fmt::Display) -> Self {
        self.0.store.get_or_insert_with(|| store.to_string());
        self
    }

    /// Names the operation, unless it is named already.
    #[must_use]
    pub fn with_operation(mut self, operation: Operation) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// The same error, for another who waited for the same answer.
    #[must_use]
    pub(crate) fn again(&self) -> Self {
        Self(self.0.clone())
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether no later attempt to save the same token would be answered otherwise: the rules refuse it.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.kind(), ErrorKind::Ambiguous | ErrorKind::Gone | ErrorKind::InvalidInput)
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The operation that failed, where one was under way.
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The store that failed, as it names itself.
    pub fn store(&self) -> Option<&str> {
        self.0.store.as_deref()
    }

    /// What happened, in one sentence.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to try next.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.0.operation {
            write!(f, "{operation}: ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(store) = &self.0.store {
            write!(f, " ({store})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("retry", &self.0.retry)
            .field("operation", &self.0.operation)
            .field("store", &self.0.store)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
