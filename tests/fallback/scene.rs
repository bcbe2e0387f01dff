//! A vault over a store with a copy, both of which do as they are told; and the store itself, as another process has it.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::backend::fallback::FallbackBackend;
use tokenvault::backend::fallback::options::FallbackOptions;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::backend::{Backend, Change, Commit};
use tokenvault::clock::Timestamp;
use tokenvault::error::{Error, ErrorKind};
use tokenvault::fields::{Field, Fields};
use tokenvault::identity::{Lineage, RecordName, Version};
use tokenvault::lookup::{LookupKey, LookupKind};
use tokenvault::operation::{Context, Source};
use tokenvault::record::{Record, Writer};
use tokenvault::secret::SecretText;

use crate::going::now;
use crate::hourglass::Hourglass;
use crate::scripted::{Fate, Scripted};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);
pub(crate) const AWAY: Fate = Fate::Fails(ErrorKind::Unavailable);

pub(crate) struct Scene {
    pub(crate) time: Arc<Hourglass>,
    pub(crate) store: Arc<Scripted>,
    pub(crate) copy: Arc<Scripted>,
    pub(crate) fallback: Arc<FallbackBackend>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::over(Arc::new(MemoryBackend::new()))
    }

    pub(crate) fn over(store: Arc<dyn Backend>) -> Self {
        let time = Arc::new(Hourglass::new());
        let scripted = |inner| Arc::new(Scripted::new(inner, Arc::clone(&time)));
        let (store, copy) = (scripted(store), scripted(Arc::new(MemoryBackend::new()) as _));
        let fallback = opened(&time, &store, &copy, "the store").unwrap();
        Self { time, store, copy, fallback }
    }

    /// The same store and copy, as another process has them.
    pub(crate) fn another(&self) -> Self {
        let fallback = opened(&self.time, &self.store, &self.copy, "the store").unwrap();
        Self { time: Arc::clone(&self.time), store: Arc::clone(&self.store), copy: Arc::clone(&self.copy), fallback }
    }

    /// A store with this token, and a copy of it.
    pub(crate) fn with(record: &Arc<Record>) -> Self {
        let scene = Self::new();
        scene.written_elsewhere(None, Some(record));
        assert_eq!(scene.read(record.name).unwrap(), (Some(record.version), Source::Store));
        scene
    }

    pub(crate) fn is_away(&self) {
        self.store.otherwise(AWAY);
    }

    pub(crate) fn is_back(&self) {
        self.store.otherwise(Fate::Done);
    }

    /// A write by somebody who knows of no copy.
    pub(crate) fn written_elsewhere(&self, old: Option<&Record>, new: Option<&Arc<Record>>) {
        now(self.store.inner.commit(&Context::new(), commit(old, new))).unwrap();
    }

    pub(crate) fn write(&self, old: Option<&Record>, new: Option<&Arc<Record>>) -> Result<(), Error> {
        now(self.fallback.commit(&Context::new(), commit(old, new))).map(drop)
    }

    /// The version of the record with this name, and where the answer came from.
    pub(crate) fn read(&self, name: RecordName) -> Result<(Option<Version>, Source), Error> {
        let answer = now(self.fallback.read(&reader(), name))?;
        Ok((answer.value.map(|record| record.version), answer.source))
    }

    /// The versions of this user's records, and where the answer came from.
    pub(crate) fn find(&self, user: &str) -> Result<(Vec<Version>, Source), Error> {
        let answer = now(self.fallback.resolve(&reader(), &[key(user)]))?;
        Ok((answer.value.records.iter().map(|record| record.version).collect(), answer.source))
    }

    pub(crate) fn list(&self) -> Result<(Vec<Version>, Source), Error> {
        let answer = now(self.fallback.list(&reader()))?;
        let mut versions: Vec<Version> = answer.value.iter().map(|record| record.version).collect();
        versions.sort_unstable();
        Ok((versions, answer.source))
    }
}

pub(crate) fn opened(
    time: &Arc<Hourglass>,
    store: &Arc<Scripted>,
    copy: &Arc<Scripted>,
    of: &str,
) -> Result<Arc<FallbackBackend>, Error> {
    let mut options = FallbackOptions::default();
    assert_eq!(options.longest_age, LONGEST, "as the documents say");
    (options.clock, options.pause) = (Arc::clone(time) as _, Arc::clone(time) as _);
    now(FallbackBackend::new(Arc::clone(store) as _, Arc::clone(copy) as _, of, options)).map(Arc::new)
}

/// Whoever takes an answer of the copy.
pub(crate) fn reader() -> Context {
    Context::new().accepting_copy()
}

pub(crate) fn key(user: &str) -> LookupKey {
    LookupKey::new(LookupKind::User, user)
}

pub(crate) fn commit(old: Option<&Record>, new: Option<&Arc<Record>>) -> Commit {
    let name = old.map_or_else(|| new.unwrap().name, |old| old.name);
    let change = Change { name, expected: old.map(|old| old.version), value: new.cloned() };
    Commit { changes: vec![change], claims: Vec::new() }
}

/// A record in its first state.
pub(crate) fn record(user: &str) -> Arc<Record> {
    Arc::new(Record {
        name: RecordName::random().unwrap(),
        version: Version::first().unwrap(),
        fields: fields(user),
        ids: Vec::new(),
        adopted: Vec::new(),
        lineage: Lineage::first().unwrap(),
        longest_life: None,
        first_refresh: None,
        created_at: Timestamp::from_millis(1),
        saved_at: Timestamp::from_millis(1),
        writer: Writer::Save,
        lease: None,
    })
}

/// The next state of `record`, of this user.
pub(crate) fn next_of(record: &Record, user: &str) -> Arc<Record> {
    Arc::new(Record { version: record.version.next().unwrap(), fields: fields(user), ..record.clone() })
}

fn fields(user: &str) -> Arc<Fields> {
    let mut fields = Fields::new();
    fields.set(Field::UserName, Some(SecretText::new(user)));
    fields.set(Field::AccessToken, Some(SecretText::new("access")));
    Arc::new(fields)
}
