//! Writes that were acknowledged while the store was out of reach, kept until the store has them.
//!
//! The journal is a backend of its own: an encrypted file, on a path that outlives the process. It holds the writes in their
//! order, the states that they made of their records (for whoever reads meanwhile), and the values that did not stand when
//! the writes were played back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::fallback::journal::entry::{Aim, Clearing, Deed, Entry};
use crate::backend::fallback::journal::lost::Lost;
use crate::backend::fallback::journal::mark::Mark;
use crate::backend::fallback::journal::part::Part;
use crate::backend::fallback::journal::state::State;
use crate::backend::{Backend, Change, Commit};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::lookup::LookupKey;
use crate::operation::Context;
use crate::record::Record;

mod edit;
pub(crate) mod entry;
#[cfg(feature = "file")]
pub mod lock_file;
pub mod lost;
mod mark;
pub(crate) mod overlay;
mod part;
pub mod player;
pub(crate) mod state;

/// How often a change of the journal is tried that others get ahead of.
const MAX_ROUNDS: usize = 64;

/// As many writes as a journal takes.
pub(crate) const MAX_ENTRIES: u64 = 10_000;

/// How long a value is kept that did not stand.
pub const LOST_KEPT: Duration = Duration::from_hours(30 * 24);

/// The journal of a store.
pub struct Journal {
    backend: Arc<dyn Backend>,
    of: Arc<str>,
    room: Option<HasRoom>,
}

type HasRoom = Box<dyn Fn(usize) -> Result<()> + Send + Sync>;

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalStatus {
    /// Writes that the store does not have yet.
    pub entries: u64,
    /// When the oldest of them was acknowledged.
    pub oldest: Option<Timestamp>,
    /// Why they stay, where that does not pass by itself.
    pub blocked: Option<String>,
    /// Values that did not stand, of the last 30 days.
    pub conflicts: usize,
}

impl Journal {
    /// The journal in `backend`, for the store that `of` names, as an address that no other store has. Made where there is
    /// nothing.
    ///
    /// # Errors
    /// `InvalidInput` where `backend` holds anything else, or the journal of another store; else as it has them.
    pub async fn open(backend: Arc<dyn Backend>, of: &str) -> Result<Self> {
        let journal = Self { backend, of: Arc::from(of), room: None };
        if journal.own_mark().await?.is_none() {
            journal.begin().await?;
        }
        let of = journal.mark().await?.of;
        if of != journal.of {
            return Err(Error::invalid("the journal is of another store, and may hold writes for that one")
                .with_hint("give each store a journal of its own")
                .with_store(&journal));
        }
        Ok(journal)
    }

    /// The same, where `has_room` tells whether so many bytes can be written now beside what is there: asked before a token is refreshed that
    /// only the journal could take.
    #[must_use]
    pub fn with_room(self, has_room: impl Fn(usize) -> Result<()> + Send + Sync + 'static) -> Self {
        Self { room: Some(Box::new(has_room)), ..self }
    }

    /// What the journal in `backend` holds; `None` where there is nothing yet. Changes nothing.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub async fn look(backend: Arc<dyn Backend>, of: &str) -> Result<Option<JournalStatus>> {
        if backend.list(&Context::new()).await?.value.is_empty() {
            return Ok(None);
        }
        // What is there already is opened without a change.
        Self::open(backend, of).await?.status().await.map(Some)
    }

    async fn begin(&self) -> Result<()> {
        if !self.all().await?.is_empty() && self.own_mark().await?.is_none() {
            return Err(Error::invalid("what is named as the journal holds tokens of its own, and is no journal")
                .with_hint("name a file that is used for nothing else")
                .with_store(self));
        }
        let commit = Commit { changes: vec![Mark::first(&self.of).change()?], claims: Vec::new() };
        match self.backend.commit(&Context::new(), commit).await {
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
            _ => Ok(()),
        }
    }

    async fn own_mark(&self) -> Result<Option<Mark>> {
        Ok(self.read(Part::Mark.name(0)).await?.and_then(|record| Mark::read(&record)))
    }

    /// What the journal says of itself.
    ///
    /// # Errors
    /// As the journal's backend has them; `Damaged` where it was emptied by somebody else.
    pub(crate) async fn mark(&self) -> Result<Mark> {
        self.own_mark().await?.ok_or_else(|| {
            Error::damaged("the journal was emptied, and is one no more")
                .with_hint("start the process again")
                .with_store(self)
        })
    }

    async fn read(&self, name: RecordName) -> Result<Option<Arc<Record>>> {
        Ok(self.backend.read(&Context::new(), name).await?.value)
    }

    async fn all(&self) -> Result<Vec<Arc<Record>>> {
        Ok(self.backend.list(&Context::new()).await?.value)
    }

    /// The first entry with this number or a higher one.
    ///
    /// # Errors
    /// As the journal's backend has them.
    pub(crate) async fn entry_from(&self, mark: &Mark, number: u64) -> Result<Option<Entry>> {
        for number in number.max(mark.first)..mark.next {
            if let Some(entry) = self.entry(number).await? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    async fn entry(&self, number: u64) -> Result<Option<Entry>> {
        let Some(entry) = self.read(Part::Entry.name(number)).await? else { return Ok(None) };
        let seen = self.read(Part::Seen.name(number)).await?;
        let handed_out = self.read(Part::HandedOut.name(number)).await?;
        let aim = self.read(Part::Aim.name(number)).await?;
        let newer = || {
            Error::new(ErrorKind::Unsupported, "the journal was written by a newer version of tokenvault")
                .with_hint("use that version, or a later one")
                .with_store(self)
        };
        let read = Entry::read(number, &entry, seen.as_deref(), handed_out.as_deref()).ok_or_else(newer)?;
        let aim = aim.map(|aim| Aim::read(&aim).ok_or_else(newer)).transpose()?;
        Ok(Some(Entry { aim, ..read }))
    }

    /// The entries that clear everything, and when each was acknowledged.
    ///
    /// # Errors
    /// As the journal's backend has them.
    pub(crate) async fn clearings(&self, mark: &Mark) -> Result<Vec<(Timestamp, Clearing)>> {
        let mut all = Vec::new();
        for number in &mark.clears {
            if let Some(Entry { at, deed: Deed::Clear(clearing), .. }) = self.entry(*number).await? {
                all.push((at, clearing));
            }
        }
        Ok(all)
    }

    /// What the entries make of a record; `None` where they say nothing of it.
    ///
    /// # Errors
    /// As the journal's backend has them.
    pub(crate) async fn state(&self, name: RecordName) -> Result<Option<State>> {
        if part::is_own(name) {
            return Ok(None);
        }
        Ok(self.read(name).await?.and_then(|record| State::read(&record)))
    }

    /// The states of the records that these lookup keys lead to.
    ///
    /// # Errors
    /// As the journal's backend has them.
    pub(crate) async fn resolve(&self, keys: &[LookupKey]) -> Result<Vec<State>> {
        let found = self.backend.resolve(&Context::new(), keys).await?.value.records;
        Ok(states(&found))
    }

    /// Every state.
    ///
    /// # Errors
    /// As the journal's backend has them.
    pub(crate) async fn states(&self) -> Result<Vec<State>> {
        Ok(states(&self.all().await?))
    }

    /// Takes an entry, and the states that it makes, if the journal is still as `mark` says.
    ///
    /// # Errors
    /// `Conflict` where it is not; `Unavailable` where it holds as many entries as it takes; else as its backend has them.
    pub(super) async fn append(&self, mark: &Mark, entry: &Entry, states: Vec<Change>) -> Result<()> {
        self.check_room(mark)?;
        let mut mark = mark.clone();
        (mark.next, mark.count) = (mark.next + 1, mark.count + 1);
        if matches!(entry.deed, Deed::Clear(_)) {
            mark.clears.push(entry.number);
        }
        let put = |record: Record| Change { name: record.name, expected: None, value: Some(Arc::new(record)) };
        let mut changes: Vec<Change> = entry.records()?.into_iter().map(put).collect();
        changes.extend(states);
        self.change(changes, &mark).await
    }

    fn check_room(&self, mark: &Mark) -> Result<()> {
        if mark.count < MAX_ENTRIES {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unavailable, "the journal holds as many writes as it takes")
            .with_hint("try again when the store is in reach")
            .with_store(self))
    }

    async fn change(&self, mut changes: Vec<Change>, mark: &Mark) -> Result<()> {
        changes.push(mark.change()?);
        self.backend.commit(&Context::new(), Commit { changes, claims: Vec::new() }).await.map(drop)
    }

    /// The values that did not stand, in the order in which they were acknowledged.
    ///
    /// # Errors
    /// As the journal's backend has them.
    pub async fn lost(&self) -> Result<Vec<Lost>> {
        let records = self.all().await?;
        let mut lost: Vec<(u64, Lost)> = records.iter().filter_map(|record| Lost::read(record)).collect();
        lost.sort_unstable_by_key(|(number, _)| *number);
        Ok(lost.into_iter().map(|(_, lost)| lost).collect())
    }

    /// What the journal holds.
    ///
    /// # Errors
    /// As the journal's backend has them.
    pub async fn status(&self) -> Result<JournalStatus> {
        let mark = self.mark().await?;
        let oldest = self.entry_from(&mark, 0).await?.map(|entry| entry.at);
        let blocked = mark.blocked.as_deref().map(str::to_owned);
        Ok(JournalStatus { entries: mark.count, oldest, blocked, conflicts: self.lost().await?.len() })
    }
}

fn states(records: &[Arc<Record>]) -> Vec<State> {
    records.iter().filter(|record| !part::is_own(record.name)).filter_map(|record| State::read(record)).collect()
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.backend, f)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("backend", &self.backend).finish_non_exhaustive()
    }
}
