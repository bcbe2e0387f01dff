//! Answers that are kept for a while.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::layer::cache::flight::Flights;
use crate::layer::cache::options::CacheOptions;
use crate::layer::cache::question::{Found, Question};
use crate::layer::cache::shelf::{Began, Shelf};
use crate::operation::{Answer, Context, Source};
use crate::store::{Saved, TokenStore};
use crate::token::OAuthToken;

mod flight;
pub mod options;
mod question;
mod reading;
mod shelf;
mod writing;

/// A layer that answers finds from memory.
///
/// # What it promises
/// - **Age.** No answer is older than its time to live, nor does a token come back that is past its expiry less a margin.
///   An answer from memory says so ([`Source::Cache`]) and has no request identifiers.
/// - **Own writes.** What was written or deleted through this layer is seen by whatever is asked afterwards. What anybody
///   else writes, past this layer or in another process, is seen after the time to live at the latest, and at once by a
///   reader who knows of it ([`Context::past_memory`]). While a write is under way, and after one that failed without saying what became of it, reads may give either state.
/// - **One read.** Those who ask the same at once share one read of the store, its answer or its error. It is made in the
///   name of the one who came first, and taken over by the next where that one gives up or runs out of time. So a layer
///   that answers each caller by itself, or writes down who asked, goes outside this one.
/// - **Out of reach.** Where the store fails in a passing way ([`Retry::Later`](crate::error::Retry::Later)) or does not
///   answer in time, a token past its time to live is given once more, marked as [`Source::StaleCache`]: up to a bounded
///   age, never past its expiry. After any other failure it is forgotten, and after a refusal ([`PermissionDenied`],
///   [`WrongKey`]) nothing that was read before is given past its time to live.
/// - **Bounds.** So many answers and no more; those that were used least recently go first.
///
/// Only what the store itself answered is kept ([`Source::Store`]), and only tokens that remember their record, as those of
/// a [`Vault`](crate::vault::Vault) do: any others go through.
///
/// # Security
/// The tokens in memory are those that were handed out, shared with their holders, and wiped with the last of them. An
/// answer goes at a write, when there is no room, and when it is too old; the latter is looked for when others come in, so
/// where nobody asks any more they stay. Keys of lookups are hashes. A process that is forked from several threads may inherit
/// the lock of one that is inside; fork before the first read, or make a new layer.
///
/// [`PermissionDenied`]: ErrorKind::PermissionDenied
/// [`WrongKey`]: ErrorKind::WrongKey
pub struct Cache {
    inner: Arc<dyn TokenStore>,
    options: CacheOptions,
    state: Mutex<State>,
    counts: Counts,
}

#[derive(Default)]
struct State {
    shelf: Shelf,
    flights: Flights,
    /// How many writes have ended, or were heard of: a read from before may not have seen them.
    epoch: u64,
    /// How often the store has said that it may not be read.
    refusals: u64,
    /// When the store was last out of reach, if it has answered nothing since.
    failed_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    stale_answers: AtomicU64,
}

/// What a cache has done so far. Every find is counted once, as one of the three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Finds that were answered from memory.
    pub hits: u64,
    /// Finds for which the store was asked, by themselves or with others, whatever it answered.
    pub misses: u64,
    /// Finds that were answered with a token past its time to live.
    pub stale_answers: u64,
    /// How many answers are kept.
    pub entries: usize,
}

impl Cache {
    /// A cache over `inner`.
    pub fn new(inner: Arc<dyn TokenStore>, options: CacheOptions) -> Self {
        Self { inner, options, state: Mutex::default(), counts: Counts::default() }
    }

    /// What it has done so far.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            hits: self.counts.hits.load(Ordering::Relaxed),
            misses: self.counts.misses.load(Ordering::Relaxed),
            stale_answers: self.counts.stale_answers.load(Ordering::Relaxed),
            entries: self.state().shelf.len(),
        }
    }

    /// Forgets every answer: for whoever has written past this layer (an import, an undelete) and does not want to wait
    /// for the time to live.
    pub fn clear(&self) {
        let mut state = self.state();
        state.epoch += 1;
        state.shelf.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No call of ours panics inside; were it so, each leaves the state usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer within its time to live.
    fn remembered(&self, key: &[u8]) -> Option<Found> {
        let now = self.options.clock.now();
        let value = self.state().shelf.fresh(key, now)?;
        self.counts.hits.fetch_add(1, Ordering::Relaxed);
        Some(from_memory(value, Source::Cache))
    }
}

impl State {
    fn began(&self, at: Timestamp) -> Began {
        Began { at, refusals: self.refusals }
    }

    /// Whatever was read before is not given past its time to live any more, if this is a refusal.
    fn note_refusal(&mut self, error: &Error) {
        if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::WrongKey) {
            self.refusals += 1;
        }
    }
}

fn from_memory(value: Option<Arc<OAuthToken>>, source: Source) -> Found {
    Answer { value, source, request_ids: Vec::new() }
}

impl fmt::Display for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cache({})", self.inner)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("statistics", &self.statistics())
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TokenStore for Cache {
    async fn find_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<bool>> {
        // In boxes, here and below: a hit pays for no more than it needs.
        let found = Box::pin(self.read(context, Question::Lookup(token))).await?;
        let Some(stored) = &found.value else { return Ok(found.map(|_| false)) };
        if token.fill_as(stored) {
            return Ok(found.map(|_| true));
        }
        // A store whose tokens do not remember where they came from: nothing that another one could be filled with.
        self.inner.find_token(context, token).await
    }

    async fn find_token_by_id(&self, context: &Context, id: &str) -> Result<Found> {
        let key = Question::id_bytes(id).filter(|_| !context.is_past_memory());
        if let Some(found) = key.and_then(|key| self.remembered(key)) {
            return Ok(found);
        }
        Box::pin(self.read(context, Question::Id(id))).await
    }

    async fn save_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<Saved>> {
        self.save(context, token).await
    }

    async fn delete_token(&self, context: &Context, id: &str) -> Result<Answer<bool>> {
        self.delete(context, id).await
    }

    async fn get_tokens(&self, context: &Context) -> Result<Answer<Vec<Arc<OAuthToken>>>> {
        self.inner.get_tokens(context).await.inspect_err(|error| self.state().note_refusal(error))
    }

    async fn delete_tokens(&self, context: &Context) -> Result<Answer<usize>> {
        self.delete_all(context).await
    }
}
