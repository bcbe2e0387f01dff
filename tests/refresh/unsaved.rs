//! Tokens that were refreshed, and cannot be saved yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::fields::Field::{AccessToken, ExpiresIn, RefreshToken, UserName};
use tokenvault::layer::fresh::Refresher;
use tokenvault::operation::{Answer, Context};
use tokenvault::pause::SystemPause;
use tokenvault::store::{Saved, TokenStore};
use tokenvault::token::OAuthToken;
use tokio::time::sleep;

use crate::fleet::{Fleet, LIFETIME, text};
use crate::fresh::{Reply, Scripted, fresh, refresher};
use crate::memory;

const SECOND: Duration = Duration::from_secs(1);

/// A store that takes no save for a while.
#[derive(Debug)]
struct Away {
    inner: Arc<dyn TokenStore>,
    saves_lost: AtomicUsize,
    saves: AtomicUsize,
}

impl Away {
    fn over(inner: &Arc<dyn TokenStore>, saves_lost: usize) -> Arc<Self> {
        let saves_lost = AtomicUsize::new(saves_lost);
        Arc::new(Self { inner: Arc::clone(inner), saves_lost, saves: AtomicUsize::new(0) })
    }
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
        self.saves.fetch_add(1, Ordering::SeqCst);
        // Others come to it meanwhile.
        sleep(SECOND / 10).await;
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
        let away = Away::over(&process.store, lost);
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
        let away = Away::over(&process.store, 100);
        let clock = Arc::clone(&process.clock);
        let refresher =
            Refresher::new(Arc::clone(&away) as _, Arc::clone(&provider) as _, clock, Arc::new(SystemPause));
        let given_up = tokio::time::timeout(patience, fresh(&refresher, &fleet.id)).await;
        assert!(matches!(given_up, Err(_) | Ok(Err(ErrorKind::Unavailable))));
        assert_eq!(fresh(&refresher, &fleet.id).await.unwrap_err(), ErrorKind::Unavailable, "still out of reach");
        assert_eq!(refresher.unsaved_tokens(), 1);
        sleep(SECOND).await;
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
    let away = Away::over(&process.store, 7);
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
        let away = Away::over(&process.store, 8);
        let clock = Arc::clone(&process.clock);
        let refresher = Refresher::new(away, Arc::clone(&provider) as _, clock, Arc::new(SystemPause));
        assert_eq!(fresh(&refresher, first).await.unwrap_err(), ErrorKind::Unavailable);
        sleep(SECOND).await;
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
    let away = Away::over(&process.store, 8);
    let clock = Arc::clone(&process.clock);
    let refresher = Refresher::new(Arc::clone(&away) as _, Arc::clone(&provider) as _, clock, Arc::new(SystemPause));
    assert_eq!(fresh(&refresher, &fleet.id).await.unwrap_err(), ErrorKind::Unavailable);
    assert!(process.store.delete_token(&Context::new(), &fleet.id).await.unwrap().value);
    sleep(SECOND).await;
    for _ in 0..2 {
        assert!(refresher.fresh_token(&Context::new(), &fleet.id).await.unwrap().value.is_none());
    }
}

/// The provider takes each refresh token once.
#[tokio::test(start_paused = true)]
async fn another_process_that_takes_over_while_the_first_cannot_save_costs_nothing() {
    let fleet = Fleet::new(memory(), Duration::ZERO).await;
    let provider = Scripted::new(&fleet, &[Reply::Rotates, Reply::Fails(ErrorKind::Revoked)]);
    let (first, second) = (fleet.process(), fleet.process());
    let away = Away::over(&first.store, 7);
    let clock = Arc::clone(&first.clock);
    let saving = Refresher::new(away, Arc::clone(&provider) as _, clock, Arc::new(SystemPause));
    let other = refresher(&second, &provider);
    let taking_over = async {
        sleep(100 * SECOND).await;
        let refused = fresh(&other, &fleet.id).await.unwrap_err();
        sleep(60 * SECOND).await;
        (refused, fresh(&other, &fleet.id).await)
    };
    let (saved, (refused, then)) = tokio::join!(fresh(&saving, &fleet.id), taking_over);
    assert_eq!((text(&saved.unwrap()), refused), ("fresh 1".to_owned(), ErrorKind::Revoked));
    let token = then.unwrap();
    assert_eq!((text(&token).as_str(), token.get(RefreshToken).unwrap().expose()), ("fresh 1", "refresh 1"));
    assert_eq!((provider.asked(), saving.unsaved_tokens()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_while_the_store_takes_no_save_has_the_old_token_and_adds_no_load() {
    let fleet = Fleet::new(memory(), 50 * SECOND).await;
    let provider = Scripted::new(&fleet, &[Reply::Rotates]);
    let process = fleet.process();
    let away = Away::over(&process.store, 5);
    let clock = Arc::clone(&process.clock);
    let refresher =
        Arc::new(Refresher::new(Arc::clone(&away) as _, Arc::clone(&provider) as _, clock, Arc::new(SystemPause)));
    let many = async {
        // The first save has failed, and the second comes in half a second; and once more between two later ones.
        for wait in [3 * SECOND / 2, 2 * SECOND] {
            sleep(wait).await;
            let callers = (0..64).map(|_| {
                let (refresher, id) = (Arc::clone(&refresher), fleet.id.clone());
                tokio::spawn(async move { fresh(&refresher, &id).await.map(|token| text(&token)) })
            });
            for caller in callers.collect::<Vec<_>>() {
                assert_eq!(caller.await.unwrap(), Ok("access 0".to_owned()), "it lives");
            }
        }
    };
    let (first, ()) = tokio::join!(fresh(&refresher, &fleet.id), many);
    assert_eq!((text(&first.unwrap()), provider.asked(), refresher.unsaved_tokens()), ("fresh 1".to_owned(), 1, 0));
    let saves = away.saves.load(Ordering::SeqCst);
    assert!(saves <= 8, "{saves} saves for six that were needed, and one for each time that many came at once");
}
