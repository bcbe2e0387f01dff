//! Fresh tokens: the vault refreshes by itself, for whoever has no SDK that does.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::clock::{Clock, Timestamp};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::fields::Field;
use crate::identity::{RecordName, random_bytes};
use crate::operation::{Answer, Context};
use crate::pause::Pause;
use crate::provider::{Granted, Provider};
use crate::secret::SecretText;
use crate::store::TokenStore;
use crate::token::OAuthToken;

/// How often a refreshed token is saved where the store takes it not: some two minutes in all. The refresh token behind it
/// may be spent, so it is not given up early.
const MAX_SAVES: u32 = 8;

/// As many refreshed tokens are kept whose save failed.
const MAX_UNSAVED: usize = 1000;

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
    /// Of which record: refreshed tokens that are not saved, or not yet. Wiped with it.
    unsaved: Mutex<HashMap<RecordName, OAuthToken>>,
}

impl Refresher {
    /// Over a coordinated store.
    pub fn new(
        store: Arc<dyn TokenStore>,
        provider: Arc<dyn Provider>,
        clock: Arc<dyn Clock>,
        pause: Arc<dyn Pause>,
    ) -> Self {
        Self { store, provider, clock, pause, unsaved: Mutex::default() }
    }

    /// The token with this id, with an access token that lives. It is refreshed early, and saved before it is answered;
    /// where the provider gives a new refresh token, that replaces the old one.
    ///
    /// `None` where there is no such token.
    ///
    /// # Errors
    /// `Revoked` where the provider takes the grant no more: somebody has to sign in again, and the token stays as it is.
    /// `Busy` where another refreshes it and does not come to an end. `Unavailable` where the provider is out of reach, and
    /// the old access token has ended. Where the refreshed token cannot be saved, the error of the store: it is kept then,
    /// as where the future is dropped, and goes first at the next call for it. Those of the provider.
    pub async fn fresh_token(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        // Whoever holds a lease is asked for again by nobody else: each call is a caller of its own.
        let caller = format!("fresh token {}", HEXLOWER.encode(&random_bytes::<8>()?));
        let context = context.clone().with_caller(caller);
        // It may have another id, too.
        let name = RecordName::parse(id);
        self.save_kept(&context, |kept, token| Some(kept) == name || token.id() == Some(id)).await?;
        let mut answer = self.store.find_token_by_id(&context, id).await?;
        let leased = answer.value.as_ref().filter(|token| token.lease().is_some()).and_then(|token| record_of(token));
        if let Some(record) = leased
            && self.save_kept(&context, |kept, _| kept == record).await?
        {
            answer = self.store.find_token_by_id(&context, id).await?;
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

    fn is_usable(&self, token: &OAuthToken) -> bool {
        let has_ended = token.expires_at().is_some_and(|end| end <= self.clock.now());
        token.get(Field::AccessToken).is_some() && !has_ended
    }

    /// Under the lease that the token came with.
    async fn refresh(&self, context: &Context, id: &str, held: &OAuthToken) -> Result<Arc<OAuthToken>> {
        let granted = match self.provider.refresh(held.fields()).await {
            Ok(granted) => granted,
            Err(error) => return self.without(context, id, held, error).await,
        };
        let mut token = held.clone();
        take_over(&mut token, &granted, self.clock.now());
        // Before it is saved: whoever asks meanwhile saves it, too, and refreshes nothing.
        self.keep(&token);
        self.save(context, token, MAX_SAVES).await
    }

    fn unsaved(&self) -> MutexGuard<'_, HashMap<RecordName, OAuthToken>> {
        // Nothing panics while it is held.
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, token: &OAuthToken) {
        let Some(record) = record_of(token) else { return };
        let mut unsaved = self.unsaved();
        if unsaved.len() < MAX_UNSAVED || unsaved.contains_key(&record) {
            unsaved.insert(record, token.clone());
        } else {
            tracing::warn!(%record, "too many refreshed tokens are not saved: this one is not kept for a later call");
        }
    }

    /// Another may be kept by now.
    fn forget(&self, saved: &OAuthToken) {
        let Some(record) = record_of(saved) else { return };
        let mut unsaved = self.unsaved();
        if unsaved.get(&record).is_some_and(|kept| kept.get(Field::AccessToken) == saved.get(Field::AccessToken)) {
            unsaved.remove(&record);
        }
    }

    /// What an earlier call could not save goes first: its refresh token may be the only one that is still good. Answers
    /// whether it was saved; not where nothing is kept, or what was kept is given up for good.
    async fn save_kept(&self, context: &Context, is_meant: impl Fn(RecordName, &OAuthToken) -> bool) -> Result<bool> {
        let find = |(record, token): (&RecordName, &OAuthToken)| is_meant(*record, token).then(|| token.clone());
        let kept = self.unsaved().iter().find_map(find);
        let Some(token) = kept else { return Ok(false) };
        match self.save(context, token, 1).await {
            Err(error) if is_final(&error) => Ok(false),
            saved => saved.map(|_| true),
        }
    }

    /// Saves a refreshed token, so often at most where the store is out of reach.
    async fn save(&self, context: &Context, refreshed: OAuthToken, attempts: u32) -> Result<Arc<OAuthToken>> {
        let mut token = refreshed.clone();
        let mut attempt = 1;
        loop {
            match self.store.save_token(context, &mut token).await {
                Ok(_) => {
                    self.forget(&refreshed);
                    return Ok(Arc::new(token));
                }
                Err(error) if error.retry() == Retry::Later && attempt < attempts => {
                    tracing::warn!(attempt, %error, "a refreshed token is not saved yet");
                }
                Err(error) => {
                    if is_final(&error) {
                        self.forget(&refreshed);
                    }
                    return Err(error);
                }
            }
            self.pause.pause(FIRST_WAIT.saturating_mul(1 << (attempt - 1))).await;
            attempt += 1;
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

fn record_of(token: &OAuthToken) -> Option<RecordName> {
    token.base().map(|base| base.record)
}

/// No later save would be answered otherwise.
fn is_final(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Ambiguous | ErrorKind::Gone | ErrorKind::InvalidInput)
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
