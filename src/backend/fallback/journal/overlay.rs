//! A store as it is with the entries of its journal: so the rules can be applied to both.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::backend::fallback::FallbackBackend;
use crate::backend::fallback::journal::entry::{Clearing, Deed, Entry};
use crate::backend::fallback::journal::mark::Mark;
use crate::backend::fallback::journal::state::{Held, State};
use crate::backend::fallback::journal::{Journal, MAX_ROUNDS};
use crate::backend::fallback::pending::came_from;
use crate::backend::fallback::question::{All, Found, Named};
use crate::backend::{Backend, Candidates, Commit};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::lookup::{LookupKey, LookupKind};
use crate::operation::{Answer, Context, Source};
use crate::record::Record;
use crate::token::OAuthToken;

/// The entries of a journal over a store. For one operation: a read of the store first and its copy then; or a write, which is
/// decided by what the copy has, and becomes an entry.
pub(crate) struct Overlay {
    fallback: Arc<FallbackBackend>,
    journal: Arc<Journal>,
    /// The token of a save, and since when it was kept, where it was.
    token: Option<OAuthToken>,
    kept_since: Option<Timestamp>,
    is_read: bool,
    /// The record that the token came from, where nothing else is known of it.
    recalled: Option<Arc<Record>>,
    /// A read was answered by the entries alone, or a record was not shown that has more entries under another name: that something
    /// is not there says nothing.
    is_partial: AtomicBool,
    /// A write has met a state that no reader may have now.
    is_withheld: AtomicBool,
}

/// The token of a save, and since when it was kept.
type Save = (Option<OAuthToken>, Option<Timestamp>);

/// How often a read is made again because the journal was changed meanwhile.
const MAX_READS: usize = 4;

/// What the entries say of the store's records.
struct Said {
    /// The entries that clear everything.
    cleared: Vec<(Timestamp, Clearing)>,
    /// All states, as of one moment; `None`: each is asked for.
    states: Option<HashMap<RecordName, State>>,
}

impl Said {
    fn is_cleared(&self, record: &Record) -> bool {
        self.cleared.iter().any(|(at, clearing)| clearing.hides(record, *at))
    }
}

impl Overlay {
    /// For whoever reads.
    pub(crate) fn of_reader(fallback: &Arc<FallbackBackend>, journal: &Arc<Journal>) -> Self {
        Self::new(fallback, journal, (None, None), true)
    }

    /// For a write that the store is out of reach for: the save of a token (which may have been kept since then), or a deletion.
    pub(crate) fn of_writer(fallback: &Arc<FallbackBackend>, journal: &Arc<Journal>, save: Save) -> Self {
        Self::new(fallback, journal, save, false)
    }

    fn new(fallback: &Arc<FallbackBackend>, journal: &Arc<Journal>, (token, kept_since): Save, is_read: bool) -> Self {
        let recalled = token.as_ref().and_then(came_from).map(Arc::new);
        let (fallback, journal) = (Arc::clone(fallback), Arc::clone(journal));
        let (is_partial, is_withheld) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { fallback, journal, token, kept_since, is_read, recalled, is_partial, is_withheld }
    }

    /// Whether it says nothing that something was not found.
    pub(crate) fn is_partial(&self) -> bool {
        self.is_partial.load(Ordering::Relaxed)
    }

    /// Whether a write has met what no reader may have now.
    pub(crate) fn is_withheld(&self) -> bool {
        self.is_withheld.load(Ordering::Relaxed)
    }

    fn now(&self) -> Timestamp {
        self.fallback.options().clock.now()
    }

    /// Whether a reader may have this while the store is out of reach.
    fn may_serve(&self, held: &Held) -> bool {
        let (now, longest) = (self.now(), self.fallback.options().longest_age);
        !self.fallback.is_refused() && held.at <= now && now.since(held.at) <= longest
    }

    /// Whether this is shown to whoever asks. A write is decided by all of it, and notes what it may not tell of.
    fn is_shown(&self, held: &Held) -> bool {
        let may_serve = self.may_serve(held);
        if !self.is_read && !may_serve {
            self.is_withheld.store(true, Ordering::Relaxed);
        }
        may_serve || !self.is_read
    }

    /// What the entries say; all of it as of now, where `is_whole`.
    async fn said(&self, mark: &Mark, is_whole: bool) -> Result<Said> {
        let cleared = self.journal.clearings(mark).await?;
        if !is_whole {
            return Ok(Said { cleared, states: None });
        }
        let states = self.journal.states().await?.into_iter().map(|state| (state.name(), state)).collect();
        Ok(Said { cleared, states: Some(states) })
    }

    async fn state(&self, name: RecordName, said: &Said) -> Result<Option<State>> {
        match &said.states {
            Some(states) => Ok(states.get(&name).cloned()),
            None => self.journal.state(name).await,
        }
    }

    /// What is answered for a record of the store that these keys led to (`None`: its name); `None` where an entry has deleted it, or
    /// put another in its place.
    async fn over(&self, record: Arc<Record>, said: &Said, keys: Option<&[LookupKey]>) -> Result<Option<Arc<Record>>> {
        match self.state(record.name, said).await? {
            Some(State::Held(_)) => return Ok(None),
            Some(State::Deleted { lineage, .. }) if !record.lineage.is_newer_than(lineage) => return Ok(None),
            _ if said.is_cleared(&record) => return Ok(None),
            _ => {}
        }
        // It has become part of this one, and has more entries.
        for name in record.adopted.iter().copied() {
            let Some(state) = self.state(name, said).await? else { continue };
            if let State::Held(held) = state
                && keys.is_none_or(|keys| leads_elsewhere(keys, &record, &held.record))
            {
                self.is_partial.store(true, Ordering::Relaxed);
            }
            return Ok(None);
        }
        Ok(Some(record))
    }

    /// What is answered: asked for again where the journal was changed meanwhile. What was taken out of it then may be missing in what
    /// the store has answered before, and what was put there hides what the copy has.
    async fn undisturbed<T, F>(&self, ask: impl Fn() -> F + Send + Sync) -> Result<Answer<T>>
    where
        F: Future<Output = Result<Answer<T>>> + Send,
        T: Send,
    {
        for _ in 0..MAX_READS {
            let before = self.journal.mark().await?;
            let answer = ask().await?;
            if self.journal.mark().await?.is_same(&before) {
                return Ok(answer);
            }
        }
        self.is_partial.store(true, Ordering::Relaxed);
        ask().await
    }

    async fn find(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        let mark = self.journal.mark().await?;
        let state = self.journal.state(name).await?;
        let own = match &state {
            Some(State::Held(held)) => Some(held).filter(|held| self.is_shown(held)),
            _ => None,
        };
        if let Some(held) = own.filter(|_| !self.is_read || self.fallback.has_just_failed()) {
            return Ok(answer(Some(Arc::clone(&held.record))));
        }
        let under = if self.is_read {
            self.fallback.read(context, name).await
        } else {
            Ok(self.fallback.ask_copy(&Named(name)).await.unwrap_or_else(|| answer(None)))
        };
        match (under, &state) {
            (Err(error), _) if error.kind() == ErrorKind::Unavailable => match own {
                Some(held) => Ok(answer(Some(Arc::clone(&held.record)))),
                None => Err(error),
            },
            (Err(error), _) => Err(error),
            // It has answered itself: so the reader may see it, whenever it was acknowledged.
            (Ok(under), Some(State::Held(held))) if under.source == Source::Store || own.is_some() => {
                Ok(under.map(|_| Some(Arc::clone(&held.record))))
            }
            (Ok(_), Some(State::Held(_))) => Err(self.fallback.no_answer()),
            (Ok(under), _) => {
                let said = self.said(&mark, false).await?;
                let Answer { value, source, request_ids } = under;
                let value = match value {
                    Some(record) => self.over(record, &said, None).await?,
                    None if state.is_none() && said.cleared.is_empty() => self.recalled(context, name).await?,
                    None => None,
                };
                Ok(Answer { value, source, request_ids })
            }
        }
    }

    async fn recalled(&self, context: &Context, name: RecordName) -> Result<Option<Arc<Record>>> {
        let recalled = self.recalled.clone().filter(|record| record.name == name && !self.is_read);
        if recalled.is_none() || self.fallback.is_gone(name).await {
            return Ok(None);
        }
        // It may have become part of another, and that may be known.
        let id = name.to_id();
        let under = self.candidates(context, &[LookupKey::new(LookupKind::Id, &id)]).await?.value;
        Ok(recalled.filter(|_| !under.records.iter().any(|record| record.has_id(&id))))
    }

    /// The entries' records that these keys lead to.
    async fn own(&self, keys: &[LookupKey]) -> Result<Vec<Arc<Record>>> {
        let shown = |state| match state {
            State::Held(held) if self.is_shown(&held) => Some(held.record),
            _ => None,
        };
        Ok(self.journal.resolve(keys).await?.into_iter().filter_map(shown).collect())
    }

    async fn candidates(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        let mark = self.journal.mark().await?;
        let own = self.own(keys).await?;
        let is_away = !self.is_read || (self.fallback.has_just_failed() && !own.is_empty());
        let under = if is_away {
            self.fallback.ask_copy(&Found(keys)).await.ok_or_else(|| self.fallback.no_answer())
        } else {
            self.fallback.resolve(context, keys).await
        };
        let under = match under {
            Err(error) if error.kind() == ErrorKind::Unavailable && (!self.is_read || !own.is_empty()) => {
                self.is_partial.store(true, Ordering::Relaxed);
                answer(Candidates { by_key: vec![Vec::new(); keys.len()], records: Vec::new() })
            }
            under => under?,
        };
        let said = self.said(&mark, false).await?;
        let Answer { value: Candidates { mut by_key, records }, source, request_ids } = under;
        let mut kept = Vec::new();
        for record in records {
            let name = record.name;
            match self.over(record, &said, Some(keys)).await? {
                Some(record) => kept.push(record),
                None => by_key.iter_mut().for_each(|names| names.retain(|other| *other != name)),
            }
        }
        by_key.resize(keys.len(), Vec::new());
        for (names, key) in by_key.iter_mut().zip(keys) {
            names.extend(own.iter().filter(|record| record.lookup_keys().contains(key)).map(|record| record.name));
            names.sort_unstable();
            names.dedup();
        }
        kept.extend(own);
        Ok(Answer { value: Candidates { by_key, records: kept }, source, request_ids })
    }

    /// `under`, with what was said before it was asked for.
    async fn all(&self, under: Answer<Vec<Arc<Record>>>, said: &Said) -> Result<Answer<Vec<Arc<Record>>>> {
        let Answer { value, source, request_ids } = under;
        let mut records = Vec::new();
        for record in value {
            records.extend(self.over(record, said, Some(&[])).await?);
        }
        for state in said.states.iter().flat_map(HashMap::values) {
            match state {
                State::Held(held) if source == Source::Store || self.is_shown(held) => {
                    records.push(Arc::clone(&held.record));
                }
                State::Held(_) => return Err(self.fallback.no_answer()),
                State::Deleted { .. } => {}
            }
        }
        Ok(Answer { value: records, source, request_ids })
    }
}

/// Whether one of these keys leads to this record, and not to what was to become part of it.
fn leads_elsewhere(keys: &[LookupKey], record: &Record, part: &Record) -> bool {
    let (own, others) = (record.lookup_keys(), part.lookup_keys());
    keys.iter().any(|key| own.contains(key) && !others.contains(key))
}

fn answer<T>(value: T) -> Answer<T> {
    Answer { source: Source::Journal, ..Answer::of_store(value) }
}

impl fmt::Display for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fallback, f)
    }
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay").field("journal", &self.journal).finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for Overlay {
    async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        self.undisturbed(|| self.find(context, name)).await
    }

    async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        self.undisturbed(|| self.candidates(context, keys)).await
    }

    async fn commit(&self, _: &Context, commit: Commit) -> Result<Answer<()>> {
        // Before anything is looked at: what changes in the journal from here on is a conflict.
        let mark = self.journal.mark().await?;
        if !self.is_as_expected(&commit).await? {
            return Err(Error::conflict());
        }
        for change in &commit.changes {
            self.append(&mark, change).await?;
        }
        Ok(answer(()))
    }

    async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        // Before the store is asked: what is taken out of the journal meanwhile, its answer may not have.
        let said = self.said(&self.journal.mark().await?, true).await?;
        let under = self.fallback.list(context).await?;
        self.all(under, &said).await
    }

    async fn clear(&self, _: &Context) -> Result<Answer<usize>> {
        for _ in 0..MAX_ROUNDS {
            let mark = self.journal.mark().await?;
            if self.fallback.usable_as_of().await.is_none() {
                return Err(self.fallback.no_answer());
            }
            let under = self.fallback.ask_copy(&All).await.unwrap_or_else(|| answer(Vec::new()));
            let said = self.said(&mark, true).await?;
            let all = self.all(under, &said).await?.value;
            let seen: HashMap<_, _> = all.iter().map(|record| (record.name, record.lineage)).collect();
            let deed = Deed::Clear(Clearing { seen });
            let entry = Entry { number: mark.next, at: self.now(), aim: None, deed };
            let gone = said.states.iter().flat_map(HashMap::values).map(State::removal).collect();
            match self.journal.append(&mark, &entry, gone).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                done => return done.map(|()| answer(all.len())),
            }
        }
        Err(Error::new(ErrorKind::Busy, "others kept changing the journal").with_hint("try again in a moment"))
    }
}

pub(crate) mod appending;
