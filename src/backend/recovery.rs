//! What only some backends can: give back what was deleted, for a while, and take it away for good.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::identity::RecordName;
use crate::operation::{Answer, Context};
use crate::record::Record;

/// A backend that keeps a deleted record for a while. A name of a record is used once, also where it comes back: what was
/// deleted stays deleted for whoever still holds a token of it.
#[async_trait]
pub trait RecoveryWindow: fmt::Debug + Send + Sync {
    /// The names of deleted records that had this id, as far as that can still be known.
    ///
    /// # Errors
    /// As the backend has them.
    async fn deleted(&self, context: &Context, id: &str) -> Result<Answer<Vec<RecordName>>>;

    /// The last state of a deleted record; `None` where nothing of it is kept. Until [`bury`](Self::bury) is called, the
    /// record is not on its way out.
    ///
    /// # Errors
    /// `InvalidInput` where the record is not deleted; else as the backend has them.
    async fn exhume(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>>;

    /// Leaves a deleted record to its end.
    ///
    /// # Errors
    /// As the backend has them.
    async fn bury(&self, context: &Context, name: RecordName) -> Result<Answer<()>>;

    /// Takes away at once, and for good, what is kept of a deleted record. Answers whether there was something: a name may
    /// also have been taken so that nobody makes a record under it, and stays so.
    ///
    /// # Errors
    /// `InvalidInput` where the record is not deleted; else as the backend has them.
    async fn purge(&self, context: &Context, name: RecordName) -> Result<Answer<bool>>;

    /// Deletes every record, and takes away at once, and for good, what is kept of them and of those that were deleted
    /// before.
    ///
    /// # Errors
    /// As the backend has them.
    async fn clear_for_good(&self, context: &Context) -> Result<Answer<Purged>>;

    /// How many days a deleted record is kept.
    fn days(&self) -> i64;
}

/// What was taken away for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// The records that were there.
    pub deleted: usize,
    /// All of which nothing is kept any more: those, and what was deleted before.
    pub purged: usize,
    /// Whether it could be looked for what was deleted before.
    pub has_listed: bool,
}
