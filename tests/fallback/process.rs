//! A process, its store that can be out of reach, and the tokens that it saves.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::error::{Error, ErrorKind, Result, Retry};
use tokenvault::fields::Field;
use tokenvault::layer::unsaved::Unsaved;
use tokenvault::operation::{Context, Source};
use tokenvault::secret::SecretText;
use tokenvault::store::{Saved, TokenStore};
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::going::now;
use crate::scene::Scene;

/// Longer than a failure is remembered for.
pub(crate) const WHILE: Duration = Duration::from_secs(11);

pub(crate) struct Process {
    pub(crate) scene: Scene,
    pub(crate) layer: Unsaved,
    /// The store itself, as another process has it.
    pub(crate) plain: Vault,
}

impl Process {
    pub(crate) fn new() -> Self {
        Self::in_scene(Scene::new())
    }

    pub(crate) fn in_scene(scene: Scene) -> Self {
        let clock = || Arc::clone(&scene.time) as _;
        let vault = Arc::new(Vault::with_clock(Arc::clone(&scene.fallback) as _, clock()));
        let layer = Unsaved::new(vault, Arc::clone(&scene.fallback));
        let plain = Vault::with_clock(Arc::clone(&scene.store.inner), clock());
        Self { scene, layer, plain }
    }

    /// With a token of Alice's in the store and the copy.
    pub(crate) fn with_alice() -> (Self, OAuthToken) {
        let process = Self::new();
        let mut alice = alice("first", 60);
        process.save(&mut alice).unwrap();
        now(process.layer.get_tokens(&Context::new())).unwrap();
        (process, alice)
    }

    pub(crate) fn save(&self, token: &mut OAuthToken) -> Result<Saved> {
        now(self.layer.save_token(&Context::new(), token)).map(|answer| answer.value)
    }

    /// A save that must fail for now.
    pub(crate) fn save_in_vain(&self, token: &OAuthToken) -> Error {
        let mut given = token.clone();
        let error = self.save(&mut given).unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later));
        assert!(given.fields() == token.fields() && given.id() == token.id(), "as it was given");
        error
    }

    pub(crate) fn by_id(&self, id: &str) -> Result<(Option<OAuthToken>, Source)> {
        let answer = now(self.layer.find_token_by_id(&Context::new(), id))?;
        Ok((answer.value.map(|token| OAuthToken::clone(&token)), answer.source))
    }

    pub(crate) fn find(&self, given: &OAuthToken) -> Result<(Option<OAuthToken>, Source)> {
        let mut given = given.clone();
        let answer = now(self.layer.find_token(&Context::new(), &mut given))?;
        Ok((answer.value.then_some(given), answer.source))
    }

    /// The access tokens in the store, sorted.
    pub(crate) fn stored(&self) -> Vec<String> {
        let all = now(self.plain.get_tokens(&Context::new())).unwrap().value;
        let mut all: Vec<_> = all.iter().map(|token| access(token)).collect();
        all.sort();
        all
    }

    pub(crate) fn saved_elsewhere(&self, token: &OAuthToken) -> OAuthToken {
        let mut token = token.clone();
        now(self.plain.save_token(&Context::new(), &mut token)).unwrap();
        token
    }
}

pub(crate) fn access(token: &OAuthToken) -> String {
    token.fields().text(Field::AccessToken).unwrap_or_default().to_owned()
}

pub(crate) fn of(user: &str, access: &str, minutes: u64) -> OAuthToken {
    let token = OAuthToken::new().with(Field::UserName, user).with(Field::ClientId, "app");
    let token = token.with(Field::RefreshToken, &format!("refresh of {user}")).with(Field::AccessToken, access);
    token.with(Field::ExpiresIn, &(1_800_000_000_000 + minutes * 60_000).to_string())
}

pub(crate) fn alice(access: &str, minutes: u64) -> OAuthToken {
    of("alice", access, minutes)
}

/// The same token after a refresh.
pub(crate) fn refreshed(token: &OAuthToken, access: &str, minutes: u64) -> OAuthToken {
    let mut token = token.clone();
    token.set(Field::AccessToken, Some(SecretText::new(access)));
    token.set(Field::ExpiresIn, Some(SecretText::new(&(1_800_000_000_000 + minutes * 60_000).to_string())));
    token
}
