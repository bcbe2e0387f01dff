//! Calls, and the lines that they leave.
//!
//! ```text
//! enter   required, and a change: the intent is written, or nothing is done
//!   ...   the call itself
//! leave   its line is written; required: or there is no answer
//! drop    a call that nobody waits for any more: its line is written as far as can be
//! ```

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::Guard;
use async_trait::async_trait;

use crate::audit::facts::{Facts, Subject};
use crate::audit::failure::Failure;
use crate::audit::fixed::Fixed;
use crate::audit::keys::{Hashed, Keys};
use crate::audit::line::{self, Draft, Ending, Kind, MAX_REQUESTS, key};
pub use crate::audit::options::{Mode, RecorderOptions, Users};
use crate::audit::own_queue::OwnQueue;
use crate::audit::pending::Drafting;
use crate::audit::queue::{Queue, drafted};
use crate::audit::sink::OpenSink;
use crate::audit::user_hashes::UserHashes;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::operation::{Context, NotReady, Operation, Readiness, Requests};

/// Writes the lines of one vault's calls.
pub struct Recorder {
    options: RecorderOptions,
    fixed: Arc<Fixed>,
    queue: OwnQueue,
    /// The number of the last change.
    changes: AtomicU64,
    user_hashes: UserHashes,
}

impl Recorder {
    /// Records to `sink`, under the keys of the vault.
    pub fn new(sink: Arc<dyn OpenSink>, keys: Keys, options: RecorderOptions) -> Self {
        let (clock, requests) = (Arc::clone(&options.clock), options.requests.clone());
        let fixed = Arc::new(Fixed { sink, keys, clock, requests, lost: AtomicU64::new(0) });
        let queue = OwnQueue::new(Arc::clone(&fixed));
        Self { options, fixed, queue, changes: AtomicU64::new(0), user_hashes: UserHashes::default() }
    }

    /// What happens where a line is not taken.
    pub fn mode(&self) -> Mode {
        self.options.mode
    }

    /// How many lines were not taken, of calls that went on without.
    pub fn lost(&self) -> u64 {
        self.fixed.lost.load(Ordering::Relaxed)
    }

    /// Writes the lines that wait, and ends the chain; a call after that begins another. Dropping the recorder does the same
    /// as far as it can without waiting: before a program ends that writes to a service, this is to be called.
    pub async fn finish(&self) {
        self.queue().finish().await;
    }

    /// Begins a call. Whatever it does must be done under [`Entry::context`].
    ///
    /// # Errors
    /// `Unavailable` where lines are required and the intent to change something was not taken: nothing is done then.
    pub async fn enter<'a>(
        &'a self,
        context: Context,
        operation: Operation,
        subject: Subject<'a>,
    ) -> Result<Entry<'a>> {
        let context = context.with_requests(Arc::new(Requests::default()));
        let started = self.options.clock.now();
        let has_intent = operation.is_change() && self.options.mode == Mode::Required;
        let change = has_intent.then(|| self.number(started));
        let mut entry =
            Entry { recorder: self, context, operation, subject, started, change, is_open: false, is_refused: false };
        if has_intent {
            // In boxes, here and below: what most calls never do would take room in the future of each.
            Box::pin(entry.write_intent()).await?;
        }
        entry.is_open = true;
        Ok(entry)
    }

    /// Records a call that is no operation of a token store.
    ///
    /// # Errors
    /// Those of `work`; `Unavailable` or `Io` where lines are required and one was not taken.
    pub async fn record<T>(
        &self,
        (context, operation, subject): (&Context, Operation, Subject<'_>),
        work: impl AsyncFnOnce(&Context) -> Result<T>,
        facts: impl FnOnce(&Result<T>) -> Facts<'_>,
    ) -> Result<T> {
        let mut entry = self.enter(context.clone(), operation, subject).await?;
        let result = work(&entry.context().clone()).await;
        let facts = facts(&result);
        entry.leave(&facts, result.as_ref().err().map(Error::kind)).await?;
        result
    }

    /// A number for a change: the microseconds of its beginning, and never the same twice.
    fn number(&self, started: Timestamp) -> u64 {
        let next = |last: u64| Some(started.as_micros().max(last.saturating_add(1)));
        let before = self.changes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next).unwrap_or_default();
        next(before).unwrap_or_default()
    }

    fn queue(&self) -> Guard<Arc<Queue>> {
        self.queue.get()
    }

    fn error(&self, moment: Moment, operation: Operation, failure: Failure) -> Error {
        let (kind, what) = match moment {
            Moment::Before => (ErrorKind::Unavailable, "the audit trail did not take the line, so nothing was done"),
            Moment::Read => (ErrorKind::Unavailable, "the audit trail did not take the line, so there is no answer"),
            Moment::Changed => (ErrorKind::Io, "this was done, but the audit trail did not take the line that says so"),
            Moment::Failed => (ErrorKind::Unavailable, "this failed, and the audit trail did not take the line"),
        };
        Error::new(kind, format!("{what} ({})", self.fixed.sink)).with_operation(operation).with_source(failure).with_hint(
            "see that the audit trail can be written; while TOKENVAULT_AUDIT_MODE is required nothing goes on without",
        )
    }
}

/// Where lines are required, one is written first: a checkpoint, which says nothing but how long the chain is.
#[async_trait]
impl Readiness for Recorder {
    async fn check(&self) -> Result<(), NotReady> {
        match self.options.mode {
            Mode::Required => {
                let told = |failure| format!("the audit trail takes no line ({}): {failure}", self.fixed.sink).into();
                self.queue().probe().await.map_err(told)
            }
            Mode::BestEffort => Ok(()),
        }
    }
}

/// When a line was not taken.
#[derive(Clone, Copy)]
enum Moment {
    Before,
    Read,
    Changed,
    Failed,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("sink", &self.fixed.sink)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fixed.sink, f)
    }
}

/// A call that is under way. Dropped before it is left, it leaves a line that says that nobody knows its end.
pub struct Entry<'a> {
    recorder: &'a Recorder,
    context: Context,
    operation: Operation,
    subject: Subject<'a>,
    started: Timestamp,
    /// Of a change with an intent: what its two lines have in common.
    change: Option<u64>,
    is_open: bool,
    /// It was left, and its line was not taken.
    is_refused: bool,
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl Entry<'_> {
    /// What the call is to be made with: it notes the requests to a service.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Ends the call, once: later it does nothing, and answers alike. `error` is what the call ended with.
    ///
    /// # Errors
    /// Where lines are required and this one was not taken: `Io` for a change that took effect, else `Unavailable`. What
    /// the call has answered must not be handed on then.
    pub async fn leave(&mut self, facts: &Facts<'_>, error: Option<ErrorKind>) -> Result<()> {
        let moment = match (error, self.operation.is_change()) {
            (Some(_), _) => Moment::Failed,
            (None, true) => Moment::Changed,
            (None, false) => Moment::Read,
        };
        if !self.is_open {
            let again = || self.recorder.error(moment, self.operation, Failure::new("it was not taken before"));
            return if self.is_refused { Err(again()) } else { Ok(()) };
        }
        let now = self.recorder.options.clock.now();
        let draft = |out: &mut Vec<u8>| self.draft_call(out, now, facts);
        let queue = self.recorder.queue();
        if self.recorder.options.mode == Mode::BestEffort {
            Box::pin(queue.write_for_nobody(&drafted(draft))).await;
            self.is_open = false;
            return Ok(());
        }
        if self.goes_on() {
            let _ = Box::pin(queue.write_or_keep(&drafted(draft))).await;
            self.is_open = false;
            return Ok(());
        }
        let outcome = queue.write(now, Drafting { draft, wants_proof: self.operation.is_change() }).await;
        self.is_open = false;
        self.is_refused = outcome.is_err();
        outcome.map_err(|failure| self.recorder.error(moment, self.operation, failure))
    }

    /// A refreshed token is being saved, whose predecessor may be spent already: it is not refused for want of a line.
    fn goes_on(&self) -> bool {
        self.operation == Operation::SaveToken && self.context.is_under_lease()
    }

    async fn write_intent(&self) -> Result<()> {
        let draft = |out: &mut Vec<u8>| self.draft_intent(out);
        let queue = self.recorder.queue();
        if self.goes_on() {
            let _ = queue.write_ahead(&drafted(draft)).await;
            return Ok(());
        }
        let refuse = |failure| self.recorder.error(Moment::Before, self.operation, failure);
        queue.write(self.started, Drafting { draft, wants_proof: true }).await.map_err(refuse)
    }

    fn draft_intent(&self, out: &mut Vec<u8>) {
        let mut draft = Draft::start(out, self.started, Kind::Intent);
        line::operation(&mut draft, self.operation);
        self.draft_number(&mut draft);
        self.draft_subject(&mut draft, &Facts::of(Ending::Unknown));
        self.draft_who(&mut draft);
        draft.finish();
    }

    fn draft_call(&self, out: &mut Vec<u8>, now: Timestamp, facts: &Facts<'_>) {
        let ids = self.context.requests().map(Requests::take).unwrap_or_default();
        let (named, mut more) = ids.split_at(ids.len().min(MAX_REQUESTS));
        while !more.is_empty() {
            let (some, rest) = more.split_at(more.len().min(MAX_REQUESTS));
            let mut draft = Draft::start(out, now, Kind::Requests);
            line::operation(&mut draft, self.operation);
            draft.requests(some);
            draft.finish();
            more = rest;
        }
        let mut draft = Draft::start(out, now, Kind::Call);
        line::operation(&mut draft, self.operation);
        self.draft_number(&mut draft);
        draft.plain(key!("outcome"), facts.ending.name());
        if let Some(kind) = facts.error {
            draft.plain(key!("error"), line::error_name(kind));
        }
        if let Some(did) = facts.did {
            draft.plain(key!("did"), did);
        }
        self.draft_subject(&mut draft, facts);
        if let Some(count) = facts.count {
            draft.number(key!("count"), count as u64);
        }
        if let Some(source) = facts.source {
            draft.plain(key!("source"), line::source_name(source));
        }
        self.draft_who(&mut draft);
        if !named.is_empty() {
            draft.requests(named);
        }
        draft.number(key!("micros"), u64::try_from(now.since(self.started).as_micros()).unwrap_or(u64::MAX));
        draft.member(concat!(",\"version\":\"", env!("CARGO_PKG_VERSION"), "\""));
        draft.finish();
    }

    fn draft_number(&self, draft: &mut Draft<'_>) {
        if let Some(change) = self.change {
            draft.number(key!("change"), change);
        }
    }

    /// What was only asked for may be anything, a secret too: an id is written as it is where there is a token of it.
    fn draft_subject(&self, draft: &mut Draft<'_>, facts: &Facts<'_>) {
        let (asked, asked_user) = match self.subject {
            Subject::All => (None, None),
            Subject::Id(id) => (Some(id), None),
            Subject::Token { id, user } => (id, user),
        };
        let keys = &self.recorder.fixed.keys;
        let known = facts.token.or_else(|| asked.filter(|id| facts.is_token || RecordName::parse(id).is_some()));
        let is_own = known.zip(facts.record).is_some_and(|(id, name)| name.is_written(id));
        let shown = known.filter(|id| is_own || line::fits(id));
        match (shown, facts.token.or(asked)) {
            (Some(id), _) if is_own => draft.plain(key!("token"), id),
            (Some(id), _) => draft.text(key!("token"), id),
            (None, Some(id)) => draft.plain(key!("token_hash"), &keys.hash(Hashed::Token, id)),
            (None, None) => {}
        }
        if let Some(name) = facts.record.filter(|_| !is_own) {
            draft.plain(key!("record"), &name.to_id());
        }
        match (facts.user.or(asked_user), self.recorder.options.users) {
            (Some(name), Users::Hashed) => draft.plain(key!("user_hash"), &self.recorder.user_hashes.of(keys, name)),
            (Some(name), Users::Plain) => draft.text(key!("user"), name),
            (None, _) => {}
        }
    }

    fn draft_who(&self, draft: &mut Draft<'_>) {
        if let Some(principal) = self.context.principal().or(self.recorder.options.principal.as_deref()) {
            draft.text(key!("principal"), principal);
        }
        if let Some(caller) = self.context.caller() {
            draft.text(key!("caller"), caller);
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let now = self.recorder.options.clock.now();
        let drafts = drafted(|out| self.draft_call(out, now, &Facts::of(Ending::Unknown)));
        self.recorder.queue().write_now(&drafts);
    }
}
