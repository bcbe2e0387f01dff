//! The encrypted file as its users meet it: several handles, rotation, wrong keys, refused files.
#![cfg(feature = "file")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::crypto::kdf::KdfCost;
use tokenvault::error::{ErrorKind, Result};
use tokenvault::fields::Field;
use tokenvault::operation::Context;
use tokenvault::secret::SecretText;
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

/// A vault in a folder of its own, under a key file.
struct Scene {
    folder: TempDir,
}

const CHEAP: KdfCost = KdfCost { memory_kib: KdfCost::MIN_MEMORY_KIB, passes: 1, lanes: 1 };

impl Scene {
    fn new() -> Self {
        let scene = Self { folder: TempDir::new().unwrap() };
        write(&scene.path("key"), &[7; 32]);
        drop(FileBackend::create(scene.options(), CHEAP).unwrap());
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn options(&self) -> FileOptions {
        FileOptions::new(self.path("vault.tv"), KeySource::KeyFile(self.path("key")))
    }

    fn open(&self) -> (Arc<FileBackend>, Vault) {
        let backend = Arc::new(FileBackend::open(self.options()).unwrap());
        (Arc::clone(&backend), Vault::new(backend))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[allow(clippy::disallowed_methods, reason = "a test's own files")]
fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn token(user: &str) -> OAuthToken {
    OAuthToken::new()
        .with(Field::UserName, user)
        .with(Field::ClientId, "client")
        .with(Field::RefreshToken, &format!("refresh of {user}"))
        .with(Field::AccessToken, "access")
}

async fn access(vault: &Vault, user: &str) -> Option<String> {
    let mut wanted = OAuthToken::new().with(Field::UserName, user);
    let found = vault.find_token(&Context::new(), &mut wanted).await.unwrap().value;
    found.then(|| wanted.get(Field::AccessToken).unwrap().expose().to_owned())
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    result.err().expect("an error").kind()
}

#[tokio::test]
async fn what_is_saved_is_there_for_the_next_handle() {
    let scene = Scene::new();
    let cx = Context::new();
    let mut saved = token("u");
    scene.open().1.save_token(&cx, &mut saved).await.unwrap();
    let (_, vault) = scene.open();
    assert_eq!(access(&vault, "u").await.as_deref(), Some("access"));
    assert!(vault.find_token_by_id(&cx, saved.id().unwrap()).await.unwrap().value.is_some());
}

#[tokio::test]
async fn handles_see_each_others_writes_and_rewrites() {
    let scene = Scene::new();
    let cx = Context::new();
    let ((one_file, one), (two_file, two)) = (scene.open(), scene.open());
    let mut t = token("u");
    one.save_token(&cx, &mut t).await.unwrap();
    assert_eq!(access(&two, "u").await.as_deref(), Some("access"));
    for round in 0..20 {
        let generation = one_file.rotate_key(&cx).await.unwrap();
        let text = format!("access {round}");
        let mut other = OAuthToken::new().with(Field::UserName, "u").with(Field::AccessToken, &text);
        assert_eq!(two.save_token(&cx, &mut other).await.unwrap().value.outcome, Outcome::Updated);
        assert_eq!(access(&one, "u").await.unwrap(), text);
        assert!(two_file.rotate_key(&cx).await.unwrap() > generation);
    }
    assert_eq!(two_file.verify(&cx).await.unwrap().records, 1);
    assert_eq!(scene.names(), ["key", "vault.tv"], "nothing is left beside the vault");
}

#[tokio::test]
async fn a_deleted_token_s_bytes_leave_a_small_file_at_once() {
    let scene = Scene::new();
    let cx = Context::new();
    let (file, vault) = scene.open();
    let mut tokens = [token("u"), token("v")];
    for token in &mut tokens {
        vault.save_token(&cx, token).await.unwrap();
    }
    assert!(vault.delete_token(&cx, tokens[0].id().unwrap()).await.unwrap().value);
    // The delete is answered before the rewrite that follows it: the next write waits for its turn behind it.
    vault.save_token(&cx, &mut tokens[1]).await.unwrap();
    let found = file.verify(&cx).await.unwrap();
    assert_eq!((found.records, found.generation), (1, 2), "{found:?}");
    assert_eq!(kind(vault.save_token(&cx, &mut tokens[0]).await), ErrorKind::Gone);
}

#[tokio::test]
async fn commits_that_wait_together_share_frames_and_none_is_lost() {
    let scene = Scene::new();
    let (_, vault) = scene.open();
    let vault = Arc::new(vault);
    let another_process = std::fs::File::open(scene.path("vault.tv")).unwrap();
    another_process.lock().unwrap();
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let vault = Arc::clone(&vault);
            tokio::spawn(async move { vault.save_token(&Context::new(), &mut token(&number.to_string())).await })
        })
        .collect();
    for _ in 0..400 {
        tokio::task::yield_now().await; // every task gets as far as waiting
    }
    another_process.unlock().unwrap();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().value.outcome, Outcome::Inserted);
    }
    let (file, again) = scene.open();
    assert_eq!(again.get_tokens(&Context::new()).await.unwrap().value.len(), 200);
    let found = file.verify(&Context::new()).await.unwrap();
    assert!(found.frames < 20, "{found:?}");
}

#[tokio::test]
async fn a_new_passphrase_opens_the_vault_and_the_old_key_does_not() {
    let scene = Scene::new();
    let cx = Context::new();
    let (file, vault) = scene.open();
    let (_, other) = scene.open();
    vault.save_token(&cx, &mut token("u")).await.unwrap();
    let passphrase = KeySource::Passphrase(SecretText::new("correct horse"));
    file.change_key(&cx, passphrase.clone(), CHEAP).await.unwrap();
    assert_eq!(access(&vault, "u").await.as_deref(), Some("access"), "the handle that changed it goes on");
    assert_eq!(kind(other.get_tokens(&cx).await), ErrorKind::WrongKey);
    assert_eq!(kind(FileBackend::open(scene.options())), ErrorKind::WrongKey);
    let wrong = KeySource::Passphrase(SecretText::new("correct horsf"));
    assert_eq!(kind(FileBackend::open(FileOptions::new(scene.path("vault.tv"), wrong))), ErrorKind::WrongKey);
    let again = FileBackend::open(FileOptions::new(scene.path("vault.tv"), passphrase)).unwrap();
    assert_eq!(access(&Vault::new(Arc::new(again)), "u").await.as_deref(), Some("access"));
}

#[tokio::test]
async fn a_handle_takes_a_changed_passphrase_from_its_file() {
    let scene = Scene::new();
    let cx = Context::new();
    let source = |name| KeySource::PassphraseFile(scene.path(name));
    write(&scene.path("passphrase"), b"correct horse\n");
    write(&scene.path("next"), b"battery staple\n");
    let (file, vault) = scene.open();
    vault.save_token(&cx, &mut token("u")).await.unwrap();
    file.change_key(&cx, source("passphrase"), CHEAP).await.unwrap();
    let other_file = FileBackend::open(FileOptions::new(scene.path("vault.tv"), source("passphrase"))).unwrap();
    let other_file = Arc::new(other_file);
    let other = Vault::new(Arc::clone(&other_file) as _);
    file.change_key(&cx, source("next"), CHEAP).await.unwrap();
    for _ in 0..2 {
        let read = other.get_tokens(&cx).await.map(drop);
        let saved = other.save_token(&cx, &mut token("v")).await.map(drop);
        for error in [read, saved, other_file.rotate_key(&cx).await.map(drop)].map(Result::unwrap_err) {
            let said = (error.kind(), error.message(), error.hint().unwrap());
            let changed = "the vault's key was changed while this program had it open";
            let hint = "give this program the new passphrase or key, and start it anew";
            assert_eq!(said, (ErrorKind::WrongKey, changed, hint));
        }
    }
    write(&scene.path("passphrase"), b"battery staple\n");
    assert_eq!(access(&other, "u").await.as_deref(), Some("access"));
    other.save_token(&cx, &mut token("v")).await.unwrap();
    assert_eq!(access(&vault, "v").await.as_deref(), Some("access"));
    other_file.rotate_key(&cx).await.unwrap();
    vault.save_token(&cx, &mut token("w")).await.unwrap();
    assert_eq!(access(&other, "w").await.as_deref(), Some("access"));
}

#[tokio::test]
async fn what_is_not_a_vault_is_refused_and_left_alone() {
    let scene = Scene::new();
    let path = scene.path("other");
    let open = || FileBackend::open(FileOptions::new(&path, KeySource::KeyFile(scene.path("key"))));
    assert_eq!(kind(open()), ErrorKind::NotFound);
    for bytes in [&b""[..], b"not a vault at all", &[0; 5000]] {
        write(&path, bytes);
        assert!(matches!(kind(open()), ErrorKind::InvalidInput | ErrorKind::Unsupported), "{bytes:?}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        assert!(FileBackend::create(FileOptions::new(&path, KeySource::KeyFile(scene.path("key"))), CHEAP).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(kind(open()), ErrorKind::InvalidInput);
    std::fs::set_permissions(scene.path("vault.tv"), std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(kind(FileBackend::open(scene.options())), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_backup_is_a_vault_of_that_moment() {
    let scene = Scene::new();
    let cx = Context::new();
    let (file, vault) = scene.open();
    vault.save_token(&cx, &mut token("u")).await.unwrap();
    assert_eq!(file.backup(&cx, &scene.path("backup.tv")).await.unwrap(), 1);
    vault.save_token(&cx, &mut token("v")).await.unwrap();
    assert_eq!(kind(file.backup(&cx, &scene.path("backup.tv")).await), ErrorKind::InvalidInput);
    let backup = FileBackend::open(FileOptions::new(scene.path("backup.tv"), KeySource::KeyFile(scene.path("key"))));
    let tokens = Vault::new(Arc::new(backup.unwrap())).get_tokens(&cx).await.unwrap().value;
    assert_eq!(tokens.iter().map(|token| token.user_name()).collect::<Vec<_>>(), [Some("u")]);
}

#[tokio::test]
async fn another_vault_in_the_same_place_is_noticed() {
    let (scene, other) = (Scene::new(), Scene::new());
    let cx = Context::new();
    let (file, vault) = scene.open();
    vault.save_token(&cx, &mut token("u")).await.unwrap();
    // Waits until the writer has given the lock back: while it holds it, nobody else's file is looked for.
    file.verify(&cx).await.unwrap();
    let own = std::fs::read(scene.path("vault.tv")).unwrap();
    std::fs::rename(other.path("vault.tv"), scene.path("vault.tv")).unwrap();
    let read = vault.get_tokens(&cx).await.map(drop);
    for error in [read, vault.save_token(&cx, &mut token("v")).await.map(drop)].map(Result::unwrap_err) {
        let said = (error.kind(), error.message(), error.hint().unwrap());
        let another = "another vault has been put in this one's place";
        let hint = "put the right file back, or start this program anew to use the other vault";
        assert_eq!(said, (ErrorKind::Damaged, another, hint));
    }
    write(&scene.path("again"), &own);
    std::fs::rename(scene.path("again"), scene.path("vault.tv")).unwrap();
    assert_eq!(access(&vault, "u").await.as_deref(), Some("access"), "the right one is taken up again");
}

#[tokio::test]
async fn a_file_set_back_under_a_running_process_is_noticed() {
    let scene = Scene::new();
    let cx = Context::new();
    let (file, vault) = scene.open();
    vault.save_token(&cx, &mut token("u")).await.unwrap();
    let early = std::fs::read(scene.path("vault.tv")).unwrap();
    vault.save_token(&cx, &mut token("v")).await.unwrap();
    // As above.
    file.verify(&cx).await.unwrap();
    let put_back = || {
        write(&scene.path("early"), &early);
        std::fs::rename(scene.path("early"), scene.path("vault.tv")).unwrap();
    };
    put_back();
    for _ in 0..2 {
        assert_eq!(kind(vault.get_tokens(&cx).await), ErrorKind::Damaged, "fewer frames of one generation");
    }
    drop((file, vault));
    let (file, vault) = scene.open();
    file.rotate_key(&cx).await.unwrap();
    file.verify(&cx).await.unwrap();
    put_back();
    assert_eq!(kind(vault.get_tokens(&cx).await), ErrorKind::Damaged, "a lower generation");
}
