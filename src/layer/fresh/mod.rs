//! Fresh tokens: the vault refreshes by itself, for whoever has no SDK that does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::fields::Field;
use crate::identity::{RecordName, random_bytes};
use crate::layer::fresh::dead::DeadGrants;
use crate::layer::fresh::unsaved::{Kept, Unsaved, record_of};
use crate::operation::{Answer, Context};
use crate::pause::Pause;
use crate::provider::{Granted, Provider};
use crate::secret::SecretText;
use crate::store::TokenStore;
use crate::token::OAuthToken;
use crate::turns::Turns;

mod dead;
mod unsaved;

/// How often a refreshed token is saved where the store takes it not: some two minutes in all. The refresh token behind it
/// may be spent, so it is not given up early.
const MAX_SAVES: u32 = 8;

/// The first wait between two saves; each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// How long an access token is taken to live whose provider does not say (RFC 6749, section 5.1, lets it leave that out).
const ASSUMED_LIFETIME: Duration = Duration::from_mins(20);

/// Hands out access tokens that live, and refreshes those that do not.
///
/// Above the layer that [coordinates](crate::layer::coordinate): that one decides who refreshes, and everybody else gets
/// what was saved.
pub struct Refresher {
    store: Arc<dyn TokenStore>,
    provider: Arc<dyn Provider>,
    clock: Arc<dyn Clock>,
    pause: Arc<dyn Pause>,
    unsaved: Unsaved,
    /// One save of a record at a time: all would write the same.
    saving: Turns<RecordName>,
    dead: DeadGrants,
}

impl Refresher {
    /// Over a coordinated store.
    pub fn new(
        store: Arc<dyn TokenStore>,
        provider: Arc<dyn Provider>,
        clock: Arc<dyn Clock>,
        pause: Arc<dyn Pause>,
    ) -> Self {
        Self {
            store,
            provider,
            clock,
            pause,
            unsaved: Unsaved::default(),
            saving: Turns::default(),
            dead: DeadGrants::default(),
        }
    }

    /// How many refreshed tokens are kept that are not saved. They are lost with this.
    pub fn unsaved_tokens(&self) -> usize {
        self.unsaved.len()
    }

    /// The token with this id, with an access token that lives. It is refreshed early, and saved before it is answered;
    /// where the provider gives a new refresh token, that replaces the old one.
    ///
    /// `None` where there is no such token.
    ///
    /// # Errors
    /// `Revoked` where the provider takes the grant no more: somebody has to sign in again, and the token stays as it is. That is
    /// told to all who wait for it here, and for ten minutes the provider is not asked again for the same grant.
    /// `Busy` where another refreshes it and does not come to an end. `Unavailable` where the provider is out of reach, and
    /// the old access token has ended. Where the refreshed token cannot be saved, the error of the store: it is kept then,
    /// as where the future is dropped, and goes first at the next call for it, which is handed the old one for as long as that
    /// lives and this cannot be saved. Those of the provider.
    pub async fn fresh_token(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        // Whoever holds a lease is asked for again by nobody else: each call is a caller of its own.
        let caller = format!("fresh token {}", HEXLOWER.encode(&random_bytes::<8>()?));
        let context = context.clone().with_caller(caller);
        // It may have another id, too.
        let name = RecordName::parse(id);
        if let Err(error) = self.save_kept(&context, |kept, token| Some(kept) == name || token.id() == Some(id)).await {
            return self.while_unsaved(&context, id, error).await;
        }
        if !self.dead.is_empty() {
            self.check_grant(&context, id).await?;
        }
        let mut answer = match self.store.find_token_by_id(&context, id).await {
            // Whoever was waited for may have been refused.
            Err(error) if error.kind() == ErrorKind::Busy && !self.dead.is_empty() => {
                self.check_grant(&context, id).await?;
                return Err(error);
            }
            answer => answer?,
        };
        let leased = answer.value.as_ref().filter(|token| token.lease().is_some()).and_then(|token| record_of(token));
        if let Some(record) = leased {
            match self.save_kept(&context, |kept, _| kept == record).await {
                Ok(true) => answer = self.store.find_token_by_id(&context, id).await?,
                Ok(false) => {}
                Err(error) => return self.while_unsaved(&context, id, error).await,
            }
        }
        let Some(token) = answer.value.clone() else { return Ok(answer) };
        if token.lease().is_none() {
            return match self.is_usable(&token) {
                true => Ok(answer),
                false => Err(unusable(&token)),
            };
        }
        let refreshed = self.refresh(&context, id, &token).await?;
        Ok(answer.map(|_| Some(refreshed)))
    }

    /// Fails where the provider has said a moment ago that it takes the token's grant no more, and the access token has ended.
    async fn check_grant(&self, context: &Context, id: &str) -> Result<()> {
        // By its id alone, as one that revokes asks: it takes no lease and waits for none.
        let mut token = OAuthToken::new().with_id(id);
        let is_there = self.store.find_token(context, &mut token).await?.value;
        if is_there && self.dead.holds(&token, self.clock.now()) && !self.is_usable(&token) {
            return Err(dead_grant());
        }
        Ok(())
    }

    fn is_usable(&self, token: &OAuthToken) -> bool {
        let has_ended = token.expires_at().is_some_and(|end| end <= self.clock.now());
        token.get(Field::AccessToken).is_some() && !has_ended
    }

    /// Under the lease that the token came with.
    async fn refresh(&self, context: &Context, id: &str, held: &OAuthToken) -> Result<Arc<OAuthToken>> {
        let granted = match self.provider.refresh(held.fields()).await {
            Ok(granted) => granted,
            Err(error) => {
                if error.kind() == ErrorKind::Revoked {
                    self.dead.note(held, self.clock.now());
                }
                return self.without(context, id, held, error).await;
            }
        };
        let mut token = held.clone();
        take_over(&mut token, &granted, self.clock.now());
        // Before it is saved: whoever asks meanwhile saves it, too, and refreshes nothing.
        self.unsaved.keep(&token);
        self.save(context, token).await
    }

    /// What an earlier call could not save goes first: its refresh token may be the only one that is still good. Answers
    /// whether it is saved; not where nothing is kept, or what was kept is given up for good.
    async fn save_kept(&self, context: &Context, is_meant: impl Fn(RecordName, &OAuthToken) -> bool) -> Result<bool> {
        let Some(record) = self.unsaved.find(is_meant) else { return Ok(false) };
        let _turn = self.saving.take(record).await;
        // Whoever had the turn before has saved it.
        let Some(Kept { token, failed_at }) = self.unsaved.get(record) else { return Ok(true) };
        if failed_at.is_some_and(|at| self.clock.now().since(at) < FIRST_WAIT) {
            return Err(waits_to_be_saved());
        }
        match self.save_in_turn(context, &token).await {
            Err(error) if error.is_final() => Ok(false),
            saved => saved.map(|_| true),
        }
    }

    /// What is kept cannot be saved now: the old access token may live.
    async fn while_unsaved(
        &self,
        context: &Context,
        id: &str,
        error: Error,
    ) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        if error.retry() != Retry::Later {
            return Err(error);
        }
        let old = self.without(context, id, &OAuthToken::new(), error).await?;
        Ok(Answer::of_store(Some(old)))
    }

    /// Saves a refreshed token, in several attempts where the store is out of reach.
    async fn save(&self, context: &Context, refreshed: OAuthToken) -> Result<Arc<OAuthToken>> {
        let mut attempt = 1;
        loop {
            let turn = match record_of(&refreshed) {
                Some(record) => Some(self.saving.take(record).await),
                None => None,
            };
            match self.save_in_turn(context, &refreshed).await {
                Err(error) if error.retry() == Retry::Later && attempt < MAX_SAVES => {
                    tracing::warn!(attempt, %error, "a refreshed token is not saved yet");
                }
                saved => return saved,
            }
            drop(turn);
            self.pause.pause(FIRST_WAIT.saturating_mul(1 << (attempt - 1))).await;
            attempt += 1;
        }
    }

    async fn save_in_turn(&self, context: &Context, refreshed: &OAuthToken) -> Result<Arc<OAuthToken>> {
        let mut token = refreshed.clone();
        match self.store.save_token(context, &mut token).await {
            Ok(_) => {
                self.unsaved.forget(refreshed);
                Ok(Arc::new(token))
            }
            Err(error) => {
                if error.is_final() {
                    self.unsaved.forget(refreshed);
                } else {
                    self.unsaved.note_failure(refreshed, self.clock.now());
                }
                Err(error)
            }
        }
    }

    /// The provider gave nothing. Where somebody has signed in again meanwhile, or has refreshed the token, that is what
    /// counts. Else a grant that is dead is left for whoever signs in again; and where the provider cannot answer, the old
    /// access token may still live.
    async fn without(&self, context: &Context, id: &str, held: &OAuthToken, error: Error) -> Result<Arc<OAuthToken>> {
        // By its id alone, as one that revokes asks: it takes no lease and waits for none.
        let mut token = OAuthToken::new().with_id(id);
        if !self.store.find_token(context, &mut token).await?.value {
            return Err(error);
        }
        let is_other = |field| token.get(field) != held.get(field);
        let has_moved_on = is_other(Field::AccessToken) || is_other(Field::RefreshToken);
        if self.is_usable(&token) && (has_moved_on || error.retry() == Retry::Later) {
            return Ok(Arc::new(token));
        }
        Err(error)
    }
}

/// Exchanges the token's grant token, which can be used once, for its first tokens. What the reply does not hold stays as it
/// is. Nothing is saved yet. `now`: when it ends is counted from then, where the provider does not say.
///
/// # Errors
/// Those of the provider.
pub async fn exchange(provider: &dyn Provider, token: &mut OAuthToken, now: Timestamp) -> Result<()> {
    let granted = provider.exchange(token.fields()).await?;
    take_over(token, &granted, now);
    Ok(())
}

fn take_over(token: &mut OAuthToken, granted: &Granted, now: Timestamp) {
    token.set(Field::AccessToken, Some(granted.access_token.clone()));
    if let Some(refresh) = &granted.refresh_token {
        token.set(Field::RefreshToken, Some(refresh.clone()));
    }
    let end = granted.expires_at.unwrap_or_else(|| now.after(ASSUMED_LIFETIME));
    token.set(Field::ExpiresIn, Some(SecretText::new(&end.as_millis().to_string())));
    if let Some(domain) = &granted.api_domain {
        token.set(Field::ApiDomain, Some(SecretText::new(domain)));
    }
}

fn waits_to_be_saved() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the token was refreshed, and waits to be saved: the store did not take it a moment ago",
    )
    .with_hint("try again in a few seconds")
}

fn dead_grant() -> Error {
    Error::new(ErrorKind::Revoked, "the provider said a moment ago that it does not take this grant any more")
        .with_hint("sign in again, for example with `tokenvault login`")
}

fn unusable(token: &OAuthToken) -> Error {
    let message = if token.get(Field::RefreshToken).is_some() {
        "the token has no access token yet, or none that lives"
    } else {
        "the access token has ended, and there is no refresh token"
    };
    Error::new(ErrorKind::Revoked, message).with_hint("sign in again, for example with `tokenvault login`")
}

impl fmt::Debug for Refresher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresher")
            .field("store", &self.store)
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}
