//! The layers around a vault, and a vault with all of them, as their `Debug` shows them while they hold secrets.

use std::fmt::{self, Debug};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokenvault::audit::file_sink::AuditFile;
use tokenvault::audit::keys::Keys;
use tokenvault::audit::recorder::{Recorder, RecorderOptions};
use tokenvault::backend::audit_key::AuditKey;
use tokenvault::backend::fallback::FallbackBackend;
use tokenvault::backend::fallback::journal::Journal;
use tokenvault::backend::fallback::journal::lock_file::LockFile;
use tokenvault::backend::fallback::options::FallbackOptions;
use tokenvault::backend::file::KeySource;
use tokenvault::backend::leases::Granter;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::backend::{Backend, Candidates, Commit};
use tokenvault::clock::SystemClock;
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::identity::RecordName;
use tokenvault::layer::audit::Audited;
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::layer::journal::Journaled;
use tokenvault::layer::measure::Measured;
use tokenvault::layer::unsaved::Unsaved;
use tokenvault::lookup::LookupKey;
use tokenvault::metrics::Metrics;
use tokenvault::open::{StoreLocation, open};
use tokenvault::operation::{Answer, Context};
use tokenvault::record::Record;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

/// A store that is out of reach.
#[derive(Debug)]
struct Away;

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("away")
    }
}

fn away<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unavailable, "it is away"))
}

#[async_trait]
impl Backend for Away {
    async fn read(&self, _: &Context, _: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        away()
    }

    async fn resolve(&self, _: &Context, _: &[LookupKey]) -> Result<Answer<Candidates>> {
        away()
    }

    async fn commit(&self, _: &Context, _: Commit) -> Result<Answer<()>> {
        away()
    }

    async fn list(&self, _: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        away()
    }

    async fn clear(&self, _: &Context) -> Result<Answer<usize>> {
        away()
    }
}

fn keys() -> Keys {
    Keys::derive(&AuditKey::new(&[7; 32])).unwrap()
}

fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new(|_: &[u8]| Ok(()), Arc::new(SystemClock)))
}

/// Hands over each of them once it was used with `token`. `file` is a vault that `key` opens, and `folder` is free to use.
pub(crate) async fn used(
    token: &OAuthToken,
    folder: &Path,
    (file, key): (&Path, KeySource),
    mut show: impl FnMut(&dyn Debug),
) {
    let cx = Context::new();
    let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let granter = Granter::new(Arc::clone(&memory), None, Arc::new(SystemClock));
    let options = CoordinateOptions::default();
    let coordinated = Arc::new(Coordinated::new(Arc::new(Vault::new(memory)), granter, "here", options));
    let sink = Arc::new(AuditFile::new(folder.join("layers.jsonl")));
    let recorder = Arc::new(Recorder::new(Arc::clone(&sink) as _, keys(), RecorderOptions::default()));
    let audited = Arc::new(Audited::new(Arc::clone(&coordinated) as _, Arc::clone(&recorder)));
    let measured = Measured::new(Arc::clone(&audited) as _, metrics());
    measured.save_token(&cx, &mut token.clone()).await.unwrap();
    assert_eq!(measured.get_tokens(&cx).await.unwrap().value.len(), 1);
    without_journal(token, &mut show).await;
    with_journal(token, folder, &mut show).await;
    for thing in [&coordinated as &dyn Debug, &recorder, &audited, &measured] {
        show(thing);
    }
    #[cfg(feature = "provider")]
    show(&refresher(coordinated));
    let opened = open(&StoreLocation::File(file.to_owned()), || Ok(key), Duration::ZERO).await.unwrap();
    let opened = opened.coordinated("here", CoordinateOptions::default());
    let opened = opened.audited(sink, RecorderOptions::default(), &cx).await.unwrap().measured(metrics());
    opened.store().save_token(&cx, &mut token.clone()).await.unwrap();
    show(&opened);
}

async fn fallback() -> Arc<FallbackBackend> {
    let copy = Arc::new(MemoryBackend::new());
    Arc::new(FallbackBackend::new(Arc::new(Away), copy, "away", FallbackOptions::default()).await.unwrap())
}

/// It keeps what the store did not take.
async fn without_journal(token: &OAuthToken, show: &mut impl FnMut(&dyn Debug)) {
    let fallback = fallback().await;
    let unsaved = Unsaved::new(Arc::new(Vault::new(Arc::clone(&fallback) as _)), Arc::clone(&fallback));
    unsaved.save_token(&Context::new(), &mut token.clone()).await.unwrap_err();
    assert_eq!(unsaved.unsaved(), 1);
    show(&unsaved);
    show(&fallback);
}

async fn with_journal(token: &OAuthToken, folder: &Path, show: &mut impl FnMut(&dyn Debug)) {
    let fallback = fallback().await;
    let journal = Arc::new(Journal::open(Arc::new(MemoryBackend::new()), "away").await.unwrap());
    let vault = Arc::new(Vault::new(Arc::clone(&fallback) as _));
    let journaled = Journaled::new(vault, fallback, Arc::clone(&journal), LockFile::new(folder.join("player")));
    journaled.save_token(&Context::new(), &mut token.clone()).await.unwrap();
    assert_eq!(journal.status().await.unwrap().entries, 1);
    show(&journaled);
}

#[cfg(feature = "provider")]
fn refresher(store: Arc<dyn TokenStore>) -> tokenvault::layer::fresh::Refresher {
    use tokenvault::pause::SystemPause;
    use tokenvault::provider::endpoint::Endpoint;
    use tokenvault::provider::http::HttpProvider;

    let provider = HttpProvider::new(Endpoint::parse("http://127.0.0.1:9").unwrap()).unwrap();
    tokenvault::layer::fresh::Refresher::new(store, Arc::new(provider), Arc::new(SystemClock), Arc::new(SystemPause))
}
