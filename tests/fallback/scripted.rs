//! A backend that fails, hangs or loses its answers as it is told.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokenvault::backend::{Backend, Candidates, Commit};
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::identity::RecordName;
use tokenvault::lookup::LookupKey;
use tokenvault::operation::{Answer, Context};
use tokenvault::pause::Pause;
use tokenvault::record::Record;

use crate::hourglass::Hourglass;

/// What becomes of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// Done at once, and answered after this time.
    Late(Duration),
    /// Neither done nor answered.
    Never,
    /// Not done.
    Fails(ErrorKind),
    /// Done, and answered with a failure: nobody knows.
    Lost(ErrorKind),
}

#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) inner: Arc<dyn Backend>,
    time: Arc<Hourglass>,
    script: Mutex<VecDeque<Fate>>,
    otherwise: Mutex<Fate>,
    commits: Mutex<Option<Fate>>,
    calls: Mutex<Vec<&'static str>>,
}

impl Scripted {
    pub(crate) fn new(inner: Arc<dyn Backend>, time: Arc<Hourglass>) -> Self {
        let (script, otherwise, commits) = (Mutex::default(), Mutex::new(Fate::Done), Mutex::default());
        Self { inner, time, script, otherwise, commits, calls: Mutex::default() }
    }

    /// What becomes of the next calls, one after the other.
    pub(crate) fn next(&self, fates: impl IntoIterator<Item = Fate>) {
        let mut script = self.script.lock().unwrap();
        script.clear();
        script.extend(fates);
    }

    /// What becomes of every call that [`next`](Self::next) does not speak of.
    pub(crate) fn otherwise(&self, fate: Fate) {
        *self.otherwise.lock().unwrap() = fate;
    }

    /// What becomes of every commit that [`next`](Self::next) does not speak of, until it is told otherwise.
    pub(crate) fn commits(&self, fate: Option<Fate>) {
        *self.commits.lock().unwrap() = fate;
    }

    /// The calls since this was last asked for.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    async fn play<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<Answer<T>>> + Send,
    ) -> Result<Answer<T>> {
        self.calls.lock().unwrap().push(call);
        let fate = self.script.lock().unwrap().pop_front();
        let of_commits = self.commits.lock().unwrap().filter(|_| call == "commit");
        let fate = fate.or(of_commits).unwrap_or(*self.otherwise.lock().unwrap());
        let failed = |kind| Error::new(kind, format!("as it was told: {kind:?}")).with_store(self);
        match fate {
            Fate::Done => work.await,
            Fate::Never => std::future::pending().await,
            Fate::Fails(kind) => Err(failed(kind)),
            Fate::Lost(kind) => work.await.and(Err(failed(kind))),
            Fate::Late(duration) => {
                let answer = work.await;
                self.time.pause(duration).await;
                answer
            }
        }
    }
}

impl fmt::Display for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scripted")
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for Scripted {
    async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        self.play("read", self.inner.read(context, name)).await
    }

    async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        self.play("resolve", self.inner.resolve(context, keys)).await
    }

    async fn commit(&self, context: &Context, commit: Commit) -> Result<Answer<()>> {
        self.play("commit", self.inner.commit(context, commit)).await
    }

    async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        self.play("list", self.inner.list(context)).await
    }

    async fn clear(&self, context: &Context) -> Result<Answer<usize>> {
        self.play("clear", self.inner.clear(context)).await
    }
}
