//! The vault refreshes by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, RefreshToken, UserName};
use tokenvault::fields::Fields;
use tokenvault::layer::fresh::{Refresher, exchange};
use tokenvault::operation::Context;
use tokenvault::pause::SystemPause;
use tokenvault::provider::{Granted, Provider};
use tokenvault::secret::SecretText;
use tokenvault::token::OAuthToken;
use tokio::time::sleep;

use crate::fleet::{Fleet, LIFETIME, Process, text};
use crate::memory;

const SECOND: Duration = Duration::from_secs(1);

/// Answers with what its script says, number after number; the last counts for ever.
#[derive(Debug)]
pub(crate) struct Scripted {
    asked: AtomicUsize,
    answers: Vec<Reply>,
    clock: Arc<dyn tokenvault::clock::Clock>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    Grants,
    Rotates,
    GrantsWithoutEnd,
    Fails(ErrorKind),
}

impl Scripted {
    pub(crate) fn new(fleet: &Fleet, answers: &[Reply]) -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), answers: answers.to_vec(), clock: Arc::clone(&fleet.clock) })
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Provider for Scripted {
    async fn refresh(&self, token: &Fields) -> Result<Granted> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(token.text(RefreshToken).is_some());
        sleep(SECOND).await;
        let mut granted = Granted::new(SecretText::new(&format!("fresh {}", number + 1)));
        granted.expires_at = Some(self.clock.now().after(LIFETIME));
        match self.answers[number.min(self.answers.len() - 1)] {
            Reply::Grants => {}
            Reply::Rotates => granted.refresh_token = Some(SecretText::new(&format!("refresh {}", number + 1))),
            Reply::GrantsWithoutEnd => granted.expires_at = None,
            Reply::Fails(kind) => return Err(Error::new(kind, "scripted")),
        }
        Ok(granted)
    }

    async fn exchange(&self, token: &Fields) -> Result<Granted> {
        self.refresh(token).await
    }

    async fn revoke(&self, _: &Fields) -> Result<()> {
        Ok(())
    }
}

pub(crate) fn refresher(process: &Process, provider: &Arc<Scripted>) -> Refresher {
    let (store, clock) = (Arc::clone(&process.store), Arc::clone(&process.clock));
    Refresher::new(store, Arc::clone(provider) as _, clock, Arc::new(SystemPause))
}

pub(crate) async fn fresh(refresher: &Refresher, id: &str) -> Result<OAuthToken, ErrorKind> {
    let answer = refresher.fresh_token(&Context::new(), id).await.map_err(|error| error.kind())?;
    Ok(OAuthToken::clone(&answer.value.expect("there is a token")))
}

#[tokio::test(start_paused = true)]
async fn many_that_ask_at_once_make_one_refresh() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let provider = Scripted::new(&fleet, &[Reply::Rotates]);
    let refreshers: Vec<_> = (0..8).map(|_| Arc::new(refresher(&fleet.process(), &provider))).collect();
    let mut running = Vec::new();
    for number in 0..64 {
        let (refresher, id) = (Arc::clone(&refreshers[number % 8]), fleet.id.clone());
        running.push(tokio::spawn(async move { fresh(&refresher, &id).await.unwrap() }));
    }
    for task in running {
        assert_eq!(text(&task.await.unwrap()), "fresh 1");
    }
    assert_eq!(provider.asked(), 1);
    let stored = fresh(&refreshers[0], &fleet.id).await.unwrap();
    assert_eq!(stored.get(RefreshToken).unwrap().expose(), "refresh 1", "a new refresh token replaces the old one");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_lives_is_handed_out_and_one_that_is_not_there_is_none() {
    let fleet = Fleet::new(memory(), LIFETIME).await;
    let provider = Scripted::new(&fleet, &[Reply::Grants]);
    let refresher = refresher(&fleet.process(), &provider);
    assert_eq!(text(&fresh(&refresher, &fleet.id).await.unwrap()), "access 0");
    assert!(refresher.fresh_token(&Context::new(), "nobody").await.unwrap().value.is_none());
    assert_eq!(provider.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_without_a_new_refresh_token_keeps_the_old_one() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let provider = Scripted::new(&fleet, &[Reply::Grants]);
    let refresher = refresher(&fleet.process(), &provider);
    let token = fresh(&refresher, &fleet.id).await.unwrap();
    assert_eq!((text(&token).as_str(), token.get(RefreshToken).unwrap().expose()), ("fresh 1", "refresh"));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_tells_no_end_is_not_asked_at_every_read() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let provider = Scripted::new(&fleet, &[Reply::GrantsWithoutEnd]);
    let refresher = refresher(&fleet.process(), &provider);
    for _ in 0..10 {
        fresh(&refresher, &fleet.id).await.unwrap();
        sleep(60 * SECOND).await;
    }
    assert_eq!(provider.asked(), 1);
    sleep(20 * 60 * SECOND).await;
    fresh(&refresher, &fleet.id).await.unwrap();
    assert_eq!(provider.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_provider_is_away_the_old_token_serves_to_its_end() {
    let fleet = Fleet::new(memory(), 50 * SECOND).await;
    let provider = Scripted::new(&fleet, &[Reply::Fails(ErrorKind::Unavailable)]);
    let refresher = refresher(&fleet.process(), &provider);
    assert_eq!(text(&fresh(&refresher, &fleet.id).await.unwrap()), "access 0");
    assert_eq!(text(&fresh(&refresher, &fleet.id).await.unwrap()), "access 0");
    assert_eq!(provider.asked(), 1, "not at every read");
    sleep(100 * SECOND).await;
    assert_eq!(fresh(&refresher, &fleet.id).await.unwrap_err(), ErrorKind::Unavailable);
    assert_eq!(provider.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dead_grant_is_told_and_the_token_left_for_a_new_sign_in() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let provider = Scripted::new(&fleet, &[Reply::Fails(ErrorKind::Revoked)]);
    let process = fleet.process();
    assert_eq!(fresh(&refresher(&process, &provider), &fleet.id).await.unwrap_err(), ErrorKind::Revoked);
    let mut token = OAuthToken::new().with_id(&fleet.id);
    assert!(process.store.find_token(&Context::new(), &mut token).await.unwrap().value, "nothing is deleted");
    assert_eq!(token.get(RefreshToken).unwrap().expose(), "refresh");
}

#[tokio::test(start_paused = true)]
async fn a_dead_grant_is_told_to_all_who_wait_and_the_provider_is_left_alone() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let provider = Scripted::new(&fleet, &[Reply::Fails(ErrorKind::Revoked), Reply::Grants]);
    let process = fleet.process();
    let refresher = Arc::new(refresher(&process, &provider));
    for _ in 0..3 {
        let callers = (0..8).map(|_| {
            let (refresher, id) = (Arc::clone(&refresher), fleet.id.clone());
            tokio::spawn(async move { fresh(&refresher, &id).await.map(|token| text(&token)) })
        });
        for caller in callers.collect::<Vec<_>>() {
            assert_eq!(caller.await.unwrap(), Err(ErrorKind::Revoked));
        }
        sleep(120 * SECOND).await;
    }
    assert_eq!(provider.asked(), 1);
    let sign_in = OAuthToken::new().with(UserName, "ada").with(ClientId, "app").with(RefreshToken, "another");
    process.store.save_token(&Context::new(), &mut sign_in.clone()).await.unwrap();
    assert_eq!(text(&fresh(&refresher, &fleet.id).await.unwrap()), "fresh 2", "a new sign-in is another grant");
}

#[tokio::test(start_paused = true)]
async fn after_a_while_the_provider_is_asked_again_for_a_grant_that_it_refused() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let provider = Scripted::new(&fleet, &[Reply::Fails(ErrorKind::Revoked), Reply::Grants]);
    let refresher = refresher(&fleet.process(), &provider);
    assert_eq!(fresh(&refresher, &fleet.id).await.unwrap_err(), ErrorKind::Revoked);
    sleep(11 * 60 * SECOND).await;
    assert_eq!(text(&fresh(&refresher, &fleet.id).await.unwrap()), "fresh 2");
}

#[tokio::test(start_paused = true)]
async fn a_loser_of_a_race_takes_the_winners_token() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let provider = Scripted::new(&fleet, &[Reply::Fails(ErrorKind::Revoked)]);
    let process = fleet.process();
    let signing_in = async {
        sleep(SECOND / 2).await;
        let expiry = fleet.clock.now().after(LIFETIME).as_millis().to_string();
        let sign_in = OAuthToken::new().with(UserName, "ada").with(ClientId, "app").with(RefreshToken, "another");
        let mut sign_in = sign_in.with(AccessToken, "signed in").with(ExpiresIn, &expiry);
        process.store.save_token(&Context::new(), &mut sign_in).await.unwrap();
    };
    let refresher = refresher(&process, &provider);
    let (token, ()) = tokio::join!(fresh(&refresher, &fleet.id), signing_in);
    assert_eq!(text(&token.unwrap()), "signed in");
}

#[tokio::test(start_paused = true)]
async fn a_grant_is_exchanged_for_its_first_tokens() {
    let fleet = Fleet::new(memory(), LIFETIME).await;
    let provider = Scripted::new(&fleet, &[Reply::Rotates]);
    let mut token = OAuthToken::new().with(UserName, "eve").with(RefreshToken, "none yet");
    exchange(&*provider, &mut token, fleet.clock.now()).await.unwrap();
    assert_eq!((text(&token).as_str(), token.get(RefreshToken).unwrap().expose()), ("fresh 1", "refresh 1"));
    assert_eq!(token.user_name(), Some("eve"));
    assert_eq!(token.expires_at(), Some(fleet.clock.now().after(LIFETIME)));
}
