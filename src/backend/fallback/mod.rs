//! One store, and a copy of it for the time that it is out of reach.
//!
//! The copy is a backend of its own, as a rule an encrypted file. It holds the store's records as they are, so a token that
//! is read from it remembers the same record, version and sign-in, and beside them a mark: of which store it is a
//! copy, as of when, and the key of its audit trail.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Mutex as Turn;

use crate::backend::fallback::kept_copy::KeptCopy;
use crate::backend::fallback::mark::Mark;
use crate::backend::fallback::options::FallbackOptions;
use crate::backend::fallback::question::{All, Found, Named, Question};
use crate::backend::{Backend, Candidates, Commit};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::lookup::LookupKey;
use crate::operation::{Answer, Context, Source};
use crate::pause::within;
use crate::record::Record;

pub mod audit_key;
pub mod copy_seen;
pub mod journal;
mod kept_copy;
mod mark;
pub mod options;
pub(crate) mod pending;
mod question;
pub mod recovery;

/// A backend with a copy.
///
/// # What it promises
/// - **Everything is the store's.** Writes go to the store alone, and so do reads for which nobody has said that a copy will
///   do ([`Context::accepting_copy`]). No write rests on what the copy says.
/// - **Only out of reach.** The copy answers where the store fails with [`Unavailable`](ErrorKind::Unavailable) (out of
///   reach, throttled, broken down), or has not answered in time; never after a refusal, nor where something is not found,
///   damaged or busy. After a refusal it answers nothing until the store has answered a read again.
/// - **Age.** Nothing is answered from a copy that was last complete longer ago than a configured age. Such an answer says so
///   ([`Source::Fallback`]).
/// - **What is there.** The copy never says that there is none: where it has nothing, the store's error stands.
/// - **Own writes.** When a write is answered, the copy has it, or was emptied. Where neither can be done, the write fails
///   with [`Io`](ErrorKind::Io), although the store has taken it; the copy answers nothing more, and is emptied as soon as
///   that can be done.
///
/// What others write to the store without this copy is in it after a read shows it, or after the copy was completed: within
/// the same age.
pub struct FallbackBackend {
    primary: Arc<dyn Backend>,
    copy: KeptCopy,
    /// For display.
    copy_name: String,
    options: FallbackOptions,
    state: Mutex<State>,
    completing: Turn<()>,
    last_resort: Option<LastResort>,
}

type LastResort = Box<dyn Fn() -> io::Result<()> + Send + Sync>;

#[derive(Debug, Default)]
struct State {
    /// The copy holds an older state than was answered, and could not be emptied.
    is_outdated: bool,
    /// The store refused a read, and has answered none since.
    is_refused: bool,
    /// When the store was last out of reach, if it has answered nothing since.
    failed_at: Option<Timestamp>,
    /// When it was last tried to complete the copy.
    tried_at: Option<Timestamp>,
}

impl FallbackBackend {
    /// `primary`, with `copy` to fall back on. `of` names the store that `primary` is, as an address that no other store
    /// has: a copy of another one is not taken for its.
    ///
    /// # Errors
    /// `InvalidInput` where `copy` has records and is no copy; else as it has them.
    pub async fn new(
        primary: Arc<dyn Backend>,
        copy: Arc<dyn Backend>,
        of: &str,
        options: FallbackOptions,
    ) -> Result<Self> {
        let copy_name = copy.to_string();
        let copy = KeptCopy::open(copy, Arc::from(of)).await?;
        Ok(Self {
            primary,
            copy,
            copy_name,
            options,
            state: Mutex::default(),
            completing: Turn::new(()),
            last_resort: None,
        })
    }

    /// The same, where `remove` takes the copy away if it can neither be brought up to date nor emptied, such as on a full
    /// disk. What is taken away is one no more for this process.
    #[must_use]
    pub fn with_last_resort(mut self, remove: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        self.last_resort = Some(Box::new(remove));
        self
    }

    /// Empties the copy: for whoever has written to the store past this backend.
    ///
    /// # Errors
    /// `Io` where that cannot be done. Then the copy answers nothing more.
    pub async fn forget(&self) -> Result<()> {
        let emptied = self.copy.empty().await;
        self.state().is_outdated = emptied.is_err();
        let Err(cause) = emptied else { return Ok(()) };
        if let Some(remove) = &self.last_resort
            && remove().is_ok()
        {
            tracing::error!(error = %cause, copy = self.copy_name, "the copy could not be written, and is removed");
            return Ok(());
        }
        tracing::error!(error = %cause, copy = self.copy_name, "the copy is older than the store, and could not be emptied");
        let what = "the store has taken this, but its copy could be neither brought up to date nor emptied";
        let hint = format!("see why {} cannot be written, or remove it", self.copy_name);
        Err(Error::new(ErrorKind::Io, what).with_hint(hint).with_source(cause))
    }

    /// How it is bounded.
    pub(crate) fn options(&self) -> &FallbackOptions {
        &self.options
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// The copy's mark before anything is asked of the store. `None` where the copy has none, or is known to be outdated.
    async fn mark(&self) -> Result<Option<Mark>> {
        let is_outdated = self.state().is_outdated;
        if is_outdated && (self.forget().await.is_err() || self.state().is_outdated) {
            return Ok(None);
        }
        self.copy.mark().await
    }

    fn is_usable(&self, mark: Option<&Mark>) -> bool {
        let is_usable = |mark| self.copy.is_usable(mark, self.now(), self.options.longest_age);
        let state = self.state();
        !state.is_outdated && !state.is_refused && mark.is_some_and(is_usable)
    }

    /// What the copy has; `None` where that is nothing, or where it may not answer.
    async fn ask_copy<Q: Question>(&self, question: &Q) -> Option<Answer<Q::Reply>> {
        let reply = question.ask_copy(&self.copy).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the copy cannot be read");
            None
        })?;
        // Looked at last: it may have been emptied meanwhile.
        let mark = self.copy.mark().await.ok().flatten();
        self.is_usable(mark.as_ref()).then(|| Answer { source: Source::Fallback, ..Answer::of_store(reply) })
    }

    async fn read_through<Q: Question>(&self, context: &Context, question: Q) -> Result<Answer<Q::Reply>> {
        let (mark, unread) = match self.mark().await {
            Ok(mark) => (mark, None),
            Err(error) => (None, Some(error)),
        };
        let may_fall_back = context.accepts_copy() && self.is_usable(mark.as_ref());
        if may_fall_back
            && self.has_just_failed()
            && let Some(answer) = self.ask_copy(&question).await
        {
            return Ok(answer);
        }
        let before = match (&mark, unread) {
            (_, Some(error)) => Err(error),
            (Some(mark), None) => question.before(&self.copy, mark, self.now()).await.map(Some),
            (None, None) => Ok(None),
        };
        let asked = question.ask(context, &*self.primary);
        let outcome = if may_fall_back {
            let in_time = within(&*self.options.pause, self.options.first_wait, asked).await;
            in_time.unwrap_or_else(|| Err(self.no_answer()))
        } else {
            asked.await
        };
        self.note_outcome(&outcome);
        match outcome {
            Ok(answer) => {
                self.note(context, &question, &answer.value, before).await;
                // Not at the cost of who is to save something.
                if !Q::IS_WHOLE && context.accepts_copy() {
                    self.complete_if_due(context, mark.as_ref()).await;
                }
                Ok(answer)
            }
            Err(error) if error.kind() == ErrorKind::Unavailable && may_fall_back => {
                self.ask_copy(&question).await.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The copy takes over what the store has shown, or is emptied.
    async fn note<Q: Question>(
        &self,
        context: &Context,
        question: &Q,
        reply: &Q::Reply,
        before: Result<Option<Q::Before>>,
    ) {
        let noted = match before {
            Ok(Some(before)) => question.note(reply, &before, &self.copy, (&*self.primary, context)).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "the copy did not take what was read, and is emptied");
            // Told of there; and nothing was written that anybody could miss.
            _ = self.forget().await;
        }
    }

    /// Whether the store refused a read, and has answered none since: what is kept of it is nobody's to see.
    pub(crate) fn is_refused(&self) -> bool {
        self.state().is_refused
    }

    /// Whether a record was seen to be deleted in the store. Not where the copy tells nothing.
    pub(crate) async fn is_gone(&self, name: RecordName) -> bool {
        self.copy.is_gone(name).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the copy cannot be read");
            false
        })
    }

    /// As of when the copy is, where it may answer.
    pub(crate) async fn usable_as_of(&self) -> Option<Timestamp> {
        let mark = self.copy.mark().await.ok().flatten().filter(|mark| self.is_usable(Some(mark)));
        mark.and_then(|mark| mark.as_of)
    }

    /// As of when the copy is, however old that is.
    ///
    /// # Errors
    /// As the copy has them.
    pub async fn as_of(&self) -> Result<Option<Timestamp>> {
        Ok(self.copy.mark().await?.and_then(|mark| mark.as_of))
    }

    /// Whether the store was out of reach a moment ago.
    pub(crate) fn has_just_failed(&self) -> bool {
        let now = self.now();
        let is_young = |at: Timestamp| at <= now && now.since(at) < self.options.failure_memory;
        self.state().failed_at.is_some_and(is_young)
    }

    fn note_outcome<T>(&self, outcome: &Result<T>) {
        self.note_reach(outcome);
        match outcome {
            Ok(_) => self.state().is_refused = false,
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::WrongKey) => {
                self.state().is_refused = true;
            }
            Err(_) => {}
        }
    }

    /// The store has not answered in time.
    pub(crate) fn note_failure(&self) {
        self.state().failed_at = Some(self.now());
    }

    fn note_reach<T>(&self, outcome: &Result<T>) {
        match outcome {
            Ok(_) => self.state().failed_at = None,
            Err(error) if error.kind() == ErrorKind::Unavailable => self.note_failure(),
            Err(_) => {}
        }
    }

    /// Brings all of the copy up to date, where that is due and nobody else is about it.
    async fn complete_if_due(&self, context: &Context, mark: Option<&Mark>) {
        let now = self.now();
        let every = self.options.sync_every;
        let is_young = mark.is_some_and(|mark| self.copy.is_usable(mark, now, every));
        let was_tried = |at: Timestamp| at <= now && now.since(at) < every / 10;
        if is_young || self.state().tried_at.is_some_and(was_tried) {
            return;
        }
        let Ok(_turn) = self.completing.try_lock() else { return };
        self.state().tried_at = Some(now);
        let completed = async {
            let outset = self.copy.outset(now).await?;
            let listed = self.primary.list(context).await?.value;
            self.copy.complete(&outset, &listed).await
        };
        match completed.await {
            Ok(is_complete) => tracing::debug!(is_complete, "brought the copy up to date"),
            Err(error) => tracing::warn!(%error, "the copy could not be brought up to date, and grows older"),
        }
    }

    pub(crate) fn no_answer(&self) -> Error {
        Error::new(ErrorKind::Unavailable, "the store did not answer in time")
            .with_hint("try again later")
            .with_store(&self.primary)
    }
}

impl fmt::Display for FallbackBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, else {}", self.primary, self.copy_name)
    }
}

impl fmt::Debug for FallbackBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackBackend").field("primary", &self.primary).finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for FallbackBackend {
    async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        self.read_through(context, Named(name)).await
    }

    async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        self.read_through(context, Found(keys)).await
    }

    async fn commit(&self, context: &Context, commit: Commit) -> Result<Answer<()>> {
        let mark = self.mark().await.ok().flatten();
        let changes = commit.changes.clone();
        let outcome = self.primary.commit(context, commit).await;
        self.note_reach(&outcome);
        let answer = outcome?;
        if !changes.is_empty()
            && let Err(error) = self.copy.write(&changes, mark.as_ref()).await
        {
            tracing::warn!(%error, "the copy did not take what was written, and is emptied");
            self.forget().await?;
        }
        Ok(answer)
    }

    async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        self.read_through(context, All).await
    }

    async fn clear(&self, context: &Context) -> Result<Answer<usize>> {
        let answer = self.primary.clear(context).await?;
        self.forget().await?;
        Ok(answer)
    }
}
