//! What keeps records: the trait, and the backends.
//!
//! A backend knows versions and lookup keys, and no matching rule. The rules stand once, in
//! [`vault`](crate::vault), above every backend.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::identity::{RecordName, Version};
use crate::lookup::LookupKey;
use crate::operation::{Answer, Context};
use crate::record::Record;

pub mod audit_key;
mod directory;
pub mod fallback;
#[cfg(feature = "file")]
pub mod file;
pub mod leases;
pub mod memory;
pub mod recovery;
#[cfg(any(feature = "audit", feature = "aws"))]
pub mod secret_name;
#[cfg(feature = "aws")]
pub mod secrets_manager;
pub mod tally;

/// Keeps versioned records, found by name or by lookup key.
///
/// # Contract
/// - **Durable.** What [`commit`](Self::commit) and [`clear`](Self::clear) have answered is kept for as long as the
///   backend keeps anything; a commit without changes is answered once all that a read has shown is kept so.
/// - **Atomic.** A commit is visible as a whole or not at all, to every reader and after any failure. (Where the store
///   has no transactions, that holds for a commit of one record; the backend says so.)
/// - **Conditional.** A commit takes effect only if every record it changes is still at the version it names and every
///   lookup key it claims still resolves to the records it names. Otherwise it changes nothing and answers
///   [`Conflict`](crate::error::ErrorKind::Conflict).
/// - **Fresh.** A read that begins after a commit was answered sees that commit, through whichever handle.
/// - **Cancellation.** Dropping the future of a commit leaves it open whether it takes effect; it is never half done.
/// - **No rule.** Nothing here looks at what a field means, but for the keys that
///   [`Record::lookup_keys`] makes.
#[async_trait]
pub trait Backend: fmt::Debug + fmt::Display + Send + Sync {
    /// The record of this name; `None` where there is none. That is certain, not merely likely.
    ///
    /// # Errors
    /// As the backend has them; never `NotFound`.
    async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>>;

    /// The records that these lookup keys lead to. A record may be there by accident (a hit is a hint); none that
    /// belongs is missing.
    ///
    /// # Errors
    /// As the backend has them; never `NotFound`.
    async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>>;

    /// Makes these changes, all of them or none.
    ///
    /// # Errors
    /// `Conflict` where an expectation or a claim no longer holds.
    async fn commit(&self, context: &Context, commit: Commit) -> Result<Answer<()>>;

    /// Every record, in no order.
    ///
    /// # Errors
    /// As the backend has them.
    async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>>;

    /// Deletes every record, also one that is being made: what was acknowledged before this began is gone. Answers how
    /// many there were.
    ///
    /// # Errors
    /// As the backend has them.
    async fn clear(&self, context: &Context) -> Result<Answer<usize>>;
}

/// What lookup keys led to.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// For each key asked for, in that order: the names it leads to, sorted. A name that no record below has is
    /// *reserved*: a record of that key is being made under it, or its making was broken off. Whoever makes a record of
    /// that key makes it under that name; so only one of them does.
    pub by_key: Vec<Vec<RecordName>>,
    /// Every record named above that there is, once, in no order.
    pub records: Vec<Arc<Record>>,
}

/// Changes that take effect together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// At most one for each record.
    pub changes: Vec<Change>,
    /// What the changes rest on, beside the records' own versions.
    pub claims: Vec<Claim>,
}

/// A new state for one record.
#[derive(Clone, Debug)]
pub struct Change {
    /// The record.
    pub name: RecordName,
    /// The version it must be at; `None`: it must not exist.
    pub expected: Option<Version>,
    /// What it becomes; `None`: it is deleted.
    pub value: Option<Arc<Record>>,
}

/// "This lookup key still resolves to what I read."
#[derive(Clone, Debug)]
pub struct Claim {
    /// The key.
    pub key: LookupKey,
    /// The names it must lead to, sorted.
    pub names: Vec<RecordName>,
}
