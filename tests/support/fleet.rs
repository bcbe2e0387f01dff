//! Processes that share the records of one store, in tokio's virtual time, and the provider that they refresh at.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokenvault::backend::Backend;
use tokenvault::backend::leases::{Granter, SharedRecords};
use tokenvault::clock::{Clock, Timestamp};
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, RefreshToken, UserName};
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;
use tokio::time::{Instant, sleep};

/// How long the provider's access tokens live, unless a test says otherwise.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

/// Tokio's time on the wall.
#[derive(Debug)]
pub(crate) struct WallClock(Instant);

impl WallClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).after(self.0.elapsed())
    }
}

/// A clock that is ahead of another by so much.
#[derive(Debug)]
pub(crate) struct Ahead(pub(crate) Arc<dyn Clock>, pub(crate) Duration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.0.now().after(self.1)
    }
}

/// A stand-in for the provider: counts refreshes, and takes its time.
#[derive(Debug)]
pub(crate) struct Provider {
    clock: Arc<dyn Clock>,
    pub(crate) takes: Mutex<Duration>,
    pub(crate) lives: Mutex<Duration>,
    pub(crate) is_down: Mutex<bool>,
    pub(crate) asked: AtomicUsize,
    pub(crate) refreshed: AtomicUsize,
}

impl Provider {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let (takes, lives) = (Mutex::new(Duration::from_millis(400)), Mutex::new(LIFETIME));
        Arc::new(Self {
            clock,
            takes,
            lives,
            is_down: Mutex::default(),
            asked: AtomicUsize::new(0),
            refreshed: AtomicUsize::new(0),
        })
    }

    /// What the SDK does with a token that has ended: a new access token, or none.
    pub(crate) async fn refresh(&self, token: OAuthToken) -> Option<OAuthToken> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let takes = *self.takes.lock().unwrap();
        sleep(takes).await;
        if *self.is_down.lock().unwrap() {
            return None;
        }
        let number = self.refreshed.fetch_add(1, Ordering::SeqCst) + 1;
        let expiry = self.clock.now().after(*self.lives.lock().unwrap()).as_millis();
        Some(token.with(AccessToken, &format!("access {number}")).with(ExpiresIn, &expiry.to_string()))
    }
}

/// A store of one process, and its view of the time.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) store: Arc<dyn TokenStore>,
    pub(crate) clock: Arc<dyn Clock>,
    provider: Arc<Provider>,
}

/// What came of an SDK's call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// It went through with this access token.
    With(String),
    /// The provider gave no new token.
    NoRefresh,
    Refused(ErrorKind),
}

impl Process {
    /// What an SDK does for each of its calls: read the token, refresh and save it where less than 5 s are left.
    pub(crate) async fn call(&self, caller: &str, id: &str) -> Called {
        let context = Context::new().with_caller(caller);
        let token = match self.store.find_token_by_id(&context, id).await {
            Ok(answer) => OAuthToken::clone(&answer.value.expect("the token is there")),
            Err(error) => return Called::Refused(error.kind()),
        };
        if !self.is_ended(&token) {
            return Called::With(text(&token));
        }
        let Some(mut token) = self.provider.refresh(token).await else { return Called::NoRefresh };
        match self.store.save_token(&context, &mut token).await {
            Ok(_) => Called::With(text(&token)),
            Err(error) => Called::Refused(error.kind()),
        }
    }

    pub(crate) fn is_ended(&self, token: &OAuthToken) -> bool {
        let left = token.expires_at().map(|end| end.since(self.clock.now()));
        token.get(AccessToken).is_none() || left.is_some_and(|left| left < Duration::from_secs(5))
    }
}

pub(crate) fn text(token: &OAuthToken) -> String {
    token.get(AccessToken).unwrap().expose().to_owned()
}

/// A fleet over one backend, which holds a token that has `left` to live.
pub(crate) struct Fleet {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) id: String,
}

impl Fleet {
    pub(crate) async fn new(backend: Arc<dyn Backend>, left: Duration) -> Self {
        Self::by(Arc::new(WallClock::new()), backend, left).await
    }

    /// By another clock.
    pub(crate) async fn by(clock: Arc<dyn Clock>, backend: Arc<dyn Backend>, left: Duration) -> Self {
        let provider = Provider::new(Arc::clone(&clock));
        let vault = Vault::with_clock(Arc::clone(&backend), Arc::clone(&clock));
        let expiry = clock.now().after(left).as_millis().to_string();
        let token = OAuthToken::new().with(UserName, "ada").with(ClientId, "app").with(RefreshToken, "refresh");
        let mut token = token.with(AccessToken, "access 0").with(ExpiresIn, &expiry);
        vault.save_token(&Context::new(), &mut token).await.unwrap();
        Self { backend, clock, provider, id: token.id().unwrap().to_owned() }
    }

    pub(crate) fn process(&self) -> Process {
        self.process_with(Arc::clone(&self.backend), |_| {})
    }

    /// A process with a handle and options of its own.
    pub(crate) fn process_with(
        &self,
        backend: Arc<dyn Backend>,
        change: impl FnOnce(&mut CoordinateOptions),
    ) -> Process {
        self.process_by(backend, None, change)
    }

    /// One whose leases are as old as `age` says.
    pub(crate) fn process_by(
        &self,
        backend: Arc<dyn Backend>,
        age: Option<Arc<dyn SharedRecords>>,
        change: impl FnOnce(&mut CoordinateOptions),
    ) -> Process {
        let mut options = CoordinateOptions { clock: Arc::clone(&self.clock), ..CoordinateOptions::default() };
        change(&mut options);
        let clock = Arc::clone(&options.clock);
        let vault = Vault::with_clock(Arc::clone(&backend), Arc::clone(&clock));
        let granter = Granter::new(backend, age, Arc::clone(&clock));
        let store = Arc::new(Coordinated::new(Arc::new(vault), granter, "a test", options));
        Process { store, clock, provider: Arc::clone(&self.provider) }
    }

    /// `tasks` callers of each process at once. Answers what each came to.
    pub(crate) async fn all_call(&self, processes: &[Process], tasks: usize) -> Vec<Called> {
        let mut running = Vec::new();
        for (number, process) in processes.iter().enumerate() {
            for task in 0..tasks {
                let (process, id) = (process.clone(), self.id.clone());
                running.push(tokio::spawn(async move { process.call(&format!("{number} {task}"), &id).await }));
            }
        }
        let mut called = Vec::new();
        for task in running {
            called.push(task.await.unwrap());
        }
        called
    }

    pub(crate) fn refreshed(&self) -> usize {
        self.provider.refreshed.load(Ordering::SeqCst)
    }

    pub(crate) fn asked(&self) -> usize {
        self.provider.asked.load(Ordering::SeqCst)
    }
}

pub(crate) fn kinds(called: &[Called]) -> HashSet<String> {
    called.iter().map(|called| format!("{called:?}")).collect()
}
