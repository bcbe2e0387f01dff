//! What a lease rests on that only this process knows of, while the store is out of reach.

use std::sync::Arc;

use async_trait::async_trait;

use crate::backend::Backend;
use crate::backend::leases::StandIn;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::layer::journal::Journaled;
use crate::layer::kept::{Ahead, locked};
use crate::operation::{Answer, Context};
use crate::record::Record;
use crate::token::OAuthToken;

/// How often the record is read again because something was saved meanwhile.
const MAX_READS: usize = 16;

#[async_trait]
impl StandIn for Journaled {
    async fn is_settled(&self, token: &OAuthToken) -> Result<bool> {
        // Of another token it may be refused for long.
        match locked(&self.strays).ahead_of(token) {
            Ahead::Something => return Ok(false),
            Ahead::Refused(cause) => return Err(held_up(&cause)),
            Ahead::Nothing => {}
        }
        Ok(self.journal.mark().await?.count == 0 || !self.concerns(token).await?)
    }

    async fn ready(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        // Before anything is written for it.
        self.check_saved()?;
        self.journal.prove().await?;
        for _ in 0..MAX_READS {
            let before = locked(&self.strays).turnover();
            let (overlay, _) = self.read_over();
            let answer = overlay.read(&context.clone().accepting_copy(), name).await?;
            if overlay.is_partial() {
                return Err(self.fallback.no_answer());
            }
            // Last, since a save may have been given up meanwhile.
            self.check_saved()?;
            let strays = locked(&self.strays);
            // Of one that has ended since the answer does not tell.
            if strays.turnover() == before {
                // Whoever was sent before may be late with it.
                let is_ahead = answer.value.as_ref().is_some_and(|record| strays.is_saving(record));
                return if is_ahead { Err(under_way()) } else { Ok(answer) };
            }
        }
        Err(under_way())
    }
}

impl Journaled {
    /// Whichever token it was of: one without a base means a record only once it is saved.
    fn check_saved(&self) -> Result<()> {
        if self.unsaved() == 0 {
            return Ok(());
        }
        let what = "a token waits in this process to be saved";
        Err(Error::new(ErrorKind::Unavailable, what).with_store(&self.journal))
    }
}

fn under_way() -> Error {
    Error::new(ErrorKind::Unavailable, "a save of the token is under way").with_hint("try again in a moment")
}

fn held_up(cause: &Error) -> Error {
    let what = "a newer token waits in this process, and cannot be saved";
    let hint = cause.hint().unwrap_or("see to that; the process tries again at each operation");
    Error::new(cause.kind(), format!("{what}: {cause}")).with_hint(hint)
}
