//! A small vault with a past: what its file was and what it held, at every step.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource, Verification};
use tokenvault::crypto::kdf::KdfCost;
use tokenvault::error::{ErrorKind, Result};
use tokenvault::fields::Field;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::layout;

/// What a vault holds: every field of every token, by id.
pub(crate) type Held = BTreeMap<String, Vec<(&'static str, String)>>;

/// A vault under a key file. It was made, written and rotated once; after that come saves, several of them in one
/// frame, updates and deletes.
pub(crate) struct Story {
    folder: TempDir,
    /// The file before its rotation.
    pub(crate) before_rotation: Vec<u8>,
    /// The file at its end, with a little of the room set aside.
    pub(crate) bytes: Vec<u8>,
    /// What was committed since the rotation, in order. Saves at once are here in the order they were asked in, which
    /// is that of their frame's changes.
    pub(crate) committed: Vec<Held>,
}

/// What came of looking at a file.
pub(crate) type Seen = Result<(Held, Verification), ErrorKind>;

/// Zeros that are kept behind the last frame.
pub(crate) const ROOM: usize = 100;

/// A name so long that a rewrite finds none beside it: so tombstones stay in the file, and it keeps its generation.
pub(crate) fn long_name(word: &str) -> String {
    format!("{word:n<250}")
}

impl Story {
    pub(crate) async fn new() -> Self {
        let mut story = Self {
            folder: TempDir::new().unwrap(),
            before_rotation: Vec::new(),
            bytes: Vec::new(),
            committed: Vec::new(),
        };
        write(&story.key(), &[7; 32]);
        story.begin().await;
        story.go_on().await;
        story
    }

    async fn begin(&mut self) {
        let (cx, path) = (Context::new(), self.path("made.tv"));
        let file = Arc::new(FileBackend::create(self.options(&path), KdfCost::default()).unwrap());
        let vault = Vault::new(Arc::clone(&file) as _);
        for user in ["ada", "bob"] {
            vault.save_token(&cx, &mut token(user, 0)).await.unwrap();
        }
        self.before_rotation = layout::trimmed(std::fs::read(&path).unwrap());
        file.rotate_key(&cx).await.unwrap();
        self.committed.push(held(&vault).await);
        std::fs::rename(&path, self.path(&long_name("story"))).unwrap();
    }

    async fn go_on(&mut self) {
        let (cx, path) = (Context::new(), self.path(&long_name("story")));
        let vault = Vault::new(Arc::new(FileBackend::open(self.options(&path)).unwrap()));
        for (user, step) in [("cleo", 0), ("ada", 1)] {
            vault.save_token(&cx, &mut token(user, step)).await.unwrap();
            self.committed.push(held(&vault).await);
        }
        self.save_at_once(vault, &path).await;
        let vault = Vault::new(Arc::new(FileBackend::open(self.options(&path)).unwrap()));
        for user in ["bob", "dan3"] {
            let mut token = OAuthToken::new().with(Field::UserName, user);
            vault.find_token(&cx, &mut token).await.unwrap();
            vault.delete_token(&cx, token.id().unwrap()).await.unwrap();
            self.committed.push(held(&vault).await);
        }
        vault.save_token(&cx, &mut token("ada", 2)).await.unwrap();
        self.committed.push(held(&vault).await);
        self.bytes = layout::trimmed(std::fs::read(&path).unwrap());
        let commits = self.committed.len() - 1;
        let frames = layout::frames(&self.bytes).len();
        assert!(frames < 3 + commits, "some frame holds several changes: {frames} frames, {commits} commits");
    }

    /// Saves that all wait while the file is locked: they share a frame, or two.
    async fn save_at_once(&mut self, vault: Vault, path: &Path) {
        let locked = File::open(path).unwrap();
        locked.lock().unwrap();
        let vault = Arc::new(vault);
        let saves: Vec<_> = (0..4)
            .map(|number| {
                let vault = Arc::clone(&vault);
                tokio::spawn(async move {
                    let mut token = token(&format!("dan{number}"), 0);
                    vault.save_token(&Context::new(), &mut token).await.unwrap();
                    token
                })
            })
            .collect();
        // Each has been polled once after this, and nothing before the wait for the writer is ever pending.
        tokio::task::yield_now().await;
        locked.unlock().unwrap();
        let mut now = self.committed.last().unwrap().clone();
        for save in saves {
            let token = save.await.unwrap();
            now.insert(token.id().unwrap().to_owned(), texts(&token));
            self.committed.push(now.clone());
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The files that the vault `name` has left beside itself under the word `what`.
    pub(crate) fn beside(&self, name: &str, what: &str) -> Vec<PathBuf> {
        let start = format!(".{name}.{what}-");
        let paths = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(&start)).collect()
    }

    fn key(&self) -> PathBuf {
        self.path("key")
    }

    pub(crate) fn options(&self, path: &Path) -> FileOptions {
        FileOptions::new(path, KeySource::KeyFile(self.key()))
    }

    /// Opens these bytes as a vault and looks at everything in it, in every way there is.
    pub(crate) async fn look_at(&self, bytes: &[u8]) -> Seen {
        let path = self.path("case.tv");
        write(&path, bytes);
        let file = Arc::new(FileBackend::open(self.options(&path)).map_err(|error| error.kind())?);
        let seen = look_through(&file).await?;
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "whoever only looks changes nothing");
        Ok(seen)
    }

    /// What was committed last.
    pub(crate) fn last(&self) -> &Held {
        self.committed.last().unwrap()
    }
}

/// Everything that an open vault holds, found by listing, by id and by user.
pub(crate) async fn look_through(file: &Arc<FileBackend>) -> Seen {
    let cx = Context::new();
    let vault = Vault::new(Arc::clone(file) as _);
    let listed = vault.get_tokens(&cx).await.map_err(|error| error.kind())?.value;
    let mut all = Held::new();
    for token in listed {
        let id = token.id().unwrap();
        let by_id = vault.find_token_by_id(&cx, id).await.map_err(|error| error.kind())?.value.unwrap();
        let mut by_user = OAuthToken::new().with(Field::UserName, token.user_name().unwrap());
        assert!(vault.find_token(&cx, &mut by_user).await.map_err(|error| error.kind())?.value);
        assert_eq!((texts(&by_id), texts(&by_user)), (texts(&token), texts(&token)));
        all.insert(id.to_owned(), texts(&token));
    }
    let verified = file.verify(&cx).await.map_err(|error| error.kind())?;
    assert_eq!(verified.records, all.len());
    Ok((all, verified))
}

async fn held(vault: &Vault) -> Held {
    let tokens = vault.get_tokens(&Context::new()).await.unwrap().value;
    tokens.iter().map(|token| (token.id().unwrap().to_owned(), texts(token))).collect()
}

fn texts(token: &OAuthToken) -> Vec<(&'static str, String)> {
    token.fields().present().map(|(field, text)| (field.name(), text.expose().to_owned())).collect()
}

pub(crate) fn token(user: &str, step: usize) -> OAuthToken {
    OAuthToken::new()
        .with(Field::UserName, user)
        .with(Field::ClientId, "client")
        .with(Field::RefreshToken, &format!("refresh of {user}"))
        .with(Field::AccessToken, &format!("access {step} of {user}"))
}

#[allow(clippy::disallowed_methods, reason = "a test's own files")]
pub(crate) fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
