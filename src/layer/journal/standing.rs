//! Where a journal stands.

use crate::error::Error;

/// Where a journal stands when an operation begins.
pub(super) enum Standing {
    /// There is nothing in it.
    Empty,
    /// Its entries wait: the store is out of reach, or another process plays them back.
    Waiting(Error),
    /// Some of its entries stay until somebody acts.
    Blocked(Error),
}
