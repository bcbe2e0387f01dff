//! The vault as `tokenvault::open` composes it, over the simulator: a copy and a journal in files, and all that a program puts
//! around them.
#![allow(clippy::disallowed_methods, reason = "a test's own files")]

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::settings::Settings;
use tempfile::TempDir;
use tokenvault::backend::file::KeySource;
use tokenvault::conformance::Fresh;
use tokenvault::error::{ErrorKind, Result};
use tokenvault::open::aws::Location;
use tokenvault::open::open_through;
use tokenvault::open::opened::Opened;
use tokenvault::store::TokenStore;

use crate::simulated::World;
use crate::stack;

fn folder_with_key() -> TempDir {
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, [7; 32]).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    folder
}

async fn opened(world: &World, folder: &TempDir, location: &str) -> Result<Opened> {
    let location = location.replace("FOLDER", folder.path().to_str().unwrap());
    let key = || Ok(KeySource::KeyFile(folder.path().join("key")));
    let location = Location::parse(OsStr::new(&location)).unwrap();
    open_through(world.backend("one"), &location, key, Duration::from_secs(60)).await
}

async fn composed(location: &str) -> Fresh<Arc<dyn TokenStore>> {
    let (world, folder) = (World::new(Settings::new().seed(7)).await, folder_with_key());
    let opened = opened(&world, &folder, location).await.unwrap();
    stack::composed(opened, folder, world).await
}

const WITH_COPY: &str = "test/vault?region=us-east-1&fallback=file:FOLDER/copy.tv";
const WITH_JOURNAL: &str = "test/vault?region=us-east-1&fallback=file:FOLDER/copy.tv&journal=file:FOLDER/journal.tv";

const ALONE: &str = "test/vault?region=us-east-1&fallback=file:FOLDER/copy.tv&fallback_age=5400&journal=file:FOLDER/journal.tv&writers=one";

tokenvault::conformance_tests!(with_a_copy, || composed(WITH_COPY));
tokenvault::conformance_tests!(with_a_journal, || composed(WITH_JOURNAL));
tokenvault::conformance_tests!(by_who_is_alone, || composed(ALONE));

/// A copy is known by prefix, Region and endpoint: it must not be taken for that of what another backend reaches.
#[tokio::test]
async fn a_backend_is_opened_as_what_it_is() {
    let (world, folder) = (World::new(Settings::new().seed(7)).await, folder_with_key());
    for (location, said) in [
        ("test/other?region=us-east-1&fallback=file:FOLDER/copy.tv", "another prefix"),
        ("test/vault?fallback=file:FOLDER/copy.tv", "no Region"),
        ("test/vault?region=eu-west-1&fallback=file:FOLDER/copy.tv", "another Region"),
    ] {
        let refused = opened(&world, &folder, location).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        assert!(refused.message().contains(said), "{refused}");
        assert!(!folder.path().join("copy.tv").exists());
    }
    opened(&world, &folder, WITH_JOURNAL).await.unwrap();
    assert!(folder.path().join("copy.tv").exists() && folder.path().join("journal.tv").exists());
    let elsewhere = format!("{WITH_COPY}&endpoint=https://example.com");
    let other = opened(&world, &folder, &elsewhere).await.unwrap();
    assert_eq!(other.away().await.unwrap().unwrap().copy_as_of, None, "it is no copy of that one");
}
