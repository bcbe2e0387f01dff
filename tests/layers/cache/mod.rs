//! The cache.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::backend::Backend;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::error::{Error, Result};
use tokenvault::fields::Field;
use tokenvault::layer::cache::Cache;
use tokenvault::layer::cache::options::CacheOptions;
use tokenvault::operation::{Answer, Context, Source};
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::going::now;
use crate::hourglass::Hourglass;
use crate::scripted::Scripted;

mod bounds;
mod foreign;
mod random;
mod sharing;
mod stale;
mod writes;

const SECOND: Duration = Duration::from_secs(1);
const LIVES: Duration = Duration::from_secs(60);
const MARGIN: Duration = Duration::from_secs(10);

/// A cache over a scripted store over a vault, and the vault itself, as another process has it.
struct Scene {
    time: Arc<Hourglass>,
    backend: Arc<dyn Backend>,
    vault: Arc<Vault>,
    store: Arc<Scripted>,
    cache: Arc<Cache>,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut CacheOptions)) -> Self {
        let time = Arc::new(Hourglass::new());
        let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
        let vault = Arc::new(Vault::with_clock(Arc::clone(&backend), Arc::clone(&time) as _));
        let store = Arc::new(Scripted::new(Arc::clone(&vault) as _, Arc::clone(&time)));
        let mut options = CacheOptions::default();
        options.clock = Arc::clone(&time) as _;
        options.pause = Arc::clone(&time) as _;
        change(&mut options);
        let cache = Arc::new(Cache::new(Arc::clone(&store) as _, options));
        Self { time, backend, vault, store, cache }
    }

    /// Saves through the vault: the cache does not see it. Answers the id.
    fn saved_elsewhere(&self, token: &OAuthToken) -> String {
        let mut token = token.clone();
        now(self.vault.save_token(&Context::new(), &mut token)).unwrap();
        token.id().unwrap().to_owned()
    }

    /// Saves through the cache.
    fn save(&self, token: &OAuthToken) -> (Outcome, OAuthToken) {
        let mut token = token.clone();
        let saved = now(self.cache.save_token(&Context::new(), &mut token)).unwrap();
        (saved.value.outcome, token)
    }

    fn ask(&self, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        now(self.cache.find_token_by_id(&Context::new(), id))
    }

    /// The token with this id, and where it came from.
    fn read(&self, id: &str) -> (Option<Arc<OAuthToken>>, Source) {
        let answer = self.ask(id).unwrap();
        assert_eq!(answer.request_ids.is_empty(), answer.source != Source::Store);
        (answer.value, answer.source)
    }

    /// The access token of the token with this id, and where it came from.
    fn access(&self, id: &str) -> (Option<String>, Source) {
        let (token, source) = self.read(id);
        (token.and_then(|token| text(&token, Field::AccessToken)), source)
    }

    /// What a find of `given` makes of it, and where it came from.
    fn find(&self, given: &OAuthToken) -> (Option<OAuthToken>, Source) {
        let mut given = given.clone();
        let answer = now(self.cache.find_token(&Context::new(), &mut given)).unwrap();
        (answer.value.then_some(given), answer.source)
    }

    fn failed(&self, id: &str) -> Error {
        self.ask(id).unwrap_err()
    }
}

fn text(token: &OAuthToken, field: Field) -> Option<String> {
    token.fields().text(field).map(str::to_owned)
}

/// Alice's token, with this access token.
fn alice(access: &str) -> OAuthToken {
    of("alice", access)
}

fn of(user: &str, access: &str) -> OAuthToken {
    let token = OAuthToken::new().with(Field::UserName, user).with(Field::ClientId, "app");
    token.with(Field::RefreshToken, &format!("refresh of {user}")).with(Field::AccessToken, access)
}

fn user(name: &str) -> OAuthToken {
    OAuthToken::new().with(Field::UserName, name)
}
