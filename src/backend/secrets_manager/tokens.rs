//! The secrets of the tokens: read, compared and swapped, buried.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::backend::secrets_manager::calls::{Asked, Bytes, Calls, First, Found, Value, Which, Written};
use crate::backend::secrets_manager::naming::Prefix;
use crate::backend::secrets_manager::value::{self, Body, Head, Writes};
use crate::backend::secrets_manager::version::VersionId;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::{RecordName, Version};
use crate::lookup::LookupKey;
use crate::record::Record;

/// An ordinary write leaves room for a tombstone and a lease: a secret has about a hundred versions, and none goes before
/// it is a day old (user guide, Quotas).
const MAX_WRITES: usize = 96;

/// How often a read is repeated that is older than what was seen.
const MAX_STALE: u32 = 6;

/// Somebody who puts an old version back in force is believed after this long; a stale read does not last so.
const SET_BACK: Duration = Duration::from_mins(1);

/// How often one version may be put back in force.
const MAX_SET_BACK: u32 = 8;

/// More than this is forgotten: it saves calls, and nothing rests on it.
const MAX_SEEN: usize = 1 << 16;

/// What was last seen of a token's secret. No text of the token is in it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) sequence: u64,
    id: VersionId,
    writes: Writes,
    /// The record's version and lookup keys; none of a tombstone.
    live: Option<(Version, Vec<LookupKey>)>,
}

impl Seen {
    /// Whether an entry for this key that was written for state `sequence` leads nowhere, and will not.
    pub(super) fn is_past(&self, key: LookupKey, sequence: u64) -> bool {
        self.live.as_ref().is_none_or(|(_, keys)| sequence <= self.sequence && !keys.contains(&key))
    }

    pub(super) fn keys(&self) -> &[LookupKey] {
        self.live.as_ref().map_or(&[], |(_, keys)| keys)
    }
}

/// What a token's secret says.
#[derive(Clone)]
pub(super) enum State {
    Live(Arc<Record>),
    /// A tombstone, or scheduled for deletion. The name never comes back.
    Dead,
    /// No secret: it is being made, or its making was broken off, or it was deleted long ago.
    Vacant,
}

/// The secrets of the tokens under one prefix.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) calls: Arc<Calls>,
    pub(super) prefix: Prefix,
    seen: Mutex<HashMap<RecordName, Seen>>,
    /// Versions that were met in force although later ones exist, and since when.
    set_back: Mutex<HashMap<RecordName, (VersionId, Timestamp)>>,
}

impl Tokens {
    pub(super) fn new(calls: Arc<Calls>, prefix: Prefix) -> Self {
        Self { calls, prefix, seen: Mutex::default(), set_back: Mutex::default() }
    }

    fn all_seen(&self) -> MutexGuard<'_, HashMap<RecordName, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this process has last seen of a name's secret.
    pub(super) fn seen(&self, name: RecordName) -> Option<Seen> {
        self.all_seen().get(&name).cloned()
    }

    fn note(&self, name: RecordName, seen: Seen) {
        let mut all = self.all_seen();
        if all.len() >= MAX_SEEN {
            all.clear();
        }
        all.insert(name, seen);
    }

    /// A secret that is scheduled for deletion tells no more than that.
    pub(super) fn note_dead(&self, name: RecordName) {
        let unread = Seen { sequence: 0, id: VersionId::told(""), writes: Writes::default(), live: None };
        let seen = self.seen(name).unwrap_or(unread);
        self.note(name, Seen { live: None, ..seen });
    }

    /// Reads one.
    pub(super) async fn read(&self, asked: &Asked<'_>, name: RecordName) -> Result<State> {
        let secret = self.prefix.record(name);
        for attempt in 0..=MAX_STALE {
            match self.calls.get(asked, &secret, Which::Current).await? {
                Found::Absent => return Ok(State::Vacant),
                Found::Doomed => {
                    self.note_dead(name);
                    return Ok(State::Dead);
                }
                Found::Value(value) => {
                    if let Some(state) = self.take(asked, name, &value).await? {
                        return Ok(state);
                    }
                }
            }
            self.calls.pace.back_off(attempt).await;
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "AWS answers with an older version of the token than it has given before",
        )
        .with_hint("try again; if it stays for more than a minute, somebody has put an old version back in force"))
    }

    /// What a value says; `None` where it is older than what was seen.
    pub(super) async fn take(&self, asked: &Asked<'_>, name: RecordName, value: &Value) -> Result<Option<State>> {
        let (head, body) =
            value::decode_record(name, &value.bytes).map_err(|error| error.with_store(&self.prefix.record(name)))?;
        if head.id != value.id {
            tracing::warn!(record = %name, version = %value.id, "a version of this token was not written by a vault");
        }
        let is_older = self.seen(name).is_some_and(|seen| seen.sequence > head.sequence);
        if is_older && !self.is_set_back(name, &value.id) {
            return Ok(None);
        }
        let Head { sequence, writes, .. } = head;
        let (live, state) = match body {
            Body::Record(record) => (Some((record.version, record.lookup_keys())), State::Live(Arc::new(record))),
            Body::Tombstone => (None, State::Dead),
        };
        let is_news = self.seen(name).is_none_or(|seen| seen.live.is_some());
        if live.is_none() && is_news {
            // Whoever wrote it may have been killed before the secret was scheduled for deletion.
            self.calls.delete(asked, &self.prefix.record(name)).await?;
        }
        self.note(name, Seen { sequence, id: value.id.clone(), writes, live });
        Ok(Some(state))
    }

    /// Whether this version has been in force for a while although a later one was seen.
    fn is_set_back(&self, name: RecordName, id: &VersionId) -> bool {
        let now = self.calls.pace.now();
        let mut all = self.set_back.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, since) = all.entry(name).or_insert_with(|| (id.clone(), now));
        if known != id {
            (*known, *since) = (id.clone(), now);
        }
        now.since(*since) >= SET_BACK
    }

    /// What is held of a record that must be at `expected`.
    ///
    /// # Errors
    /// `Conflict` where it is at another version, or gone.
    pub(super) async fn at(&self, asked: &Asked<'_>, name: RecordName, expected: Version) -> Result<Seen> {
        let is_expected = |seen: &Seen| seen.live.as_ref().is_some_and(|(version, _)| *version == expected);
        if let Some(seen) = self.seen(name).filter(is_expected) {
            return Ok(seen);
        }
        self.read(asked, name).await?;
        self.seen(name).filter(is_expected).ok_or_else(Error::conflict)
    }

    /// Makes a record's secret.
    ///
    /// # Errors
    /// `Conflict` where there is one under its name, or was.
    pub(super) async fn create(&self, asked: &Asked<'_>, record: &Record, kms_key_id: Option<&str>) -> Result<()> {
        let head = self.first_head()?;
        let bytes = value::encode_record(&head, record);
        let live = Some((record.version, record.lookup_keys()));
        self.create_with(asked, record.name, First { id: &head.id, bytes: &bytes, kms_key_id }).await?;
        self.note(record.name, Seen { sequence: head.sequence, id: head.id, writes: head.writes, live });
        Ok(())
    }

    /// Takes a name that has no secret, so that nobody makes one under it.
    ///
    /// # Errors
    /// `Conflict` where somebody has made one meanwhile.
    pub(super) async fn bar(&self, asked: &Asked<'_>, name: RecordName) -> Result<()> {
        let head = self.first_head()?;
        let bytes = value::encode_tombstone(&head, name, self.calls.pace.now());
        let key = self.calls.key.of_root();
        self.create_with(asked, name, First { id: &head.id, bytes: &bytes, kms_key_id: key.as_deref() }).await?;
        self.note(name, Seen { sequence: head.sequence, id: head.id, writes: head.writes, live: None });
        self.calls.delete(asked, &self.prefix.record(name)).await
    }

    fn first_head(&self) -> Result<Head> {
        let writes = Writes::default().and_now(self.calls.pace.now());
        Ok(Head { sequence: 1, id: VersionId::first()?, writes })
    }

    async fn create_with(&self, asked: &Asked<'_>, name: RecordName, first: First<'_>) -> Result<()> {
        let secret = self.prefix.record(name);
        let is_made = match self.calls.create(asked, &secret, first).await? {
            Written::Done | Written::Before => true,
            // Perhaps by an attempt of ours that no answer came to.
            Written::Refused => match self.calls.get(asked, &secret, Which::Exactly(first.id)).await? {
                Found::Value(_) => true,
                Found::Absent | Found::Doomed => false,
            },
            Written::Absent | Written::Doomed => false,
        };
        if is_made { Ok(()) } else { Err(Error::conflict()) }
    }

    /// Replaces the state `held` of a record's secret.
    ///
    /// # Errors
    /// `Conflict` where it is not the current one any more; `QuotaReached` where AWS would soon take no more versions.
    pub(super) async fn replace(&self, asked: &Asked<'_>, held: &Seen, record: &Record) -> Result<()> {
        if held.writes.count(self.calls.pace.now()) >= MAX_WRITES {
            return Err(Error::new(ErrorKind::QuotaReached, "the token was written 96 times within 24 hours")
                .with_hint(
                    "AWS keeps each version for a day and takes about a hundred; find out what saves it so often",
                ));
        }
        let live = Some((record.version, record.lookup_keys()));
        self.swap(asked, record.name, held, live, |head| value::encode_record(head, record)).await
    }

    /// Puts a tombstone in the place of the state `held`, and schedules the secret for deletion.
    ///
    /// # Errors
    /// `Conflict` where it is not the current one any more.
    pub(super) async fn bury(&self, asked: &Asked<'_>, name: RecordName, held: &Seen) -> Result<()> {
        let now = self.calls.pace.now();
        self.swap(asked, name, held, None, |head| value::encode_tombstone(head, name, now)).await?;
        self.calls.delete(asked, &self.prefix.record(name)).await
    }

    async fn swap(
        &self,
        asked: &Asked<'_>,
        name: RecordName,
        held: &Seen,
        live: Option<(Version, Vec<LookupKey>)>,
        encode: impl Fn(&Head) -> Bytes,
    ) -> Result<()> {
        let secret = self.prefix.record(name);
        for attempt in 0..MAX_SET_BACK {
            let writes = held.writes.and_now(self.calls.pace.now());
            let head = Head { sequence: held.sequence.saturating_add(1), id: held.id.next(attempt), writes };
            let is_current = match self.calls.put(asked, &secret, &head.id, &encode(&head)).await? {
                Written::Done => true,
                Written::Before => self.is_or_was_current(asked, &secret, &head).await?,
                Written::Refused if self.is_back_in_force(asked, name, held).await? => continue,
                Written::Refused | Written::Absent | Written::Doomed => false,
            };
            if is_current {
                self.note(name, Seen { sequence: head.sequence, id: head.id, writes: head.writes, live });
                return Ok(());
            }
            break;
        }
        self.forget(name, held);
        Err(Error::conflict())
    }

    /// Whether a version that was replaced once is the current one all the same, for long enough to be somebody's will.
    async fn is_back_in_force(&self, asked: &Asked<'_>, name: RecordName, held: &Seen) -> Result<bool> {
        self.calls.pace.back_off(0).await;
        let found = self.calls.get(asked, &self.prefix.record(name), Which::Current).await?;
        let is_held = matches!(found, Found::Value(value) if value.id == held.id);
        Ok(is_held && self.is_set_back(name, &held.id))
    }

    /// Whether what was written, at some attempt, is in force or has been: a repeated write succeeds also where another
    /// version is.
    async fn is_or_was_current(&self, asked: &Asked<'_>, secret: &str, head: &Head) -> Result<bool> {
        match self.calls.get(asked, secret, Which::Current).await? {
            Found::Value(value) => Ok(value.id.follows(&head.id, u64::MAX)),
            // A tombstone came after it; or before. What was deleted stays so, whoever else wrote.
            Found::Absent | Found::Doomed => Ok(false),
        }
    }

    /// Forgets what proved to be out of date, but not how far the secret has come.
    fn forget(&self, name: RecordName, held: &Seen) {
        let mut all = self.all_seen();
        if all.get(&name).is_some_and(|seen| seen.id == held.id) {
            all.remove(&name);
        }
    }
}
