//! The only process that uses the vault refreshes a token at two of its ends. It is cut off at each call of that, and AWS comes
//! back before the second refresh or after it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokenvault::clock::Clock;
use tokenvault::error::{ErrorKind, Result};
use tokenvault::fields::Field::{AccessToken, ExpiresIn, RefreshToken};
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::layer::journal::Journaled;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use super::scene::{Layer, Machine, Scene, Worker};
use crate::crash::{listed, sign_in};
use crate::simulated::Time;

const LIFE: Duration = Duration::from_mins(45);

/// Takes each refresh token once.
#[derive(Default)]
struct Provider(HashSet<String>);

impl Provider {
    fn refresh(&mut self, token: &OAuthToken, clock: &Time, what: &str) -> OAuthToken {
        let own = token.get(RefreshToken).unwrap().expose().to_owned();
        assert!(self.0.insert(own.clone()), "{what}: {own} is spent twice");
        let (number, end) = (self.0.len(), clock.now().after(LIFE).as_millis().to_string());
        let token = token.clone().with(AccessToken, &format!("access {number}")).with(ExpiresIn, &end);
        token.with(RefreshToken, &format!("refresh {number}"))
    }
}

/// A process, and the one token of which it is told.
struct Process<'a> {
    scene: &'a Scene,
    clock: Time,
    layer: Arc<Journaled>,
    store: Coordinated,
    id: String,
}

impl<'a> Process<'a> {
    async fn new(scene: &'a Scene, machine: &Machine<'_>) -> Self {
        let clock = Time(scene.world.simulator.clone());
        let (granter, worker) = machine.process_over().await;
        let Worker::Journaled(layer) = worker else { panic!("it has a journal") };
        let end = clock.now().after(Duration::from_mins(10)).as_millis().to_string();
        let mut token = sign_in("ella", "first").with(ExpiresIn, &end);
        layer.save_token(&Context::new(), &mut token).await.unwrap();
        layer.get_tokens(&Context::new()).await.unwrap();
        let (layer, id) = (Arc::new(layer), token.id().unwrap().to_owned());
        let granter = granter.with_stand_in(Arc::clone(&layer) as _);
        let clock_of = || Arc::new(clock.clone());
        let options = CoordinateOptions { clock: clock_of(), wait: Duration::ZERO, ..CoordinateOptions::default() };
        let store = Coordinated::new(Arc::clone(&layer) as _, granter, "a test", options);
        Self { scene, clock, layer, store, id }
    }

    async fn read(&self) -> Result<OAuthToken> {
        let answer = self.store.find_token_by_id(&Context::new().with_caller("a task"), &self.id).await?;
        Ok(OAuthToken::clone(&answer.value.unwrap()))
    }

    /// What an SDK does that is told to try later.
    async fn refresh(&self, provider: &mut Provider, what: &str) {
        for _ in 0..20 {
            match self.read().await {
                Ok(token) if token.lease().is_none() => return,
                Ok(token) => {
                    let mut token = provider.refresh(&token, &self.clock, what);
                    self.store.save_token(&Context::new(), &mut token).await.unwrap();
                }
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Busy), "{what}: {error}");
                    self.scene.pass(Duration::from_secs(10));
                }
            }
        }
        panic!("{what}: it is not refreshed");
    }
}

/// Answers whether there was such a call.
async fn play(calls: usize, with_effect: bool, is_back_between: bool) -> bool {
    let what = format!("cut off at {calls}, {with_effect}, back between: {is_back_between}");
    let scene = Scene::new(Layer::Journaled).await;
    let machine = scene.machine("victim");
    let (process, mut provider) = (Process::new(&scene, &machine).await, Provider::default());
    scene.pass(Duration::from_mins(10));
    scene.cut.arm(calls, with_effect);
    process.refresh(&mut provider, &what).await;
    let was_cut = scene.cut.was_cut();
    if is_back_between {
        scene.is_back();
    }
    scene.pass(LIFE);
    process.refresh(&mut provider, &what).await;
    scene.is_back();
    for _ in 0..3 {
        process.layer.get_tokens(&Context::new()).await.unwrap();
    }
    let answer = process.layer.get_tokens(&Context::new()).await.unwrap();
    let seen = listed(&answer.value);
    assert_eq!((answer.source, &seen), (Source::Store, &scene.stored().await), "{what}");
    assert_eq!(seen.get("ella").map(String::as_str), Some("access 2"), "{what}: once at each end");
    assert!(process.layer.journal().lost().await.unwrap().is_empty(), "{what}: nothing fell");
    scene.world.assert_consistent(&what).await;
    was_cut
}

#[tokio::test]
async fn who_is_cut_off_at_any_call_of_a_refresh_refreshes_once_at_each_end() {
    for (with_effect, is_back_between) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut calls = 0;
        while play(calls, with_effect, is_back_between).await {
            calls += 1;
        }
        assert!(calls >= 3, "AWS is asked for the token, the lease and the save");
    }
}
