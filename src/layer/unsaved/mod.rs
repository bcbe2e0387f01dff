//! What could not be saved while the store was out of reach is kept, and saved later.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex as Turn;

use crate::backend::fallback::FallbackBackend;
use crate::backend::fallback::pending::{Pending, came_from};
use crate::error::{ErrorKind, Result};
use crate::identity::RecordName;
use crate::layer::kept::{Attempt, Queue, locked};
use crate::operation::{Answer, Context, Source};
use crate::pause::within;
use crate::store::{Saved, TokenStore};
use crate::token::OAuthToken;
use crate::vault::Vault;
use crate::vault::begun::Begun;

/// A vault over a store with a copy, as callers see it.
///
/// # What it promises
/// - **Reads** may be answered by the copy ([`FallbackBackend`] says when).
/// - **Saves** that fail in a passing way ([`Retry::Later`](crate::error::Retry::Later)) fail, and their token is kept in this process: the refresh token
///   behind it may be spent. So is the token of a save that its caller gave up. Each later operation tries first to save
///   what is kept, in its order and by the vault's own rule, unless the store was out of reach a moment ago.
/// - **This process** is handed what is kept, marked as [`Source::Fallback`], until it is saved: not once the store has refused
///   a read, until it answers one again. What of it is a sign-in of
///   its own is handed out without a base: which record it becomes is decided when it is saved.
/// - **Deletes** wait for what is kept: while that cannot be saved because the store is out of reach, they fail. So nothing
///   is saved after a log-out that came before it.
///
/// What is kept is wiped with this layer, and lost with the process.
pub struct Unsaved {
    inner: Arc<Vault>,
    fallback: Arc<FallbackBackend>,
    pending: Arc<Pending>,
    /// By the same rules, over what is kept and what the copy has.
    offline: Vault,
    queue: Mutex<Queue>,
    trying: Turn<()>,
}

/// How a token is asked for.
enum Asking<'a> {
    ById(&'a str),
    Matching(&'a OAuthToken),
}

impl Unsaved {
    /// Over `inner`, a vault over `fallback`.
    pub fn new(inner: Arc<Vault>, fallback: Arc<FallbackBackend>) -> Self {
        let pending = Arc::new(Pending::over(Arc::clone(&fallback)));
        let offline = offline(&pending, &fallback);
        Self { inner, fallback, pending, offline, queue: Mutex::default(), trying: Turn::new(()) }
    }

    /// How many tokens are kept.
    pub fn unsaved(&self) -> usize {
        self.queue().len()
    }

    /// By the same rules, over what the copy has alone.
    fn over_copy(&self) -> Vault {
        offline(&Arc::new(Pending::over(Arc::clone(&self.fallback))), &self.fallback)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        locked(&self.queue)
    }

    /// Tries to save what is kept, each for as long as `patience`. Answers why not, where the store is out of reach.
    async fn try_again(&self, context: &Context, patience: Option<Duration>) -> Result<()> {
        if self.queue().is_empty() {
            return Ok(());
        }
        let turn = self.trying.lock();
        let _turn = match patience {
            None => turn.await,
            Some(patience) => {
                let in_time = within(&*self.fallback.options().pause, patience, turn).await;
                in_time.ok_or_else(|| self.fallback.no_answer())?
            }
        };
        if !self.queue().is_empty() && self.fallback.has_just_failed() {
            return Err(self.fallback.no_answer());
        }
        let context = context.clone().under_lease();
        let mut last = 0;
        loop {
            let next = self.queue().after(last);
            let Some((number, given, begun)) = next else { return Ok(()) };
            let mut token = given.clone();
            last = number;
            match self.save_kept(&context, (&mut token, begun), patience).await {
                Ok(saved) => {
                    tracing::info!(outcome = ?saved.outcome, "saved a token that was kept");
                    self.queue().follow(begun, &given, &token, &saved);
                    self.settle(number).await;
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Err(error) if error.is_final() => {
                    tracing::warn!(%error, "a token that was kept cannot be saved, and is given up");
                    self.settle(number).await;
                }
                Err(error) => tracing::warn!(%error, "a token that was kept cannot be saved yet"),
            }
        }
    }

    async fn save_kept(
        &self,
        context: &Context,
        (token, begun): (&mut OAuthToken, Begun),
        patience: Option<Duration>,
    ) -> Result<Saved> {
        let saving = self.inner.save_begun(context, token, begun);
        let outcome = match patience {
            None => saving.await,
            Some(patience) => {
                let in_time = within(&*self.fallback.options().pause, patience, saving).await;
                in_time.unwrap_or_else(|| {
                    self.fallback.note_failure();
                    Err(self.fallback.no_answer())
                })
            }
        };
        outcome.map(|answer| answer.value)
    }

    async fn settle(&self, number: u64) {
        {
            let mut queue = self.queue();
            queue.settle(number);
            queue.undecide();
        }
        self.pending.forget().await;
    }

    /// Decides which records what is kept means, by the vault's rules over what the copy has.
    async fn decide(&self) {
        let context = Context::new();
        loop {
            let next = self.queue().undecided();
            let Some((number, token)) = next else { return };
            if let Some(record) = came_from(&token) {
                self.pending.recall(Arc::new(record)).await;
            }
            let mut decided = token;
            let saved = self.offline.save_token(&context, &mut decided).await;
            let record = saved.ok().and_then(|_| decided.base().map(|base| base.record));
            self.queue().decide(number, record);
        }
    }

    /// What is kept of the token that is asked for.
    async fn kept(&self, context: &Context, asking: &Asking<'_>) -> Option<OAuthToken> {
        if self.queue().is_empty() || self.fallback.is_refused() {
            return None;
        }
        self.decide().await;
        let (token, id) = match asking {
            Asking::ById(id) => {
                let found = self.offline.find_token_by_id(context, id).await.ok()?.value?;
                (Arc::unwrap_or_clone(found), Some(*id))
            }
            Asking::Matching(given) => {
                let mut token = OAuthToken::clone(given);
                let is_found = self.offline.find_token(context, &mut token).await.ok()?.value;
                (is_found.then_some(token)?, given.id())
            }
        };
        self.handed_out(token, id)
    }

    /// A token of what is kept as its caller gets it; `None` for one that is not kept.
    fn handed_out(&self, token: OAuthToken, id: Option<&str>) -> Option<OAuthToken> {
        let base = token.base()?;
        let is_same_sign_in = {
            let queue = self.queue();
            let kept = queue.of(base.record)?.token.base();
            kept.is_some_and(|kept| kept.record == base.record && kept.lineage == base.lineage)
        };
        if is_same_sign_in {
            return Some(token);
        }
        let mut token = token.detached();
        token.set_id(id);
        Some(token)
    }

    /// Deletes the token with this id. Answers which record that was.
    ///
    /// # Errors
    /// As the store has them; never because nothing matches.
    pub async fn delete_record(&self, context: &Context, id: &str) -> Result<Answer<Option<RecordName>>> {
        self.before_delete(context).await?;
        let deleted =
            if self.queue().is_empty() { None } else { self.inner.find_token_by_id(context, id).await?.value };
        let answer = self.inner.delete_record(context, id).await?;
        self.queue().forget(id, deleted.as_deref());
        self.pending.forget().await;
        self.queue().undecide();
        Ok(answer)
    }

    /// Fails where something is kept that the store is not in reach for.
    async fn before_delete(&self, context: &Context) -> Result<()> {
        self.try_again(context, None).await.map_err(|error| {
            error.with_hint("a token that is not saved yet goes first; try again when the store is in reach")
        })
    }
}

impl fmt::Display for Unsaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

impl fmt::Debug for Unsaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsaved").field("inner", &self.inner).field("unsaved", &self.unsaved()).finish_non_exhaustive()
    }
}

fn offline(pending: &Arc<Pending>, fallback: &FallbackBackend) -> Vault {
    Vault::with_clock(Arc::clone(pending) as _, Arc::clone(&fallback.options().clock))
}

fn of_this_process<T>(value: T) -> Answer<T> {
    Answer { source: Source::Fallback, ..Answer::of_store(value) }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TokenStore for Unsaved {
    async fn find_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<bool>> {
        _ = self.try_again(context, Some(self.fallback.options().first_wait)).await;
        if let Some(kept) = self.kept(context, &Asking::Matching(token)).await {
            *token = kept;
            return Ok(of_this_process(true));
        }
        self.inner.find_token(&context.clone().accepting_copy(), token).await
    }

    async fn find_token_by_id(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        _ = self.try_again(context, Some(self.fallback.options().first_wait)).await;
        if let Some(kept) = self.kept(context, &Asking::ById(id)).await {
            return Ok(of_this_process(Some(Arc::new(kept))));
        }
        self.inner.find_token_by_id(&context.clone().accepting_copy(), id).await
    }

    async fn save_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<Saved>> {
        let attempt = Attempt::begin(&self.queue, token, self.fallback.options().clock.now());
        let outcome = match self.try_again(context, None).await {
            // In its turn, so that it is not taken for older than what came before it.
            Err(error) => Err(error),
            Ok(()) => self.inner.save_begun(context, token, attempt.begun()).await,
        };
        let hint = "the token is kept in this process while it runs, which saves it as soon as the store is in reach; once it has ended, save it again";
        attempt.end(outcome, || self.over_copy(), hint).await
    }

    async fn delete_token(&self, context: &Context, id: &str) -> Result<Answer<bool>> {
        Ok(self.delete_record(context, id).await?.map(|record| record.is_some()))
    }

    async fn get_tokens(&self, context: &Context) -> Result<Answer<Vec<Arc<OAuthToken>>>> {
        _ = self.try_again(context, Some(self.fallback.options().first_wait)).await;
        let mut answer = self.inner.get_tokens(&context.clone().accepting_copy()).await?;
        if self.queue().is_empty() {
            return Ok(answer);
        }
        self.decide().await;
        for token in self.offline.get_tokens(context).await?.value {
            let Some(base) = token.base() else { continue };
            let record = base.record;
            let is_its = |token: &Arc<OAuthToken>| token.base().is_some_and(|base| base.record == record);
            let stored = answer.value.iter().position(is_its).map(|at| answer.value.remove(at));
            // The name of a record that is not stored yet is nobody's.
            let brought = token.id().filter(|id| RecordName::parse(id) != Some(record));
            let id = stored.as_ref().map_or(brought, |stored| stored.id());
            let Some(kept) = self.handed_out(OAuthToken::clone(&token), id) else {
                answer.value.extend(stored);
                continue;
            };
            answer.value.push(Arc::new(kept));
            answer.source = Source::Fallback;
        }
        Ok(answer)
    }

    async fn delete_tokens(&self, context: &Context) -> Result<Answer<usize>> {
        self.before_delete(context).await?;
        let answer = self.inner.delete_tokens(context).await?;
        self.queue().clear();
        self.pending.forget().await;
        Ok(answer)
    }
}
