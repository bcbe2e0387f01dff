use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use super::*;
use crate::backend::Candidates;
use crate::backend::memory::MemoryBackend;
use crate::clock::ManualClock;

fn token(user: &str, client: &str) -> OAuthToken {
    let token = OAuthToken::new().with(Field::UserName, user).with(Field::ClientId, client);
    token.with(Field::RefreshToken, &format!("{user} {client}"))
}

/// Waits for nobody: memory answers at once.
fn now<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    match work.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => panic!("memory let somebody wait"),
    }
}

#[test]
fn the_one_saved_last_is_that_also_while_the_clock_stands_still_or_goes_back() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_700_000_000_000)));
    let vault = Vault::with_clock(Arc::new(MemoryBackend::new()), Arc::clone(&clock) as _);
    let context = Context::new();
    for round in 0..40 {
        // Names are random: a tie would go to either.
        let user = format!("user {round}");
        for client in ["one", "two"] {
            now(vault.save_token(&context, &mut token(&user, client))).unwrap();
            if round % 2 == 0 {
                clock.set(Timestamp::from_millis(clock.now().as_millis() - 1));
            }
        }
        let mut wanted = OAuthToken::new().with(Field::UserName, &user);
        assert!(now(vault.find_token(&context, &mut wanted)).unwrap().value);
        assert_eq!(wanted.fields().text(Field::ClientId), Some("two"), "round {round}");
        clock.advance(Duration::from_millis(1));
    }
}

/// Somebody else signs the same user in right before one of the questions is answered.
#[derive(Debug)]
struct Interrupted {
    inner: Arc<MemoryBackend>,
    before: usize,
    asked: AtomicUsize,
    has_happened: AtomicBool,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

#[async_trait]
impl Backend for Interrupted {
    async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        self.inner.read(context, name).await
    }

    async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        if self.asked.fetch_add(1, Ordering::SeqCst) == self.before {
            let other = Vault::new(Arc::clone(&self.inner) as _);
            other.save_token(context, &mut token("alice", "app")).await?;
            self.has_happened.store(true, Ordering::SeqCst);
        }
        self.inner.resolve(context, keys).await
    }

    async fn commit(&self, context: &Context, commit: Commit) -> Result<Answer<()>> {
        self.inner.commit(context, commit).await
    }

    async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        self.inner.list(context).await
    }

    async fn clear(&self, context: &Context) -> Result<Answer<usize>> {
        self.inner.clear(context).await
    }
}

#[test]
fn a_sign_in_that_another_of_the_same_user_gets_ahead_of_becomes_its_update() {
    for before in 0.. {
        let (asked, has_happened) = (AtomicUsize::new(0), AtomicBool::new(false));
        let backend = Interrupted { inner: Arc::new(MemoryBackend::new()), before, asked, has_happened };
        let backend = Arc::new(backend);
        let vault = Vault::new(Arc::clone(&backend) as _);
        let saved = now(vault.save_token(&Context::new(), &mut token("alice", "app"))).unwrap().value;
        assert_eq!(now(vault.get_tokens(&Context::new())).unwrap().value.len(), 1, "before question {before}");
        if !backend.has_happened.load(Ordering::SeqCst) {
            assert!(before >= 2, "the rule asks at least twice");
            return;
        }
        assert_eq!(saved.outcome, Outcome::Updated, "before question {before}");
    }
}
