//! The copy, and how it follows the store.
//!
//! Whatever goes into the copy was true after the moment of its mark. What is put in late must not undo what was taken out
//! meanwhile, by this process or another that has the same copy: hence the mark's version, and what it names as gone.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use crate::backend::audit_key::AuditKey;
use crate::backend::fallback::mark::Mark;
use crate::backend::{Backend, Candidates, Change, Commit};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::{RecordName, Version};
use crate::lookup::LookupKey;
use crate::operation::Context;
use crate::record::Record;
use crate::secret::SecretText;

/// How often a change of the copy is tried that others get ahead of.
const MAX_ROUNDS: usize = 64;

/// As many as are named as gone; with more the copy is not complete any more, and is begun anew.
const MAX_GONE: usize = 1000;

type ByName = HashMap<RecordName, Arc<Record>>;

#[derive(Debug)]
pub(super) struct KeptCopy {
    backend: Arc<dyn Backend>,
    /// The store's name, as its address has it.
    of: Arc<str>,
    /// What this process saw go, the last of it: the mark forgets it at the next completion, when somebody may still have a token of it.
    gone: Mutex<VecDeque<RecordName>>,
}

/// What was seen in the store.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) records: Vec<Arc<Record>>,
    pub(super) missing: Vec<RecordName>,
}

/// The copy as it was when a list of the store began.
#[derive(Debug)]
pub(super) struct Outset {
    at: Timestamp,
    mark: Mark,
    held: HashMap<RecordName, Version>,
}

impl KeptCopy {
    /// # Errors
    /// `InvalidInput` where `backend` has records and is no copy; else as it has them.
    pub(super) async fn open(backend: Arc<dyn Backend>, of: Arc<str>) -> Result<Self> {
        let copy = Self::as_it_is(backend, of);
        if copy.mark().await?.is_none() {
            copy.begin().await?;
        }
        Ok(copy)
    }

    /// Whatever `backend` is: it is not made a copy.
    pub(super) fn as_it_is(backend: Arc<dyn Backend>, of: Arc<str>) -> Self {
        Self { backend, of, gone: Mutex::default() }
    }

    /// Whether a record of this name was seen to be deleted, however old the copy is.
    pub(super) async fn is_gone(&self, name: RecordName) -> Result<bool> {
        Ok(self.gone().contains(&name) || self.own_mark().await?.is_some_and(|mark| mark.gone.contains(&name)))
    }

    fn gone(&self) -> MutexGuard<'_, VecDeque<RecordName>> {
        // Nothing panics while it is held.
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was taken out is gone; what was put in is not, or no longer.
    fn remember(&self, changes: &[Change]) {
        let mut gone = self.gone();
        for Change { name, value, .. } in changes {
            gone.retain(|other| other != name);
            if value.is_none() {
                gone.push_back(*name);
            }
        }
        let over = gone.len().saturating_sub(MAX_GONE);
        gone.drain(..over);
    }

    /// The mark; `None` where the copy was emptied.
    pub(super) async fn mark(&self) -> Result<Option<Mark>> {
        let record = self.backend.read(&Context::new(), Mark::NAME).await?.value;
        Ok(record.map(|record| Mark::read(&record)))
    }

    /// Whether the mark is of a copy of this very store that can answer at `now`, being no older than `longest`.
    pub(super) fn is_usable(&self, mark: &Mark, now: Timestamp, longest: std::time::Duration) -> bool {
        // One from the future is of a clock that was set back: its age is not known.
        mark.is_of(&self.of) && mark.as_of.is_some_and(|at| at <= now && now.since(at) <= longest)
    }

    pub(super) async fn read(&self, name: RecordName) -> Result<Option<Arc<Record>>> {
        let record = self.backend.read(&Context::new(), name).await?.value;
        Ok(record.filter(|record| record.name != Mark::NAME))
    }

    pub(super) async fn resolve(&self, keys: &[LookupKey]) -> Result<Candidates> {
        let mut found = self.backend.resolve(&Context::new(), keys).await?.value;
        found.records.retain(|record| record.name != Mark::NAME);
        found.by_key.iter_mut().for_each(|names| names.retain(|name| *name != Mark::NAME));
        Ok(found)
    }

    pub(super) async fn list(&self) -> Result<Vec<Arc<Record>>> {
        let mut records = self.backend.list(&Context::new()).await?.value;
        records.retain(|record| record.name != Mark::NAME);
        Ok(records)
    }

    /// Empties the copy: it answers nothing before it was completed again.
    pub(super) async fn empty(&self) -> Result<()> {
        self.backend.clear(&Context::new()).await.map(drop)
    }

    /// Takes over what was written to the store, by a commit that began when the mark was `before`.
    pub(super) async fn write(&self, changes: &[Change], before: Option<&Mark>) -> Result<()> {
        self.remember(changes);
        for _ in 0..MAX_ROUNDS {
            // Without a mark there is nothing in the copy that could be an older state.
            let Some(mut mark) = self.own_mark().await? else { return Ok(()) };
            let is_as_before = before.is_some_and(|before| mark.is_no_later_than(before));
            let mut edits = Vec::new();
            for Change { name, value, .. } in changes {
                let held = self.read(*name).await?;
                match (value, held) {
                    (Some(_), None) if mark.gone.contains(name) => {}
                    // It may have been deleted since, and be forgotten as such.
                    (Some(_), None) if !is_as_before => return self.empty().await,
                    (Some(record), held) => edits.extend(newer(record, held.as_deref())),
                    (None, held) => {
                        edits.extend(held.map(|held| removal(&held)));
                        mark.gone.push(*name);
                    }
                }
            }
            if mark.gone.len() > MAX_GONE {
                return self.empty().await;
            }
            if self.change(edits, &mark).await? {
                return Ok(());
            }
        }
        Err(overtaken())
    }

    /// Takes over what a read of the store showed that began when the mark was `before`. A record that the copy has not
    /// may have been deleted since, so it is taken over only where nothing else was.
    pub(super) async fn note(&self, seen: &Seen, before: &Mark) -> Result<()> {
        // It may have been brought back by somebody else.
        self.gone().retain(|name| !seen.records.iter().any(|record| record.name == *name));
        for _ in 0..MAX_ROUNDS {
            let Some(mut mark) = self.own_mark().await? else { return Ok(()) };
            let may_insert = mark.version == before.version;
            let mut edits = Vec::new();
            for record in seen.records.iter().filter(|record| !mark.gone.contains(&record.name)) {
                let held = self.read(record.name).await?;
                edits.extend(newer(record, held.as_deref()).filter(|_| held.is_some() || may_insert));
            }
            for name in &seen.missing {
                if let Some(held) = self.read(*name).await? {
                    edits.push(removal(&held));
                    mark.gone.push(*name);
                }
            }
            if edits.is_empty() || self.change(edits, &mark).await? {
                return Ok(());
            }
        }
        Err(overtaken())
    }

    /// The key of the store's audit trail, where the copy has it.
    pub(super) async fn audit_key(&self) -> Result<Option<AuditKey>> {
        let Some(text) = self.own_mark().await?.and_then(|mark| mark.audit_key) else { return Ok(None) };
        let mut key = Zeroizing::new([0; AuditKey::LEN]);
        let is_read = HEXLOWER.decode_mut(text.expose().as_bytes(), key.as_mut_slice()) == Ok(AuditKey::LEN);
        Ok(is_read.then(|| AuditKey::new(&key)))
    }

    /// Takes it over.
    pub(super) async fn keep_audit_key(&self, key: &AuditKey) -> Result<()> {
        let text = SecretText::new(&Zeroizing::new(HEXLOWER.encode(key.expose())));
        for _ in 0..MAX_ROUNDS {
            let Some(mark) = self.own_mark().await? else { return Ok(()) };
            if self.change(Vec::new(), &Mark { audit_key: Some(text.clone()), ..mark }).await? {
                return Ok(());
            }
        }
        Err(overtaken())
    }

    /// The mark, where it is of this store's copy.
    async fn own_mark(&self) -> Result<Option<Mark>> {
        Ok(self.mark().await?.filter(|mark| mark.is_of(&self.of)))
    }

    /// To be called before the store is listed, for [`complete`](Self::complete).
    pub(super) async fn outset(&self, at: Timestamp) -> Result<Outset> {
        let mark = match self.mark().await? {
            Some(mark) => mark,
            None => self.begin().await?,
        };
        let held = self.list().await?.iter().map(|record| (record.name, record.version)).collect();
        Ok(Outset { at, mark, held })
    }

    /// Makes the copy what a list of the store has shown that began at `outset`. Answers whether it did: not, where the copy
    /// was begun anew meanwhile, or completed by somebody else.
    pub(super) async fn complete(&self, outset: &Outset, listed: &[Arc<Record>]) -> Result<bool> {
        let listed: ByName = listed.iter().map(|record| (record.name, Arc::clone(record))).collect();
        for _ in 0..MAX_ROUNDS {
            let Some(mark) = self.mark().await? else { return Ok(false) };
            if !mark.is_no_later_than(&outset.mark) {
                return Ok(false);
            }
            let held: ByName = self.list().await?.into_iter().map(|record| (record.name, record)).collect();
            let is_gone = |record: &&Arc<Record>| mark.gone.contains(&record.name);
            let mut changes: Vec<Change> = listed
                .values()
                .filter(|record| !is_gone(record))
                .filter_map(|record| match held.get(&record.name) {
                    // Whatever it is: the list began later than that.
                    Some(held) if outset.held.get(&record.name) == Some(&held.version) => instead(record, held),
                    held => newer(record, held.map(|held| &**held)),
                })
                .collect();
            // What came or was changed since the list began may have been too late for it.
            let is_over = |record: &&Arc<Record>| {
                !listed.contains_key(&record.name) && outset.held.get(&record.name) == Some(&record.version)
            };
            let removed = held.values().filter(is_over);
            changes.extend(removed.map(|old| removal(old)));
            let since = mark.gone.iter().filter(|name| !outset.mark.gone.contains(name));
            let whole =
                Mark { as_of: Some(outset.at), of: Arc::clone(&self.of), gone: since.copied().collect(), ..mark };
            if self.change(changes, &whole).await? {
                return Ok(true);
            }
        }
        Err(overtaken())
    }

    /// Makes these changes, if the mark is still what `mark` came from. Answers whether it was.
    async fn change(&self, mut changes: Vec<Change>, mark: &Mark) -> Result<bool> {
        let made = changes.clone();
        changes.push(mark.replacing(Some(mark.version))?);
        match self.backend.commit(&Context::new(), Commit { changes, claims: Vec::new() }).await {
            Ok(_) => {
                self.remember(&made);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Marks what is empty as a copy.
    async fn begin(&self) -> Result<Mark> {
        if !self.list().await?.is_empty() && self.mark().await?.is_none() {
            return Err(no_copy(&self.backend));
        }
        let mark = Mark::first(&self.of)?;
        let commit = Commit { changes: vec![mark.replacing(None)?], claims: Vec::new() };
        match self.backend.commit(&Context::new(), commit).await {
            Err(error) if error.kind() == ErrorKind::Conflict => self.mark().await?.ok_or_else(overtaken),
            done => done.map(|_| mark),
        }
    }
}

fn removal(held: &Record) -> Change {
    Change { name: held.name, expected: Some(held.version), value: None }
}

/// What puts `record` in the place of the state that is held, where that is another one.
fn instead(record: &Arc<Record>, held: &Record) -> Option<Change> {
    let change = Change { name: record.name, expected: Some(held.version), value: Some(Arc::clone(record)) };
    (held.version != record.version).then_some(change)
}

/// What puts `record` into the copy, where that holds none or an older state.
fn newer(record: &Arc<Record>, held: Option<&Record>) -> Option<Change> {
    match held {
        None => Some(Change { name: record.name, expected: None, value: Some(Arc::clone(record)) }),
        Some(held) => instead(record, held).filter(|_| held.version.sequence <= record.version.sequence),
    }
}

/// What is named as the copy is none.
pub(super) fn no_copy(backend: &Arc<dyn Backend>) -> Error {
    Error::invalid("what is named to fall back on holds tokens of its own, and is no copy")
        .with_hint("name a vault file that is used for nothing else")
        .with_store(backend)
}

fn overtaken() -> Error {
    Error::new(ErrorKind::Busy, "others kept changing the copy").with_hint("try again in a moment")
}
