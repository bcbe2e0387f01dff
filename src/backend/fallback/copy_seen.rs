//! What a copy says of itself, for whoever looks at it.

use std::sync::Arc;

use crate::backend::Backend;
use crate::backend::fallback::kept_copy::no_copy;
use crate::backend::fallback::mark::Mark;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::operation::Context;

/// A copy as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopySeen {
    /// Whether it is a copy of the store that was named.
    pub is_of_store: bool,
    /// Everything in it was so at this moment or later; `None` where it is not complete, and answers nothing.
    pub as_of: Option<Timestamp>,
    /// How many tokens it has.
    pub tokens: usize,
}

impl CopySeen {
    /// What `copy` says of itself, where it is one of the store `of`; `None` where it is empty. Changes nothing.
    ///
    /// # Errors
    /// `InvalidInput` where it holds tokens and bears no mark; else as `copy` has them.
    pub async fn of(copy: &Arc<dyn Backend>, of: &str) -> Result<Option<Self>> {
        let records = copy.list(&Context::new()).await?.value;
        let mark = records.iter().find(|record| record.name == Mark::NAME).map(|record| Mark::read(record));
        match mark {
            Some(mark) => Ok(Some(Self {
                is_of_store: mark.is_of(of),
                as_of: mark.as_of,
                tokens: records.len().saturating_sub(1),
            })),
            None if records.is_empty() => Ok(None),
            None => Err(no_copy(copy)),
        }
    }
}
