//! What an operation carries with it, and what its answer says beside the value.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::clock::Timestamp;

/// What is done to a store, by the names that logs, errors and the audit trail use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// A copy of the vault as it is, sealed.
    Backup,
    /// Another passphrase or key file.
    ChangeKey,
    /// What did not stand of a journal's writes is forgotten.
    ClearConflicts,
    /// What did not stand of a journal's writes.
    Conflicts,
    /// All tokens from one vault into another.
    Copy,
    /// `delete_token`
    DeleteToken,
    /// `delete_tokens`
    DeleteTokens,
    /// Rights, the service and the disk tried out.
    Doctor,
    /// All tokens in the clear.
    Export,
    /// `find_token`
    FindToken,
    /// `find_token_by_id`
    FindTokenById,
    /// `get_tokens`
    GetTokens,
    /// An import of many tokens at once.
    Import,
    /// A token taken away for good, without a recovery window.
    Purge,
    /// Every token taken away for good.
    PurgeAll,
    /// The index of a vault built anew.
    Repair,
    /// Everything sealed anew under a new key.
    RotateKey,
    /// `save_token`
    SaveToken,
    /// What the vault is made of, looked at.
    Status,
    /// A deleted token brought back.
    Undelete,
    /// Everything read and checked.
    Verify,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 21] = [
        Self::Backup,
        Self::ChangeKey,
        Self::ClearConflicts,
        Self::Conflicts,
        Self::Copy,
        Self::DeleteToken,
        Self::DeleteTokens,
        Self::Doctor,
        Self::Export,
        Self::FindToken,
        Self::FindTokenById,
        Self::GetTokens,
        Self::Import,
        Self::Purge,
        Self::PurgeAll,
        Self::Repair,
        Self::RotateKey,
        Self::SaveToken,
        Self::Status,
        Self::Undelete,
        Self::Verify,
    ];

    /// Its name in an audit line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::ChangeKey => "change_key",
            Self::ClearConflicts => "clear_conflicts",
            Self::Conflicts => "conflicts",
            Self::Copy => "copy",
            Self::DeleteToken => "delete_token",
            Self::DeleteTokens => "delete_tokens",
            Self::Doctor => "doctor",
            Self::Export => "export",
            Self::FindToken => "find_token",
            Self::FindTokenById => "find_token_by_id",
            Self::GetTokens => "get_tokens",
            Self::Import => "import",
            Self::Purge => "purge",
            Self::PurgeAll => "purge_all",
            Self::Repair => "repair",
            Self::RotateKey => "rotate_key",
            Self::SaveToken => "save_token",
            Self::Status => "status",
            Self::Undelete => "undelete",
            Self::Verify => "verify",
        }
    }

    /// Whether it may change what is stored.
    pub const fn is_change(self) -> bool {
        matches!(
            self,
            Self::ChangeKey
                | Self::ClearConflicts
                | Self::Copy
                | Self::DeleteToken
                | Self::DeleteTokens
                | Self::Import
                | Self::Purge
                | Self::PurgeAll
                | Self::Repair
                | Self::RotateKey
                | Self::SaveToken
                | Self::Undelete
        )
    }

    /// Whether it is about every token of the store, so that none of them is named.
    pub const fn is_of_all(self) -> bool {
        matches!(
            self,
            Self::Backup
                | Self::ClearConflicts
                | Self::Conflicts
                | Self::Copy
                | Self::DeleteTokens
                | Self::Export
                | Self::GetTokens
                | Self::Import
                | Self::PurgeAll
        )
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backup => "backup",
            Self::ChangeKey => "change key",
            Self::ClearConflicts => "clear conflicts",
            Self::Conflicts => "list conflicts",
            Self::Copy => "copy",
            Self::DeleteToken => "delete token",
            Self::DeleteTokens => "delete all tokens",
            Self::Doctor => "doctor",
            Self::Export => "export",
            Self::FindToken => "find token",
            Self::FindTokenById => "find token by id",
            Self::GetTokens => "list tokens",
            Self::Import => "import",
            Self::Purge => "purge",
            Self::PurgeAll => "purge all tokens",
            Self::Repair => "repair",
            Self::RotateKey => "rotate key",
            Self::SaveToken => "save token",
            Self::Status => "status",
            Self::Undelete => "undelete",
            Self::Verify => "verify",
        })
    }
}

/// Who asks, and until when the answer is of use.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Context {
    principal: Option<Arc<str>>,
    caller: Option<Arc<str>>,
    deadline: Option<Timestamp>,
    is_under_lease: bool,
    is_past_memory: bool,
    accepts_copy: bool,
    requests: Option<Arc<Requests>>,
    readiness: Option<Arc<dyn Readiness>>,
}

/// What has to be in order before somebody is sent to refresh a token: the old one may be spent by that, so what keeps the new
/// one from being saved or answered is to show before.
#[async_trait]
pub trait Readiness: fmt::Debug + Send + Sync {
    /// Sees whether it is.
    ///
    /// # Errors
    /// What is not in order.
    async fn check(&self) -> Result<(), NotReady>;
}

/// What is not in order.
pub type NotReady = Box<dyn std::error::Error + Send + Sync>;

/// The requests that an operation made to a service, by the service's identifiers: whether it came to its end or not.
#[derive(Debug, Default)]
pub struct Requests(Mutex<Vec<String>>);

impl Requests {
    /// Adds one.
    pub fn add(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id.to_owned());
    }

    /// Hands over what there is.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Context {
    /// A context that names nobody and lets the store choose its own bounds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the caller, for the audit trail. Not a credential: nothing is granted by it.
    #[must_use]
    pub fn with_principal(mut self, principal: impl Into<Arc<str>>) -> Self {
        self.principal = Some(principal.into());
        self
    }

    /// Names who of the principal's asks: a process, thread or task, a client of a service. Whoever holds the right to
    /// refresh a token is known by it, so two that could wait for each other must not have the same name.
    #[must_use]
    pub fn with_caller(mut self, caller: impl Into<Arc<str>>) -> Self {
        self.caller = Some(caller.into());
        self
    }

    /// The moment after which the store gives up with [`Busy`](crate::error::ErrorKind::Busy) instead of waiting on.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Timestamp) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// For the save of a token that was just refreshed, under a lease: what it replaces may be spent already, so a store
    /// does not refuse it for a bound of its own making, nor keep it waiting for its turn.
    #[must_use]
    pub fn under_lease(mut self) -> Self {
        self.is_under_lease = true;
        self
    }

    /// Whether a refreshed token is being saved.
    pub fn is_under_lease(&self) -> bool {
        self.is_under_lease
    }

    /// For a reader that knows of a write by another process: no layer answers from memory before the store was asked.
    #[must_use]
    pub fn past_memory(mut self) -> Self {
        self.is_past_memory = true;
        self
    }

    /// Whether the store is to be asked, whatever a layer remembers.
    pub fn is_past_memory(&self) -> bool {
        self.is_past_memory
    }

    /// For a reader that nothing is decided for: while the store is out of reach, a copy of it may answer. Without this a
    /// store with a copy is one without, so no write rests on what the copy says.
    #[must_use]
    pub fn accepting_copy(mut self) -> Self {
        self.accepts_copy = true;
        self
    }

    /// Whether a copy of the store may answer while the store is out of reach.
    pub fn accepts_copy(&self) -> bool {
        self.accepts_copy
    }

    /// Has `requests` told of every request to a service: an answer tells of those that led to it, an error of none.
    #[must_use]
    pub fn with_requests(mut self, requests: Arc<Requests>) -> Self {
        self.requests = Some(requests);
        self
    }

    /// Whom to tell of requests to a service.
    pub fn requests(&self) -> Option<&Requests> {
        self.requests.as_deref()
    }

    /// Has `readiness` asked before the right to refresh a token is granted.
    #[must_use]
    pub fn with_readiness(mut self, readiness: Arc<dyn Readiness>) -> Self {
        self.readiness = Some(readiness);
        self
    }

    /// Whether the right to refresh a token may be granted.
    ///
    /// # Errors
    /// What is not in order.
    pub async fn check_readiness(&self) -> Result<(), NotReady> {
        match &self.readiness {
            Some(readiness) => readiness.check().await,
            None => Ok(()),
        }
    }

    /// The caller's name.
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    /// Who of the principal's asks.
    pub fn caller(&self) -> Option<&str> {
        self.caller.as_deref()
    }

    /// The moment after which waiting is of no use.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The store itself.
    #[default]
    Store,
    /// A layer's memory; the store was not asked.
    Cache,
    /// A layer's memory past its time to live, because the store was out of reach.
    StaleCache,
    /// The second store, because the first was out of reach.
    Fallback,
    /// The journal: what was written there is not in the store yet.
    Journal,
}

/// A value, where it came from, and the identifiers by which the store's own logs know the requests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// Where it came from.
    pub source: Source,
    /// The store's request identifiers, to join with its logs; empty for stores that have none.
    pub request_ids: Vec<String>,
}

impl<T> Answer<T> {
    /// An answer of the store itself, without request identifiers.
    pub fn of_store(value: T) -> Self {
        Self { value, source: Source::Store, request_ids: Vec::new() }
    }

    /// The same provenance with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: f(self.value), source: self.source, request_ids: self.request_ids }
    }
}
