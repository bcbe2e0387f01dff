//! A process that is alone, and a provider that takes each refresh token once.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokenvault::backend::fallback::FallbackBackend;
use tokenvault::backend::leases::Granter;
use tokenvault::clock::Clock;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::layer::journal::Journaled;
use tokenvault::operation::{Context, Source};
use tokenvault::pause::Pause;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::going::{Going, now};
use crate::journal::machine::{Machine, Worker, is};
use crate::process::{access, alice};
use crate::scene::SECOND;

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// How long an access token lives, and the first one.
const LIFE: u64 = 30;
pub(super) const FIRST: u32 = 5;

/// Gives a new refresh token with each access token.
#[derive(Default)]
pub(super) struct Provider {
    spent: RefCell<HashSet<String>>,
    pub(super) asked: Cell<usize>,
}

impl Provider {
    pub(super) fn refresh(&self, token: &OAuthToken, time: &dyn Clock) -> OAuthToken {
        let own = token.get(Field::RefreshToken).unwrap().expose().to_owned();
        self.asked.set(self.asked.get() + 1);
        assert!(self.spent.borrow_mut().insert(own.clone()), "{own} is spent twice");
        let (number, end) = (self.asked.get(), time.now().after(Duration::from_secs(LIFE * 60)));
        let token = token.clone().with(Field::AccessToken, &format!("access {number}"));
        let token = token.with(Field::RefreshToken, &format!("refresh {number}"));
        token.with(Field::ExpiresIn, &end.as_millis().to_string())
    }
}

pub(super) struct Alone {
    pub(super) machine: Machine,
    pub(super) layer: Arc<Journaled>,
    pub(super) store: Coordinated,
    pub(super) provider: Provider,
    pub(super) id: String,
}

impl Alone {
    /// With a token in the store and the copy that ends in five minutes.
    pub(super) fn new() -> Self {
        Self::declared(true)
    }

    pub(super) fn declared(is_alone: bool) -> Self {
        let machine = Machine::first();
        let (fallback, worker) = machine.process_over();
        let mut first = alice("first", u64::from(FIRST));
        worker.save(&mut first).unwrap();
        worker.list().unwrap();
        let (layer, store) = coordinated(&machine, fallback, worker, is_alone);
        let id = first.id().unwrap().to_owned();
        Self { machine, layer, store, provider: Provider::default(), id }
    }

    /// Another process, after this one was killed.
    pub(super) fn restarted(self) -> Self {
        let Self { machine, provider, id, .. } = self;
        let (fallback, worker) = machine.process_over();
        let (layer, store) = coordinated(&machine, fallback, worker, true);
        Self { machine, layer, store, provider, id }
    }

    pub(super) fn pass(&self, duration: Duration) {
        self.machine.time.advance(duration);
    }

    /// The store is away, and the token has ended.
    pub(super) fn ended_while_away(is_alone: bool) -> Self {
        let scene = Self::declared(is_alone);
        scene.machine.is_away();
        scene.pass(FIRST * MINUTE);
        scene
    }

    pub(super) async fn ask(&self, caller: &str) -> Result<Option<(OAuthToken, Source)>, ErrorKind> {
        self.ask_by(&Context::new().with_caller(caller)).await
    }

    pub(super) async fn ask_by(&self, context: &Context) -> Result<Option<(OAuthToken, Source)>, ErrorKind> {
        let answer = self.store.find_token_by_id(context, &self.id).await.map_err(|error| error.kind())?;
        Ok(answer.value.map(|token| (OAuthToken::clone(&token), answer.source)))
    }

    /// Whoever asks is sent now.
    pub(super) fn sent(&self, caller: &str) -> OAuthToken {
        let token = now(self.ask(caller)).unwrap().unwrap().0;
        assert!(token.lease().is_some(), "{caller}");
        token
    }

    /// Nobody is sent now.
    pub(super) fn refused(&self) -> ErrorKind {
        let mut asking = Going::unsure(self.ask("nobody"));
        for _ in 0..200 {
            if let Some(answer) = asking.step() {
                return answer.map(|found| found.map(|(token, _)| access(&token))).unwrap_err();
            }
            self.pass(SECOND);
        }
        panic!("it never ends");
    }

    pub(super) fn refreshed(&self, token: &OAuthToken) -> OAuthToken {
        self.provider.refresh(token, &*self.machine.time)
    }

    pub(super) fn saved(&self, token: &OAuthToken) -> (OAuthToken, Source) {
        let mut token = token.clone();
        let source = now(self.store.save_token(&Context::new(), &mut token)).unwrap().source;
        (token, source)
    }

    /// What an SDK does for a call: read the token, refresh and save it where it is to.
    async fn call(&self, task: usize) -> Result<String, ErrorKind> {
        let Some((token, _)) = self.ask(&format!("task {task}")).await? else { return Err(ErrorKind::Gone) };
        if token.lease().is_none() {
            return Ok(access(&token));
        }
        let mut token = self.refreshed(&token);
        self.machine.time.pause(SECOND).await;
        self.store.save_token(&Context::new(), &mut token).await.map_err(|error| error.kind())?;
        Ok(access(&token))
    }

    /// As many tasks call at once. Answers what each got.
    pub(super) fn all_call(&self, tasks: usize) -> Vec<Result<String, ErrorKind>> {
        let mut calls: Vec<_> = (0..tasks).map(|task| (Going::unsure(self.call(task)), None)).collect();
        for _ in 0..600 {
            for (call, got) in calls.iter_mut().filter(|(_, got)| got.is_none()) {
                *got = call.step();
            }
            if calls.iter().all(|(_, got)| got.is_some()) {
                return calls.into_iter().filter_map(|(_, got)| got).collect();
            }
            self.pass(SECOND / 10);
        }
        panic!("some wait for ever");
    }

    pub(super) fn entries(&self) -> u64 {
        now(self.layer.journal().status()).unwrap().entries
    }

    pub(super) fn conflicts(&self) -> Vec<String> {
        let lost = now(self.layer.journal().lost()).unwrap();
        lost.iter().map(|lost| lost.fields.text(Field::AccessToken).unwrap_or_default().to_owned()).collect()
    }

    pub(super) fn has_lease_in_store(&self) -> bool {
        let records = now(self.machine.store.inner.list(&Context::new())).unwrap().value;
        records.iter().any(|record| record.lease.is_some())
    }

    /// The store is back, and has this token of Alice's and nothing else; nothing waits any more.
    pub(super) fn assert_played_back(&self, expected: &str) {
        self.machine.is_back();
        let (token, source) = now(self.ask("a reader")).unwrap().unwrap();
        assert_eq!((access(&token).as_str(), source), (expected, Source::Store));
        assert_eq!((self.machine.stored(), self.entries()), (vec![is("alice", expected)], 0));
    }
}

fn coordinated(
    machine: &Machine,
    fallback: Arc<FallbackBackend>,
    worker: Worker,
    is_alone: bool,
) -> (Arc<Journaled>, Coordinated) {
    let layer = Arc::new(worker.layer);
    let granter = Granter::new(fallback, None, Arc::clone(&machine.time) as _);
    let granter = if is_alone { granter.with_stand_in(Arc::clone(&layer) as _) } else { granter };
    let (clock, pause) = (Arc::clone(&machine.time) as _, Arc::clone(&machine.time) as _);
    let options = CoordinateOptions { clock, pause, wait: MINUTE / 2, ..CoordinateOptions::default() };
    let store = Coordinated::new(Arc::clone(&layer) as _, granter, "a test", options);
    (layer, store)
}
