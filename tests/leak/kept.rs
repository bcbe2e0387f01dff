//! What layers keep in memory: wiped when it is not kept any more, and when the layer is dropped.

use std::fmt;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokenvault::backend::fallback::FallbackBackend;
use tokenvault::backend::fallback::options::FallbackOptions;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::backend::{Backend, Candidates, Commit};
use tokenvault::clock::{ManualClock, Timestamp};
use tokenvault::crypto::kdf::KdfCost;
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::fields::Field;
use tokenvault::identity::RecordName;
use tokenvault::layer::cache::Cache;
use tokenvault::layer::cache::options::CacheOptions;
use tokenvault::layer::unsaved::Unsaved;
use tokenvault::lookup::LookupKey;
use tokenvault::operation::{Answer, Context, Source};
use tokenvault::pause::{Pause, Paused};
use tokenvault::record::Record;
use tokenvault::secret::SecretText;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::memory::found_of;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Longer than a failure of the store is remembered.
const WHILE: Duration = Duration::from_secs(11);

/// Nobody waits in vain: what is asked answers at once.
#[derive(Debug)]
struct Never;

impl Pause for Never {
    fn pause(&self, _: Duration) -> Paused<'_> {
        Box::pin(pending())
    }
}

/// A store that can be out of reach.
#[derive(Debug)]
struct Reach {
    inner: Arc<FileBackend>,
    is_away: AtomicBool,
}

impl Reach {
    fn inner(&self) -> Result<&FileBackend> {
        let away = || Error::new(ErrorKind::Unavailable, "away");
        if self.is_away.load(Ordering::SeqCst) { Err(away()) } else { Ok(&self.inner) }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

#[async_trait]
impl Backend for Reach {
    async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        self.inner()?.read(context, name).await
    }

    async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        self.inner()?.resolve(context, keys).await
    }

    async fn commit(&self, context: &Context, commit: Commit) -> Result<Answer<()>> {
        self.inner()?.commit(context, commit).await
    }

    async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        self.inner()?.list(context).await
    }

    async fn clear(&self, context: &Context) -> Result<Answer<usize>> {
        self.inner()?.clear(context).await
    }
}

/// Checks whose secrets lie in memory: those of ada, who has the id 1, and of bob, who has 2.
fn assert_held(seed: u64, held: [bool; 2], what: &str) {
    let found = [1, 2].map(|id| found_of(seed, id));
    assert_eq!(found.each_ref().map(|found| !found.is_empty()), held, "{what}: {found:?}");
}

async fn find(store: &dyn TokenStore, id: &str) -> (OAuthToken, Source) {
    let found = store.find_token_by_id(&Context::new(), id).await.unwrap();
    (OAuthToken::clone(&found.value.unwrap()), found.source)
}

/// Looks at the token with this id, twice: by its id and by its user.
async fn look(store: &dyn TokenStore, id: &str, user: &str) {
    drop(find(store, id).await);
    let mut token = OAuthToken::new().with(Field::UserName, user);
    assert!(store.find_token(&Context::new(), &mut token).await.unwrap().value);
}

pub(crate) async fn in_a_cache(file: &Arc<FileBackend>, seed: u64) {
    let cached = |capacity| {
        let mut options = CacheOptions::default();
        (options.capacity, options.pause) = (capacity, Arc::new(Never));
        let clock = Arc::new(ManualClock::new(NOW));
        options.clock = Arc::clone(&clock) as _;
        (Cache::new(Arc::new(Vault::new(Arc::clone(file) as _)), options), clock)
    };
    let (small, _) = cached(2);
    assert_held(seed, [false, false], "at the outset");
    look(&small, "1", "ada").await;
    assert_held(seed, [true, false], "cached");
    assert_eq!(find(&small, "1").await.1, Source::Cache);
    look(&small, "2", "bob").await;
    assert_held(seed, [false, true], "of two answers, the cache has room for the last");
    small.clear();
    assert_held(seed, [false, false], "cleared");

    let (large, clock) = cached(1000);
    look(&large, "1", "ada").await;
    clock.advance(Duration::from_hours(1));
    look(&large, "2", "bob").await;
    assert_held(seed, [false, true], "what is too old goes when others come");
    look(&large, "1", "ada").await;
    let (mut token, _) = find(&large, "1").await;
    token.set(Field::ApiDomain, Some(SecretText::new("eu")));
    large.save_token(&Context::new(), &mut token).await.unwrap();
    drop(token);
    assert_held(seed, [true, true], "what was saved is answered");
    drop(large);
    assert_held(seed, [false, false], "the cache is dropped");
}

pub(crate) async fn unsaved(folder: &Path, file: &Arc<FileBackend>, key: KeySource, seed: u64) {
    let store = Arc::new(Reach { inner: Arc::clone(file), is_away: AtomicBool::default() });
    let is_away = |is_away| store.is_away.store(is_away, Ordering::SeqCst);
    let copy = FileBackend::create(FileOptions::new(folder.join("copy.tv"), key), KdfCost::default()).unwrap();
    let clock = Arc::new(ManualClock::new(NOW));
    let mut options = FallbackOptions::default();
    (options.clock, options.pause) = (Arc::clone(&clock) as _, Arc::new(Never));
    let fallback = FallbackBackend::new(Arc::clone(&store) as _, Arc::new(copy), "the store", options).await.unwrap();
    let fallback = Arc::new(fallback);
    let layer = Unsaved::new(Arc::new(Vault::new(Arc::clone(&fallback) as _)), fallback);
    look(&layer, "1", "ada").await;
    assert_held(seed, [false, false], "the copy is a file");

    for is_to_be_saved in [true, false] {
        let (mut token, _) = find(&layer, "1").await;
        let next = if is_to_be_saved { Field::GrantToken } else { Field::ClientSecret };
        token.set(Field::AccessToken, token.get(next).cloned());
        is_away(true);
        layer.save_token(&Context::new(), &mut token).await.unwrap_err();
        drop(token);
        assert_held(seed, [true, false], "kept");
        // Which record it means is decided in memory, too.
        assert_eq!(find(&layer, "1").await.1, Source::Fallback);
        if is_to_be_saved {
            is_away(false);
            clock.advance(WHILE);
            drop(find(&layer, "1").await);
            assert_eq!(layer.unsaved(), 0);
            assert_held(seed, [false, false], "what was kept is saved");
        }
    }
    assert_eq!(layer.unsaved(), 1);
    drop(layer);
    assert_held(seed, [false, false], "the layer is dropped");
}
