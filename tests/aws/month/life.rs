//! What users and their workers do.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::clock::Clock;
use tokenvault::error::{Error, ErrorKind};
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokio::time::{Instant, sleep};

use crate::ledger::HOUR;
use crate::month::provider::Given;
use crate::month::worker::Worker;
use crate::month::{MINUTE, Month};

/// A refreshed token that is not saved yet.
struct Unsaved<'a>(&'a Month);

impl Drop for Unsaved<'_> {
    fn drop(&mut self) {
        self.0.count(|counts| counts.unsaved += 1);
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
        &self,
        (number, worker): (usize, Arc<Worker>),
        caller: String,
        user: usize,
        id: Option<String>,
    ) {
        let context = Context::new().with_caller(caller);
        let token = match self.read(&*worker.store, &context, user, id).await {
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
        if self.is_calm() && began.elapsed() >= Duration::from_millis(100) {
            self.count(|counts| counts.waited += 1);
        }
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
        let unsaved = Unsaved(self);
        self.note_refresh(at.0, at.1);
        let mut new = with(token, &given);
        match self.save(&*at.1.store, context, &mut new).await {
            Ok(_) => {
                std::mem::forget(unsaved);
                self.acknowledge(user, &given);
                self.count(|counts| counts.saves += 1);
            }
            Err(kind) => {
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
                called.push(worker.run(async move { month.call(at, format!("task {caller}"), user, by).await }));
            }
            for call in called {
                // One that was killed has ended, too.
                if let Err(error) = call.await
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
        }
    }

    fn between(&self, least: Duration, most: Duration) -> Duration {
        least + (most - least).mul_f64(self.draw(fastrand::Rng::f64))
    }

    /// Answers the token's id.
    async fn sign_in(&self, user: usize) -> String {
        let given = self.provider.lock().unwrap().sign_in(user, self.time.now());
        let token = OAuthToken::new().with(UserName, &format!("user {user}")).with(ClientId, "app");
        let mut token = with(token, &given);
        // In the process that has it.
        let store = Arc::clone(&self.any_worker().1.store);
        while let Err(kind) = self.save(&*store, &Context::new(), &mut token).await {
            self.refuse(kind);
            sleep(MINUTE).await;
        }
        self.acknowledge(user, &given);
        token.id().unwrap().to_owned()
    }

    async fn log_out(&self, user: usize, id: &str) {
        loop {
            self.count(|counts| counts.operations += 1);
            let store = Arc::clone(&self.any_worker().1.store);
            match store.delete_token(&Context::new(), id).await {
                Ok(_) => break,
                Err(error) => self.refuse(error.kind()),
            }
            sleep(MINUTE).await;
        }
        self.kept.lock().unwrap().remove(&user);
        self.ledger.lock().unwrap().remove(&user);
        self.provider.lock().unwrap().revoke(user);
    }
}
