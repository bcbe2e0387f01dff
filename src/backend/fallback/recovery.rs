//! What a store with a recovery window has in it, where it has a copy too.

use std::sync::Arc;

use async_trait::async_trait;

use crate::backend::fallback::FallbackBackend;
use crate::backend::recovery::{Purged, RecoveryWindow};
use crate::error::Result;
use crate::identity::RecordName;
use crate::operation::{Answer, Context};
use crate::record::Record;

/// A store's recovery window, which leaves nothing in the copy of what it takes away.
#[derive(Debug)]
pub struct WindowOfBoth {
    window: Arc<dyn RecoveryWindow>,
    fallback: Arc<FallbackBackend>,
}

impl WindowOfBoth {
    /// `window`, of the store that `fallback` is over.
    pub fn new(window: Arc<dyn RecoveryWindow>, fallback: Arc<FallbackBackend>) -> Self {
        Self { window, fallback }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RecoveryWindow for WindowOfBoth {
    async fn deleted(&self, context: &Context, id: &str) -> Result<Answer<Vec<RecordName>>> {
        self.window.deleted(context, id).await
    }

    async fn exhume(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        self.window.exhume(context, name).await
    }

    async fn bury(&self, context: &Context, name: RecordName) -> Result<Answer<()>> {
        self.window.bury(context, name).await
    }

    async fn purge(&self, context: &Context, name: RecordName) -> Result<Answer<bool>> {
        self.window.purge(context, name).await
    }

    async fn clear_for_good(&self, context: &Context) -> Result<Answer<Purged>> {
        let purged = self.window.clear_for_good(context).await;
        // Also after a failure: what is gone by then is known to nobody.
        let forgotten = self.fallback.forget().await;
        purged.and_then(|purged| forgotten.map(|()| purged))
    }

    fn days(&self) -> i64 {
        self.window.days()
    }
}
