//! What a lease rests on that only this process knows of, while the store is out of reach.

use std::sync::Arc;

use async_trait::async_trait;

use crate::backend::Backend;
use crate::backend::leases::StandIn;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::layer::journal::Journaled;
use crate::operation::{Answer, Context};
use crate::record::Record;
use crate::token::OAuthToken;

#[async_trait]
impl StandIn for Journaled {
    async fn is_settled(&self, token: &OAuthToken) -> Result<bool> {
        if self.unsaved() > 0 {
            return Ok(false);
        }
        Ok(self.journal.mark().await?.count == 0 || !self.concerns(token).await?)
    }

    async fn ready(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        self.journal.prove().await?;
        let (overlay, _) = self.read_over();
        let answer = overlay.read(&context.clone().accepting_copy(), name).await?;
        if overlay.is_partial() {
            return Err(self.fallback.no_answer());
        }
        // Last, since a save may have been given up meanwhile; and whichever token it was of: one without a base means a record
        // only once it is saved.
        if self.unsaved() > 0 {
            let what = "a token waits in this process to be saved";
            return Err(Error::new(ErrorKind::Unavailable, what).with_store(&self.journal));
        }
        Ok(answer)
    }
}
