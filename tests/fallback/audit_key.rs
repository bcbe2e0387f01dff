//! The key of the audit trail, for a process that starts while the store is out of reach.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokenvault::backend::audit_key::{AuditKey, AuditKeySource};
use tokenvault::backend::fallback::audit_key::KeyOfBoth;
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::operation::Context;

use crate::going::now;
use crate::scene::{Scene, record};
use crate::scripted::Fate;

/// A store's key, or why there is none.
#[derive(Debug)]
struct Source(Mutex<std::result::Result<u8, ErrorKind>>);

impl Source {
    fn new(key: u8) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Ok(key))))
    }

    fn says(&self, outcome: std::result::Result<u8, ErrorKind>) {
        *self.0.lock().unwrap() = outcome;
    }
}

#[async_trait]
impl AuditKeySource for Source {
    async fn audit_key(&self, _: &Context) -> Result<AuditKey> {
        let outcome = *self.0.lock().unwrap();
        outcome.map(|key| AuditKey::new(&[key; 32])).map_err(|kind| Error::new(kind, "there is no key"))
    }

    async fn existing_audit_key(&self, context: &Context) -> Result<Option<AuditKey>> {
        self.audit_key(context).await.map(Some)
    }
}

fn key(scene: &Scene, source: &Arc<Source>) -> std::result::Result<[u8; 32], ErrorKind> {
    let both = KeyOfBoth::new(Arc::clone(source) as _, Arc::clone(&scene.fallback));
    now(both.audit_key(&Context::new())).map(|key| *key.expose()).map_err(|error| error.kind())
}

#[test]
fn a_process_that_starts_while_the_store_is_away_has_the_key_from_the_copy() {
    let (scene, source) = (Scene::with(&record("ada")), Source::new(7));
    source.says(Err(ErrorKind::Unavailable));
    assert_eq!(key(&scene, &source), Err(ErrorKind::Unavailable), "the copy never had it");
    source.says(Ok(7));
    assert_eq!(key(&scene, &source), Ok([7; 32]));
    source.says(Err(ErrorKind::Unavailable));
    assert_eq!(key(&scene.another(), &source), Ok([7; 32]));
    source.says(Ok(8));
    assert_eq!(key(&scene, &source), Ok([8; 32]), "the store's is what counts");
    source.says(Err(ErrorKind::Unavailable));
    assert_eq!(key(&scene.another(), &source), Ok([8; 32]));
}

#[test]
fn a_refusal_of_the_store_stands() {
    let (scene, source) = (Scene::new(), Source::new(7));
    assert_eq!(key(&scene, &source), Ok([7; 32]));
    for kind in [ErrorKind::PermissionDenied, ErrorKind::WrongKey, ErrorKind::Gone, ErrorKind::Damaged] {
        source.says(Err(kind));
        assert_eq!(key(&scene, &source), Err(kind));
    }
}

#[test]
fn the_key_outlives_what_the_copy_goes_through_and_is_in_no_answer() {
    let ada = record("ada");
    let (scene, source) = (Scene::with(&ada), Source::new(7));
    assert_eq!(key(&scene, &source), Ok([7; 32]));
    let next = record("bob");
    scene.write(None, Some(&next)).unwrap();
    scene.write(Some(&ada), None).unwrap();
    source.says(Err(ErrorKind::Unavailable));
    assert_eq!(key(&scene.another(), &source), Ok([7; 32]));
    scene.is_away();
    assert_eq!(scene.read(next.name).unwrap().0, Some(next.version));
}

#[test]
fn a_copy_that_takes_nothing_stops_nobody() {
    let (scene, source) = (Scene::new(), Source::new(7));
    scene.copy.otherwise(Fate::Fails(ErrorKind::Io));
    assert_eq!(key(&scene, &source), Ok([7; 32]));
}
