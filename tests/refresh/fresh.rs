//! The vault refreshes by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, RefreshToken, UserName};
use tokenvault::fields::Fields;
use tokenvault::layer::fresh::{Refresher, exchange};
use tokenvault::operation::{Answer, Context};
use tokenvault::pause::SystemPause;
use tokenvault::provider::{Granted, Provider};
use tokenvault::secret::SecretText;
use tokenvault::store::{Saved, TokenStore};
use tokenvault::token::OAuthToken;
use tokio::time::sleep;

use crate::fleet::{Fleet, LIFETIME, Process, text};
use crate::memory;

const SECOND: Duration = Duration::from_secs(1);

/// Answers with what its script says, number after number; the last counts for ever.
#[derive(Debug)]
struct Scripted {
    asked: AtomicUsize,
    answers: Vec<Reply>,
    clock: Arc<dyn tokenvault::clock::Clock>,
}

#[derive(Clone, Copy, Debug)]
enum Reply {
    Grants,
    Rotates,
    GrantsWithoutEnd,
    Fails(ErrorKind),
}

impl Scripted {
    fn new(fleet: &Fleet, answers: &[Reply]) -> Arc<Self> {
        Arc::new(Self { asked: AtomicUsize::new(0), answers: answers.to_vec(), clock: Arc::clone(&fleet.clock) })
    }

    fn asked(&self) -> usize {
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

fn refresher(process: &Process, provider: &Arc<Scripted>) -> Refresher {
    let (store, clock) = (Arc::clone(&process.store), Arc::clone(&process.clock));
    Refresher::new(store, Arc::clone(provider) as _, clock, Arc::new(SystemPause))
}

async fn fresh(refresher: &Refresher, id: &str) -> Result<OAuthToken, ErrorKind> {
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

/// A store that takes no save for a while.
#[derive(Debug)]
struct Away {
    inner: Arc<dyn TokenStore>,
    saves_lost: AtomicUsize,
}

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("away")
    }
}

#[async_trait]
impl TokenStore for Away {
    async fn find_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<bool>> {
        self.inner.find_token(context, token).await
    }

    async fn find_token_by_id(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        self.inner.find_token_by_id(context, id).await
    }

    async fn save_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<Saved>> {
        let left = self.saves_lost.load(Ordering::SeqCst);
        if left > 0 {
            self.saves_lost.store(left - 1, Ordering::SeqCst);
            return Err(Error::new(ErrorKind::Unavailable, "scripted"));
        }
        self.inner.save_token(context, token).await
    }

    async fn delete_token(&self, context: &Context, id: &str) -> Result<Answer<bool>> {
        self.inner.delete_token(context, id).await
    }

    async fn get_tokens(&self, context: &Context) -> Result<Answer<Vec<Arc<OAuthToken>>>> {
        self.inner.get_tokens(context).await
    }

    async fn delete_tokens(&self, context: &Context) -> Result<Answer<usize>> {
        self.inner.delete_tokens(context).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_refreshed_token_is_saved_before_it_is_answered_however_long_that_takes() {
    for (lost, is_kept) in [(5, true), (100, false)] {
        let fleet = Fleet::new(memory(), Duration::ZERO).await;
        let provider = Scripted::new(&fleet, &[Reply::Rotates]);
        let process = fleet.process();
        let away = Arc::new(Away { inner: Arc::clone(&process.store), saves_lost: AtomicUsize::new(lost) });
        let clock = Arc::clone(&process.clock);
        let refresher = Refresher::new(away, Arc::clone(&provider) as _, clock, Arc::new(SystemPause));
        let answered = fresh(&refresher, &fleet.id).await;
        let expected = if is_kept { Ok("fresh 1".to_owned()) } else { Err(ErrorKind::Unavailable) };
        assert_eq!(answered.map(|token| text(&token)), expected);
        let mut stored = OAuthToken::new().with_id(&fleet.id);
        process.store.find_token(&Context::new(), &mut stored).await.unwrap();
        assert_eq!(text(&stored), if is_kept { "fresh 1" } else { "access 0" });
    }
}

#[tokio::test(start_paused = true)]
async fn a_refreshed_token_that_is_not_saved_goes_first_at_the_next_call() {
    // Given up while it waits for the store, or for the next attempt; and not saved at all of the attempts.
    for patience in [SECOND + SECOND / 2, 6 * SECOND, 600 * SECOND] {
        let fleet = Fleet::new(memory(), Duration::ZERO).await;
        let provider = Scripted::new(&fleet, &[Reply::Rotates]);
        let process = fleet.process();
        let away = Arc::new(Away { inner: Arc::clone(&process.store), saves_lost: AtomicUsize::new(100) });
        let clock = Arc::clone(&process.clock);
        let refresher =
            Refresher::new(Arc::clone(&away) as _, Arc::clone(&provider) as _, clock, Arc::new(SystemPause));
        let given_up = tokio::time::timeout(patience, fresh(&refresher, &fleet.id)).await;
        assert!(matches!(given_up, Err(_) | Ok(Err(ErrorKind::Unavailable))));
        assert_eq!(fresh(&refresher, &fleet.id).await.unwrap_err(), ErrorKind::Unavailable, "still out of reach");
        away.saves_lost.store(0, Ordering::SeqCst);
        let token = fresh(&refresher, &fleet.id).await.unwrap();
        assert_eq!((text(&token).as_str(), token.get(RefreshToken).unwrap().expose()), ("fresh 1", "refresh 1"));
        assert_eq!(provider.asked(), 1);
        assert!(!format!("{refresher:?}").contains("fresh 1"));
    }
}

/// The refresh token that the second would send is spent.
#[tokio::test(start_paused = true)]
async fn whoever_asks_while_a_refreshed_token_waits_to_be_saved_saves_it_and_refreshes_nothing() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let provider = Scripted::new(&fleet, &[Reply::Rotates]);
    let process = fleet.process();
    // The seventh attempt is made after 64 s, the eighth after 128 s; the lease has ended after 90 s.
    let away = Arc::new(Away { inner: Arc::clone(&process.store), saves_lost: AtomicUsize::new(7) });
    let clock = Arc::clone(&process.clock);
    let refresher = Refresher::new(away, Arc::clone(&provider) as _, clock, Arc::new(SystemPause));
    let second = async {
        sleep(100 * SECOND).await;
        fresh(&refresher, &fleet.id).await
    };
    let (first, second) = tokio::join!(fresh(&refresher, &fleet.id), second);
    assert_eq!((text(&first.unwrap()), text(&second.unwrap())), ("fresh 1".to_owned(), "fresh 1".to_owned()));
    assert_eq!(provider.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refreshed_token_that_is_not_saved_is_found_under_each_of_its_ids() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let process = fleet.process();
    let past = fleet.clock.now().as_millis().to_string();
    let token = OAuthToken::new().with(UserName, "eve").with(RefreshToken, "of eve").with(AccessToken, "old");
    let mut token = token.with(ExpiresIn, &past).with_id("17");
    process.store.save_token(&Context::new(), &mut token).await.unwrap();
    let records = fleet.backend.list(&Context::new()).await.unwrap().value;
    let name = records.iter().find(|record| record.has_id("17")).unwrap().name.to_string();
    for (first, second) in [("17", name.as_str()), (name.as_str(), "17")] {
        let provider = Scripted::new(&fleet, &[Reply::Rotates]);
        let away = Arc::new(Away { inner: Arc::clone(&process.store), saves_lost: AtomicUsize::new(8) });
        let clock = Arc::clone(&process.clock);
        let refresher = Refresher::new(away, Arc::clone(&provider) as _, clock, Arc::new(SystemPause));
        assert_eq!(fresh(&refresher, first).await.unwrap_err(), ErrorKind::Unavailable);
        assert_eq!(text(&fresh(&refresher, second).await.unwrap()), "fresh 1");
        assert_eq!(provider.asked(), 1, "{first}, {second}");
        sleep(2 * LIFETIME).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refreshed_token_of_one_that_was_deleted_meanwhile_is_forgotten() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let provider = Scripted::new(&fleet, &[Reply::Rotates]);
    let process = fleet.process();
    let away = Arc::new(Away { inner: Arc::clone(&process.store), saves_lost: AtomicUsize::new(8) });
    let clock = Arc::clone(&process.clock);
    let refresher = Refresher::new(Arc::clone(&away) as _, Arc::clone(&provider) as _, clock, Arc::new(SystemPause));
    assert_eq!(fresh(&refresher, &fleet.id).await.unwrap_err(), ErrorKind::Unavailable);
    assert!(process.store.delete_token(&Context::new(), &fleet.id).await.unwrap().value);
    for _ in 0..2 {
        assert!(refresher.fresh_token(&Context::new(), &fleet.id).await.unwrap().value.is_none());
    }
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
