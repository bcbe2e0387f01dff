//! The secrets of the tokens: read, compared and swapped, buried.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::secrets_manager::calls::{Asked, Bytes, Calls, First, Found, Value, Which, Written};
use crate::backend::secrets_manager::known::{AllKnown, ByHand, Seen};
use crate::backend::secrets_manager::naming::Prefix;
use crate::backend::secrets_manager::pace::MAX_STALE;
use crate::backend::secrets_manager::page::Entry;
use crate::backend::secrets_manager::value::{self, Body, Head, Writes};
use crate::backend::secrets_manager::value::{MAX_WRITES, MAX_WRITES_BEFORE_LEASE, MAX_WRITES_UNDER_LEASE};
use crate::backend::secrets_manager::version::VersionId;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::{RecordName, Version, random_bytes};
use crate::lookup::LookupKey;
use crate::record::Record;

/// A tombstone older than this is finished by whoever meets it.
const LEFT_ALONE: Duration = Duration::from_mins(5);

/// How often a secret is read at most before somebody else's turn.
const MAX_READS: u32 = 64;

/// How often a read is repeated that shows a version which was met in force before, and is not believed yet.
const MAX_SUSPECT: u32 = 1;

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
    pub(super) known: AllKnown,
}

/// What a value came to.
pub(super) enum Taken {
    State(State),
    /// Older than what was seen.
    Older,
    /// Not of our making, and met for the first time.
    Strange,
}

impl Tokens {
    pub(super) fn new(calls: Arc<Calls>, prefix: Prefix) -> Self {
        Self { calls, prefix, known: AllKnown::default() }
    }

    /// What this process has last seen of a name's secret.
    pub(super) fn seen(&self, name: RecordName) -> Option<Seen> {
        self.known.seen(name)
    }

    /// Whether an entry is known to lead nowhere, and never will.
    pub(super) fn is_past(&self, entry: &Entry) -> bool {
        self.known.is_past(entry)
    }

    /// Reads one.
    ///
    /// # Errors
    /// `Unavailable` for as long as an old version is in force that nobody can be sure of.
    pub(super) async fn read(&self, asked: &Asked<'_>, name: RecordName) -> Result<State> {
        let (secret, mut attempt) = (self.prefix.record(name), 0);
        // What others of this process see meanwhile need not show here: a read may be as old as its beginning.
        let least = self.known.at_least(name);
        for _ in 0..MAX_READS {
            match self.calls.get(asked, &secret, Which::Current).await? {
                // What was there before is missed by a read that comes late.
                Found::Absent if least > 0 && attempt < MAX_STALE => {}
                Found::Absent => return Ok(State::Vacant),
                Found::Doomed => {
                    self.known.note_dead(name, self.calls.pace.now());
                    return Ok(State::Dead);
                }
                Found::Value(value) => match self.take(asked, name, &value, least).await? {
                    Taken::State(state) => return Ok(state),
                    Taken::Older => {
                        let is_suspected = self.known.suspicion(name, &value.id).is_some();
                        if attempt >= if is_suspected { MAX_SUSPECT } else { MAX_STALE } {
                            if let Some(state) = self.believe(asked, name, &value).await? {
                                return Ok(state);
                            }
                            attempt = 0;
                        }
                    }
                    Taken::Strange => {}
                },
            }
            self.calls.pace.catch_up(attempt).await;
            attempt += 1;
        }
        Err(undecided())
    }

    /// What a value says, and notes it, unless it is older than `least`, which was seen before.
    pub(super) async fn take(&self, asked: &Asked<'_>, name: RecordName, value: &Value, least: u64) -> Result<Taken> {
        let decoded = value::decode_record(name, &value.bytes);
        let is_ours = decoded.as_ref().is_ok_and(|(head, _)| head.id == value.id);
        if !is_ours && self.known.is_news(name, &value.id) {
            tracing::warn!(record = %name, version = %value.id, "a version of this token was not written by a vault");
            return Ok(Taken::Strange);
        }
        let (head, body) = decoded.map_err(|error| error.with_store(&self.prefix.record(name)))?;
        self.known.clear_of(name, &value.id);
        if head.sequence < least {
            return Ok(Taken::Older);
        }
        let by_hand = match self.seen(name).filter(|seen| seen.id == value.id) {
            Some(seen) => seen.by_hand,
            None if is_ours => None,
            None => {
                let beyond = self.before(asked, name).await?.max(self.known.at_least(name));
                Some(ByHand { attempt: 0, beyond })
            }
        };
        if let Body::Tombstone(since) = &body {
            // Whoever wrote it may have been killed before the secret was scheduled for deletion. A young one is left to
            // them: where an answer was lost, they tell by the secret that the tombstone is theirs.
            let is_news = self.seen(name).is_none_or(|seen| seen.live.is_some());
            if is_news && self.calls.pace.now().since(*since) >= LEFT_ALONE {
                self.calls.delete(asked, &self.prefix.record(name)).await?;
            }
        }
        let (live, state) = parts(body);
        let Head { sequence, writes, .. } = head;
        let (id, noted) = (value.id.clone(), self.calls.pace.now());
        self.known.note(name, Seen { sequence, id, writes, live, by_hand, noted });
        Ok(Taken::State(state))
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
        self.note(record.name, head, live);
        Ok(())
    }

    /// Takes a name that has no secret, so that nobody makes one under it.
    ///
    /// # Errors
    /// `Conflict` where somebody has made one meanwhile.
    pub(super) async fn bar(&self, asked: &Asked<'_>, name: RecordName) -> Result<()> {
        let head = Head { id: VersionId::of_taken(name), ..self.first_head()? };
        let bytes = value::encode_tombstone(&head, name, self.calls.pace.now(), random_bytes()?);
        let key = self.calls.key.of_root();
        self.create_with(asked, name, First { id: &head.id, bytes: &bytes, kms_key_id: key.as_deref() }).await?;
        self.note(name, head, None);
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
        let (is_for_lease, is_under_lease) = (record.lease.is_some(), asked.is_under_lease());
        let bound = match (is_under_lease, is_for_lease) {
            (true, _) => MAX_WRITES_UNDER_LEASE,
            (false, true) => MAX_WRITES_BEFORE_LEASE,
            (false, false) => MAX_WRITES,
        };
        let count = held.writes.count(self.calls.pace.now());
        if count >= bound {
            return Err(written_too_often(count));
        }
        let live = Some((record.version, record.lookup_keys()));
        self.swap(asked, record.name, held, live, |head| value::encode_record(head, record)).await
    }

    /// Whether the record may be written once more, as far as is known here, and some times after that.
    pub(super) fn check_room(&self, name: RecordName) -> Result<()> {
        let count = self.known.seen(name).map_or(0, |seen| seen.writes.count(self.calls.pace.now()));
        // A lease that is not written takes no room.
        if count <= MAX_WRITES_BEFORE_LEASE {
            return Ok(());
        }
        Err(written_too_often(count).with_hint(
            "AWS keeps each version for a day and takes about a hundred: access tokens have to live for 20 minutes at least; keep \
             those that live shorter in a file",
        ))
    }

    /// Puts a tombstone in the place of the state `held`, and schedules the secret for deletion.
    ///
    /// # Errors
    /// `Conflict` where it is not the current one any more.
    pub(super) async fn bury(&self, asked: &Asked<'_>, name: RecordName, held: &Seen) -> Result<()> {
        let (now, nonce) = (self.calls.pace.now(), random_bytes()?);
        self.swap(asked, name, held, None, |head| value::encode_tombstone(head, name, now, nonce)).await?;
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
        let writes = held.writes.and_now(self.calls.pace.now());
        let head = Head { sequence: held.next_sequence(), id: held.next_id(), writes };
        let is_current = match self.calls.put(asked, &secret, &head.id, &encode(&head)).await? {
            Written::Done => true,
            Written::Before => self.is_or_was_current(asked, &secret, name, &head).await?,
            Written::Refused | Written::Absent | Written::Doomed => false,
        };
        if !is_current {
            self.known.note_overtaken(name, held);
            return Err(Error::conflict());
        }
        self.note(name, head, live);
        Ok(())
    }

    /// Whether what was written, at some attempt, is in force or has been: a repeated write succeeds also where another
    /// version is.
    async fn is_or_was_current(&self, asked: &Asked<'_>, secret: &str, name: RecordName, head: &Head) -> Result<bool> {
        for attempt in 0..=MAX_STALE {
            let value = match self.calls.get(asked, secret, Which::Current).await? {
                Found::Value(value) => value,
                // A tombstone came after it. What was deleted stays so, whoever else wrote.
                Found::Doomed => return Ok(false),
                Found::Absent => {
                    self.calls.pace.catch_up(attempt).await;
                    continue;
                }
            };
            if value.id.follows(&head.id, u64::MAX) {
                return Ok(true);
            }
            let told = value::decode_record(name, &value.bytes);
            if !told.is_ok_and(|(told, _)| told.sequence < head.sequence) {
                return Ok(false);
            }
            // A read from before.
            self.calls.pace.catch_up(attempt).await;
        }
        Err(Error::new(ErrorKind::Unavailable, "AWS took the token, and answers with an older version of it")
            .with_hint("read it, and save it again if it is not there"))
    }

    fn note(&self, name: RecordName, head: Head, live: Option<(Version, Vec<LookupKey>)>) {
        let Head { sequence, id, writes } = head;
        let noted = self.calls.pace.now();
        self.known.note(name, Seen { sequence, id, writes, live, by_hand: None, noted });
    }
}

/// The record's version and keys, if it is one, and what it means.
pub(super) fn parts(body: Body) -> (Option<(Version, Vec<LookupKey>)>, State) {
    match body {
        Body::Record(record) => (Some((record.version, record.lookup_keys())), State::Live(record)),
        Body::Tombstone(_) => (None, State::Dead),
    }
}

fn written_too_often(count: usize) -> Error {
    Error::new(ErrorKind::QuotaReached, format!("the token was written {count} times within 24 hours"))
        .with_hint(
            "AWS keeps each version for a day and takes about a hundred, and a refresh is two writes: find out what saves it so \
             often, and whether the token lives for 40 minutes at least",
        )
}

pub(super) fn undecided() -> Error {
    Error::new(ErrorKind::Unavailable, "AWS answers with an older version of the token than it has given before")
        .with_hint("try again in a minute; if somebody has put that version back in force, it counts from then on")
}
