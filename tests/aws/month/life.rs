//! What users and their workers do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokenvault::clock::Clock;
use tokenvault::error::{Error, ErrorKind};
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, RefreshToken, UserName};
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokio::time::{Instant, sleep};

use crate::ledger::HOUR;
use crate::month::kills::{Moment, ended};
use crate::month::provider::Given;
use crate::month::worker::Worker;
use crate::month::{MINUTE, Month};

/// A refreshed token that is not saved yet.
struct Unsaved<'a>(&'a Month, &'a Worker);

impl Drop for Unsaved<'_> {
    fn drop(&mut self) {
        self.1.died.fetch_add(1, Ordering::SeqCst);
        self.0.count(|counts| (counts.unsaved, counts.cut_off) = (counts.unsaved + 1, counts.cut_off + 1));
        self.0.note(|| "a refreshed token was not saved".to_owned());
    }
}

fn with(token: OAuthToken, given: &Given) -> OAuthToken {
    let expiry = given.expiry.as_millis().to_string();
    let token = token.with(AccessToken, &given.access_token).with(RefreshToken, &given.refresh_token);
    token.with(ExpiresIn, &expiry)
}

impl Month {
    /// What an SDK does for each of its calls.
    pub(super) async fn call(
        self: Arc<Self>,
        (number, worker): (usize, Arc<Worker>),
        caller: String,
        user: usize,
        id: Option<String>,
    ) {
        let context = Context::new().with_caller(caller);
        let doomed = (self.doomed(Moment::Read, number).await, self.doomed(Moment::Lease, number).await);
        let read = self.read(&*worker.store, &context, user, id).await;
        drop(doomed);
        let token = match read {
            Ok(token) => token,
            Err(error) => {
                self.note(|| format!("user {user}, worker {number}, read: {error} ({:?})", error.hint()));
                return self.refuse(error.kind());
            }
        };
        let left = token.expires_at().unwrap().since(self.time.now());
        if left < Duration::from_secs(5) {
            // Some workers die at this; but not the next one, too, which has to make up for it.
            if self.is_fatal() {
                let delay = Duration::from_millis(self.draw(|random| random.u64(..1500)));
                self.kill_after(number, delay).await;
            }
            self.refresh((number, &worker), &context, user, token).await;
        }
    }

    fn is_fatal(&self) -> bool {
        let mut counts = self.counts.lock().unwrap();
        counts.due += 1;
        counts.due % 150 == 149
    }

    async fn read(
        &self,
        store: &dyn TokenStore,
        context: &Context,
        user: usize,
        id: Option<String>,
    ) -> Result<OAuthToken, Error> {
        let began = Instant::now();
        self.count(|counts| (counts.reads, counts.operations) = (counts.reads + 1, counts.operations + 1));
        let found = match &id {
            Some(id) => store.find_token_by_id(context, id).await.map(|answer| answer.value),
            None => {
                let mut token = OAuthToken::new().with(UserName, &format!("user {user}"));
                let found = store.find_token(context, &mut token).await;
                found.map(|answer| answer.value.then(|| Arc::new(token)))
            }
        };
        let (took, is_calm) = (began.elapsed(), self.is_calm());
        self.count(|counts| if is_calm { &mut counts.calm } else { &mut counts.felt }.note(took));
        Ok(OAuthToken::clone(&found?.expect("the user is signed in")))
    }

    async fn refresh(&self, at: (usize, &Arc<Worker>), context: &Context, user: usize, token: OAuthToken) {
        sleep(Duration::from_millis(self.draw(|random| random.u64(100..800)))).await;
        let spent = token.get(RefreshToken).unwrap().expose().to_owned();
        let given = {
            let mut provider = self.provider.lock().unwrap();
            let before = provider.needless;
            let given = provider.refresh(user, &spent, self.time.now());
            if provider.needless > before {
                self.note(|| format!("user {user}: refreshed again"));
            }
            given
        };
        let given = given.unwrap_or_else(|| panic!("a dead grant was used: {user}, {spent}"));
        let unsaved = Unsaved(self, at.1);
        self.note_refresh(at.0, at.1);
        let mut new = with(token, &given);
        let saved = self.save(&*at.1.store, context, &mut new).await;
        std::mem::forget(unsaved);
        match saved {
            Ok(()) => {
                self.acknowledge(user, &given);
                self.count(|counts| counts.saves += 1);
            }
            Err(kind) => {
                self.count(|counts| counts.unsaved += 1);
                self.note(|| format!("user {user}, save: {kind:?}"));
                self.refuse_save(kind, (user, given), at);
            }
        }
    }

    async fn save(&self, store: &dyn TokenStore, context: &Context, token: &mut OAuthToken) -> Result<(), ErrorKind> {
        self.count(|counts| counts.operations += 1);
        store.save_token(context, token).await.map(drop).map_err(|error| error.kind())
    }

    /// A user of the fleet, from one sign-in to the next log-out and so on.
    pub(super) async fn life(self: &Arc<Self>, user: usize, users: usize, length: Duration) {
        let end = Instant::now() + length;
        sleep(self.between(Duration::ZERO, HOUR)).await;
        let mut id = self.sign_in(user).await;
        while Instant::now() < end {
            // Not within the seconds in which another process may not see a sign-in.
            sleep(self.between(MINUTE / 6, 10 * MINUTE)).await;
            if self.draw(|random| random.usize(..800)) == 0 && user < users / 2 {
                self.log_out(user, &id).await;
                sleep(self.between(MINUTE, HOUR)).await;
                id = self.sign_in(user).await;
                continue;
            }
            // Some begin at the same moment, as what runs by the clock does.
            let callers = self.draw(|random| if random.usize(..20) == 0 { random.usize(2..=3) } else { 1 });
            let mut called = Vec::new();
            for caller in 0..callers {
                let (month, at) = (Arc::clone(self), self.worker_of(user));
                let by = self.draw(fastrand::Rng::bool).then(|| id.clone());
                let worker = Arc::clone(&at.1);
                called.push(worker.run(month.call(at, format!("task {caller}"), user, by)));
            }
            for call in called {
                // One that was killed is not made again: the user's next comes soon.
                ended(call.await);
            }
        }
    }

    pub(super) fn between(&self, least: Duration, most: Duration) -> Duration {
        least + (most - least).mul_f64(self.draw(fastrand::Rng::f64))
    }

    /// Answers the token's id. What was cut off may be saved or not; where not, the user begins anew, since the code that the
    /// provider sent them back with is spent.
    async fn sign_in(self: &Arc<Self>, user: usize) -> String {
        loop {
            let given = self.provider.lock().unwrap().sign_in(user, self.time.now());
            let id = match self.bring(user, &given).await {
                Some(id) => Some(id),
                None => self.read_back(user, &given).await,
            };
            if let Some(id) = id {
                self.acknowledge(user, &given);
                return id;
            }
        }
    }

    /// Saves a sign-in, in the process that has it. Answers the token's id, where that was not killed.
    async fn bring(self: &Arc<Self>, user: usize, given: &Given) -> Option<String> {
        let token = OAuthToken::new().with(UserName, &format!("user {user}")).with(ClientId, "app");
        let (mut token, (number, worker)) = (with(token, given), self.any_worker());
        loop {
            let (month, store) = (Arc::clone(self), Arc::clone(&worker.store));
            let saving = worker.run(async move {
                let _doomed = month.doomed(Moment::SignIn, number).await;
                (month.save(&*store, &Context::new(), &mut token).await, token)
            });
            match ended(saving.await)? {
                (Ok(()), token) => return Some(token.id().unwrap().to_owned()),
                (Err(kind), unsaved) => (token, _) = (unsaved, self.refuse(kind)),
            }
            sleep(MINUTE).await;
            if !self.is_alive(number, &worker) {
                return None;
            }
        }
    }

    /// The id of a token that was saved or not.
    async fn read_back(&self, user: usize, given: &Given) -> Option<String> {
        self.note(|| format!("user {user}: the sign-in was cut off"));
        loop {
            // Not within the seconds in which another process may not see it.
            sleep(self.between(MINUTE / 6, MINUTE)).await;
            let mut token = OAuthToken::new().with(UserName, &format!("user {user}"));
            self.count(|counts| counts.operations += 1);
            let context = Context::new().past_memory();
            match self.any_worker().1.store.find_token(&context, &mut token).await {
                Ok(answer) if answer.source != Source::Store => {}
                Ok(answer) if !answer.value => return None,
                Ok(_) => {
                    let access_token = token.get(AccessToken).unwrap().expose().to_owned();
                    assert_eq!(access_token, given.access_token, "user {user} was logged out before");
                    return Some(token.id().unwrap().to_owned());
                }
                Err(error) => self.refuse(error.kind()),
            }
        }
    }

    /// Until that is acknowledged, whoever is killed meanwhile.
    async fn log_out(self: &Arc<Self>, user: usize, id: &str) {
        loop {
            let ((number, worker), month, id) = (self.any_worker(), Arc::clone(self), id.to_owned());
            let store = Arc::clone(&worker.store);
            let deleting = worker.run(async move {
                let _doomed = month.doomed(Moment::LogOut, number).await;
                month.count(|counts| counts.operations += 1);
                store.delete_token(&Context::new(), &id).await.map_err(|error| error.kind())
            });
            match ended(deleting.await) {
                Some(Ok(_)) => break,
                Some(Err(kind)) => self.refuse(kind),
                None => self.note(|| format!("user {user}: the log-out was cut off")),
            }
            sleep(MINUTE).await;
        }
        self.count(|counts| counts.log_outs += 1);
        self.kept.lock().unwrap().remove(&user);
        self.ledger.lock().unwrap().remove(&user);
        self.provider.lock().unwrap().revoke(user);
    }
}
