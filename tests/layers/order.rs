//! The order of the layers, by what goes wrong in another one. ARCHITECTURE.md and `tokenvault::layer` show the same orders.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokenvault::audit::file_sink::AuditFile;
use tokenvault::audit::keys::Keys;
use tokenvault::audit::recorder::{Recorder, RecorderOptions};
use tokenvault::backend::Backend;
use tokenvault::backend::audit_key::AuditKey;
use tokenvault::backend::leases::Granter;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::clock::{Clock, SystemClock, Timestamp};
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::layer::audit::Audited;
use tokenvault::layer::cache::Cache;
use tokenvault::layer::cache::options::CacheOptions;
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::layer::measure::Measured;
use tokenvault::metrics::Metrics;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;
use tokio::time::{Instant, sleep};

use crate::unhurried::Unhurried;

/// Tokio's time on the wall.
#[derive(Debug)]
struct Wall(Instant);

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).after(self.0.elapsed())
    }
}

type Store = Arc<dyn TokenStore>;

/// Puts a layer around a store.
type Around<'a> = &'a dyn Fn(Store) -> Store;

/// A vault with a token of ada's, and what layers are made of.
struct Scene {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    id: String,
    folder: TempDir,
    metrics: Arc<Mutex<Vec<u8>>>,
}

impl Scene {
    /// The token lives for so long.
    async fn new(left: Duration) -> Self {
        let (backend, clock) = (Arc::new(Unhurried(MemoryBackend::new())), Arc::new(Wall(Instant::now())));
        let end = clock.now().after(left).as_millis().to_string();
        let ada = OAuthToken::new().with(Field::UserName, "ada").with(Field::ClientId, "app");
        let ada = ada.with(Field::RefreshToken, "refresh").with(Field::AccessToken, "access 0");
        let mut ada = ada.with(Field::ExpiresIn, &end);
        let vault = Vault::with_clock(Arc::clone(&backend) as _, Arc::clone(&clock) as _);
        vault.save_token(&Context::new(), &mut ada).await.unwrap();
        let id = ada.id().unwrap().to_owned();
        Self { backend, clock, id, folder: TempDir::new().unwrap(), metrics: Arc::default() }
    }

    /// The vault with these layers around it, the outermost first.
    fn with(&self, layers: &[Around<'_>]) -> Store {
        let vault: Store = Arc::new(Vault::with_clock(Arc::clone(&self.backend), Arc::clone(&self.clock)));
        layers.iter().rev().fold(vault, |inner, layer| layer(inner))
    }

    fn cache(&self, inner: Store) -> Store {
        let mut options = CacheOptions::default();
        options.clock = Arc::clone(&self.clock);
        Arc::new(Cache::new(inner, options))
    }

    fn coordinated(&self, inner: Store) -> Store {
        let options = CoordinateOptions { clock: Arc::clone(&self.clock), ..CoordinateOptions::default() };
        let granter = Granter::new(Arc::clone(&self.backend), None, Arc::clone(&self.clock));
        Arc::new(Coordinated::new(inner, granter, "a test", options))
    }

    /// Where there is no such folder, no line can be written.
    fn audited_in(&self, path: PathBuf, inner: Store) -> Store {
        let keys = Keys::derive(&AuditKey::new(&[7; 32])).unwrap();
        let recorder = Recorder::new(Arc::new(AuditFile::new(path)), keys, RecorderOptions::default());
        Arc::new(Audited::new(inner, Arc::new(recorder)))
    }

    fn audited(&self, inner: Store) -> Store {
        self.audited_in(self.trail(), inner)
    }

    fn audited_in_vain(&self, inner: Store) -> Store {
        self.audited_in(self.folder.path().join("no folder").join("trail"), inner)
    }

    fn measured(&self, inner: Store) -> Store {
        let lines = Arc::clone(&self.metrics);
        let take = move |line: &[u8]| -> io::Result<()> {
            lines.lock().unwrap().extend_from_slice(line);
            Ok(())
        };
        Arc::new(Measured::new(inner, Arc::new(Metrics::new(take, Arc::new(SystemClock)))))
    }

    fn trail(&self) -> PathBuf {
        self.folder.path().join("trail")
    }

    /// How the finds ended that the trail has a line of.
    fn finds(&self) -> Vec<String> {
        let trail = std::fs::read_to_string(self.trail()).unwrap();
        let of_find = |line: &&str| line.contains(r#""operation":"find_token_by_id""#);
        let outcome = |line: &str| line.split_once(r#""outcome":""#).unwrap().1.split('"').next().unwrap().to_owned();
        trail.lines().filter(of_find).map(outcome).collect()
    }
}

async fn find(store: &Store, caller: &str, id: &str) -> Result<OAuthToken, ErrorKind> {
    let found = store.find_token_by_id(&Context::new().with_caller(caller), id).await.map_err(|error| error.kind())?;
    Ok(OAuthToken::clone(&found.value.unwrap()))
}

#[tokio::test(start_paused = true)]
async fn with_the_audit_below_the_cache_an_access_leaves_no_line() {
    let scene = Scene::new(Duration::from_secs(3600)).await;
    let (cache, audit): (Around<'_>, Around<'_>) = (&|inner| scene.cache(inner), &|inner| scene.audited(inner));
    for (layers, lines) in [([audit, cache], 3), ([cache, audit], 1)] {
        _ = std::fs::remove_file(scene.trail());
        let store = scene.with(&layers);
        for _ in 0..3 {
            find(&store, "somebody", &scene.id).await.unwrap();
        }
        assert_eq!(scene.finds().len(), lines, "{store}");
    }
}

/// What an SDK does: reads, and refreshes what has ended. Counts the refreshes; answers with what it got.
async fn call(store: Store, clock: Arc<dyn Clock>, caller: String, id: String, refreshed: Arc<AtomicUsize>) -> String {
    let token = find(&store, &caller, &id).await.unwrap();
    let is_ended = token.expires_at().unwrap() <= clock.now();
    let text = |token: &OAuthToken| token.fields().text(Field::AccessToken).unwrap().to_owned();
    if !is_ended {
        return text(&token);
    }
    sleep(Duration::from_millis(400)).await;
    let number = refreshed.fetch_add(1, Ordering::SeqCst) + 1;
    let end = clock.now().after(Duration::from_secs(3600)).as_millis().to_string();
    let mut token = token.with(Field::AccessToken, &format!("access {number}")).with(Field::ExpiresIn, &end);
    store.save_token(&Context::new().with_caller(caller), &mut token).await.unwrap();
    text(&token)
}

#[tokio::test(start_paused = true)]
async fn with_the_cache_above_coordination_all_who_wait_are_handed_the_token_that_one_is_to_refresh() {
    // The outermost first, and how many of eight callers at once refresh.
    for (is_cache_outside, expected) in [(false, 1), (true, 8)] {
        let scene = Scene::new(Duration::ZERO).await;
        let cache: Around<'_> = &|inner| scene.cache(inner);
        let coordinated: Around<'_> = &|inner| scene.coordinated(inner);
        let layers = if is_cache_outside { [cache, coordinated] } else { [coordinated, cache] };
        let (store, refreshed) = (scene.with(&layers), Arc::new(AtomicUsize::new(0)));
        let calls: Vec<_> = (0..8)
            .map(|number| {
                let (store, clock, refreshed) = (Arc::clone(&store), Arc::clone(&scene.clock), Arc::clone(&refreshed));
                tokio::spawn(call(store, clock, format!("task {number}"), scene.id.clone(), refreshed))
            })
            .collect();
        let mut got = Vec::new();
        for call in calls {
            got.push(call.await.unwrap());
        }
        assert_eq!(refreshed.load(Ordering::SeqCst), expected, "cache outside {is_cache_outside}: {got:?}");
        assert_eq!(got.iter().all(|access| access == "access 1"), !is_cache_outside, "{got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_audit_below_coordination_a_wait_leaves_the_lines_of_each_look_and_its_end_none() {
    for is_audit_outside in [true, false] {
        let scene = Scene::new(Duration::ZERO).await;
        let audit: Around<'_> = &|inner| scene.audited(inner);
        let coordinated: Around<'_> = &|inner| scene.coordinated(inner);
        let layers = if is_audit_outside { [audit, coordinated] } else { [coordinated, audit] };
        let store = scene.with(&layers);
        find(&store, "the holder", &scene.id).await.unwrap();
        assert_eq!(find(&store, "who waits", &scene.id).await.unwrap_err(), ErrorKind::Busy);
        let finds = scene.finds();
        if is_audit_outside {
            assert_eq!(finds, ["ok", "failed"]);
        } else {
            assert!(finds.len() > 3 && !finds.contains(&"failed".to_owned()), "{finds:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_measurement_below_the_audit_what_the_trail_refuses_counts_as_done() {
    let scene = Scene::new(Duration::from_secs(3600)).await;
    let audit: Around<'_> = &|inner| scene.audited_in_vain(inner);
    let measured: Around<'_> = &|inner| scene.measured(inner);
    for (layers, outcome) in [([measured, audit], None), ([audit, measured], Some("ok"))] {
        scene.metrics.lock().unwrap().clear();
        let kind = find(&scene.with(&layers), "somebody", &scene.id).await.unwrap_err();
        let lines = String::from_utf8(scene.metrics.lock().unwrap().clone()).unwrap();
        let told = lines.split_once(r#""outcome":""#).unwrap().1.split('"').next().unwrap();
        assert!(outcome.map_or(told != "ok", |outcome| told == outcome), "{kind:?}: {lines}");
    }
}

/// Whichever of them is asked for first.
#[cfg(feature = "file")]
#[tokio::test]
async fn what_is_opened_has_its_layers_in_their_order() {
    use tokenvault::error::Error;
    use tokenvault::open::opened::Opened;
    use tokenvault::open::{StoreLocation, open};

    let folder = TempDir::new().unwrap();
    let cached = |opened: Opened| opened.cached(CacheOptions::default());
    let coordinated = |opened: Opened| opened.coordinated("a test", CoordinateOptions::default());
    let measured = |opened: Opened| opened.measured(Arc::new(Metrics::new(|_| Ok(()), Arc::new(SystemClock))));
    let audited = async |opened: Opened| {
        let sink = Arc::new(AuditFile::new(folder.path().join("trail")));
        opened.audited(sink, RecorderOptions::default(), &Context::new()).await.unwrap()
    };
    let new = async || open(&StoreLocation::Memory, || Err(Error::invalid("none")), Duration::ZERO).await.unwrap();
    let in_order = [
        measured(audited(coordinated(cached(new().await))).await),
        coordinated(measured(cached(audited(new().await).await))),
        cached(audited(coordinated(measured(new().await))).await),
    ];
    for opened in &in_order {
        let shown = format!("{:?}", opened.shared_store());
        let places = ["Measured", "Audited", "Coordinated", "Cache", "Vault"].map(|layer| shown.find(layer).unwrap());
        assert!(places.is_sorted(), "{shown}");
        let plain = format!("{:?}", opened.uncoordinated());
        let places = ["Measured", "Audited", "Cache", "Vault"].map(|layer| plain.find(layer).unwrap());
        assert!(places.is_sorted() && !plain.contains("Coordinated"), "{plain}");
    }
}

#[cfg(feature = "file")]
#[tokio::test]
async fn what_is_opened_with_a_cache_forgets_what_is_deleted_past_it() {
    use tokenvault::error::Error;
    use tokenvault::open::{StoreLocation, open};

    let cx = Context::new();
    let opened = open(&StoreLocation::Memory, || Err(Error::invalid("none")), Duration::ZERO).await.unwrap();
    let opened = opened.cached(CacheOptions::default());
    let mut token = OAuthToken::new().with(Field::UserName, "ada").with(Field::AccessToken, "access");
    opened.store().save_token(&cx, &mut token).await.unwrap();
    let id = token.id().unwrap();
    for _ in 0..2 {
        assert!(opened.store().find_token_by_id(&cx, id).await.unwrap().value.is_some());
    }
    assert!(opened.cache().unwrap().statistics().hits > 0);
    assert!(opened.delete_record(&cx, id).await.unwrap().value.is_some());
    assert!(opened.store().find_token_by_id(&cx, id).await.unwrap().value.is_none());
}

/// Who was handed the store before the last layer was asked for refreshes with the others.
#[cfg(feature = "file")]
#[tokio::test]
async fn what_is_opened_coordinates_as_one_whichever_layers_come_later() {
    use tokenvault::error::Error;
    use tokenvault::open::{StoreLocation, open};

    let cx = Context::new().with_caller("one");
    let opened = open(&StoreLocation::Memory, || Err(Error::invalid("none")), Duration::ZERO).await.unwrap();
    let opened = opened.coordinated("a test", CoordinateOptions::default());
    let before = opened.shared_store();
    let after = opened.measured(Arc::new(Metrics::new(|_| Ok(()), Arc::new(SystemClock)))).shared_store();
    let token = OAuthToken::new().with(Field::UserName, "ada").with(Field::RefreshToken, "refresh");
    let mut token = token.with(Field::AccessToken, "access").with(Field::ExpiresIn, "1700000000000");
    before.save_token(&cx, &mut token).await.unwrap();
    let mut leases = Vec::new();
    for store in [before, after] {
        let found = store.find_token_by_id(&cx, token.id().unwrap()).await.unwrap().value.unwrap();
        leases.push(found.lease().unwrap());
    }
    assert_eq!(leases[0], leases[1], "the holder reads again, and does not wait for itself");
}

#[cfg(all(feature = "file", feature = "provider"))]
#[tokio::test]
async fn what_refreshes_by_itself_goes_around_all_layers_and_needs_the_one_that_coordinates() {
    use tokenvault::error::Error;
    use tokenvault::open::{StoreLocation, open};
    use tokenvault::provider::Provider;
    use tokenvault::provider::endpoint::Endpoint;
    use tokenvault::provider::http::HttpProvider;

    let provider = || Arc::new(HttpProvider::new(Endpoint::parse("eu").unwrap()).unwrap()) as Arc<dyn Provider>;
    let opened = open(&StoreLocation::Memory, || Err(Error::invalid("none")), Duration::ZERO).await.unwrap();
    let opened = opened.cached(CacheOptions::default());
    let opened = opened.measured(Arc::new(Metrics::new(|_| Ok(()), Arc::new(SystemClock))));
    let refused = opened.refresher(provider()).unwrap_err();
    assert!(refused.kind() == ErrorKind::InvalidInput && refused.hint().unwrap().contains("coordinated"), "{refused}");
    let opened = opened.coordinated("a test", CoordinateOptions::default());
    let shown = format!("{:?}", opened.refresher(provider()).unwrap());
    let places = ["Refresher", "Measured", "Coordinated", "Cache", "Vault"].map(|layer| shown.find(layer).unwrap());
    assert!(places.is_sorted(), "{shown}");
}
