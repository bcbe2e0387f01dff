//! Tokens that neither the store nor the journal took: kept by this process, and tried again before each operation.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{Result, Retry};
use crate::layer::journal::Journaled;
use crate::layer::journal::standing::Standing;
use crate::layer::kept::locked;
use crate::operation::{Context, Source};
use crate::pause::within;
use crate::store::TokenStore;
use crate::token::OAuthToken;

impl Journaled {
    /// How many tokens this process keeps beside the journal: their saves were given up, or the journal did not take them.
    pub fn unsaved(&self) -> usize {
        locked(&self.strays).len()
    }

    /// What comes before every operation. `patience`: how long to wait for others who are at it.
    ///
    /// # Errors
    /// As the journal has them.
    pub(super) async fn begin(&self, context: &Context, patience: Option<Duration>) -> Result<Standing> {
        let standing = self.play(context, false).await?;
        if self.unsaved() == 0 {
            return Ok(standing);
        }
        let turn = self.trying.lock();
        let turn = match patience {
            None => Some(turn.await),
            Some(patience) => within(&*self.options().pause, patience, turn).await,
        };
        match turn {
            Some(_turn) => Ok(self.save_strays(context, standing).await),
            None => Ok(standing),
        }
    }

    /// Tries each in its order, until neither the store nor the journal takes one. Answers how the journal stands then.
    async fn save_strays(&self, context: &Context, mut standing: Standing) -> Standing {
        let mut last = 0;
        loop {
            let next = locked(&self.strays).after(last);
            let Some((number, given, begun)) = next else { return standing };
            let mut token = given.clone();
            last = number;
            match self.write(context, &mut token, begun, &standing).await {
                Ok(answer) => {
                    locked(&self.strays).follow(begun, &given, &token, &answer.value);
                    if answer.source == Source::Journal {
                        standing = Standing::Waiting(self.fallback.no_answer());
                    }
                    locked(&self.strays).settle(number);
                }
                Err(error) if error.retry() == Retry::Later => {
                    return if matches!(standing, Standing::Empty) { Standing::Waiting(error) } else { standing };
                }
                Err(error) if error.is_final() => {
                    tracing::warn!(%error, "a token that was kept cannot be saved, and is given up");
                    locked(&self.strays).settle(number);
                }
                Err(error) => {
                    tracing::warn!(%error, "a token that was kept cannot be saved yet");
                    locked(&self.strays).refuse(number, error);
                }
            }
        }
    }

    /// The token that a deletion means, where something is kept that may be of it.
    pub(super) async fn meant(&self, context: &Context, id: &str) -> Option<Arc<OAuthToken>> {
        if self.unsaved() == 0 {
            return None;
        }
        let (_, vault) = self.read_over();
        vault.find_token_by_id(&context.clone().accepting_copy(), id).await.ok()?.value
    }
}
