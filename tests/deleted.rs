//! When the bytes of deleted tokens leave a file that is too large to be written anew at every delete.
#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::clock::{ManualClock, Timestamp};
use tokenvault::crypto::kdf::KdfCost;
use tokenvault::fields::Field;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

/// The longest text that a field takes.
const LONG: usize = 64 * 1024;

struct Scene {
    _folder: TempDir,
    options: FileOptions,
    clock: Arc<ManualClock>,
    tokens: Vec<OAuthToken>,
    writes: usize,
}

impl Scene {
    #[allow(clippy::disallowed_methods, reason = "a test's own files")]
    async fn new(count: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let key = folder.path().join("key");
        std::fs::write(&key, [7; 32]).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_800_000_000_000)));
        let mut options = FileOptions::new(folder.path().join("vault.tv"), KeySource::KeyFile(key));
        options.clock = Arc::clone(&clock) as _;
        drop(FileBackend::create(options.clone(), KdfCost::default()).unwrap());
        let mut scene = Self { _folder: folder, options, clock, tokens: Vec::new(), writes: 0 };
        let vault = scene.open();
        for number in 0..count {
            let user = format!("user {number}");
            let mut token = OAuthToken::new().with(Field::UserName, &user).with(Field::AccessToken, &"x".repeat(LONG));
            vault.save_token(&Context::new(), &mut token).await.unwrap();
            scene.tokens.push(token);
        }
        scene
    }

    /// Opens the vault. Whoever drops it waits for the rewrite that its last write has made due.
    fn open(&self) -> Vault {
        let file = FileBackend::open(self.options.clone()).unwrap();
        Vault::with_clock(Arc::new(file), Arc::clone(&self.clock) as _)
    }

    async fn delete(&mut self, count: usize) {
        let vault = self.open();
        for token in self.tokens.drain(..count) {
            assert!(vault.delete_token(&Context::new(), token.id().unwrap()).await.unwrap().value);
        }
    }

    /// A small write; and after it the file's generation, and how much of it is dead.
    async fn after_a_write(&mut self) -> (u64, u64) {
        let cx = Context::new();
        self.writes += 1;
        let text = format!("another each time: {}", self.writes);
        let mut token = OAuthToken::new().with(Field::UserName, "small").with(Field::AccessToken, &text);
        self.open().save_token(&cx, &mut token).await.unwrap();
        let found = FileBackend::open(self.options.clone()).unwrap().verify(&cx).await.unwrap();
        (found.generation, found.dead_bytes)
    }
}

#[tokio::test]
async fn a_deleted_token_leaves_a_large_file_with_the_first_write_after_half_a_day() {
    let mut scene = Scene::new(6).await;
    scene.delete(1).await;
    let (generation, dead) = scene.after_a_write().await;
    assert!(generation == 1 && dead > LONG as u64, "a large file is not rewritten for one: {generation}, {dead}");
    scene.clock.advance(Duration::from_secs(12 * 3600 - 1));
    assert_eq!(scene.after_a_write().await.0, 1);
    scene.clock.advance(Duration::from_secs(1));
    let (generation, dead) = scene.after_a_write().await;
    assert!(generation == 2 && dead < 4096, "{generation}, {dead}");
}

#[tokio::test]
async fn deleted_tokens_leave_a_large_file_once_they_are_more_than_half_of_it() {
    let mut scene = Scene::new(36).await;
    scene.delete(17).await;
    assert_eq!(scene.after_a_write().await.0, 1, "more than a mebibyte, and less than half");
    scene.delete(2).await;
    let (generation, dead) = scene.after_a_write().await;
    assert!(generation == 2 && dead < 2 * LONG as u64, "{generation}, {dead}");
}
