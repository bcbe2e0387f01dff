//! A vault in a folder of its own, the program run on it, and a look at it after every kill.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;
use tokenvault::backend::file::{FileOptions, KeySource};
use tokenvault::clock::Clock;
use tokenvault::error::Result;

use crate::handle::{Contents, Handle};
use crate::token;
use crate::victim::{self, Ended, Moment, has_rewrite};

/// What opens the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    File(PathBuf),
    Passphrase(PathBuf),
}

impl Key {
    pub(crate) fn source(&self) -> KeySource {
        match self.clone() {
            Self::File(path) => KeySource::KeyFile(path),
            Self::Passphrase(path) => KeySource::PassphraseFile(path),
        }
    }
}

pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) key: Key,
    /// Open all the time, over every rewrite.
    pub(crate) handle: Handle,
}

impl Scene {
    /// An empty vault under a key file, made by the program.
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix("tokenvault-crash-").unwrap();
        let key = Key::File(folder.path().join("key"));
        let mut init = command(folder.path(), &key);
        init.args(["init", "--make-key-file"]);
        let made = init.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let handle = Handle::open(&folder.path().join("vault.tv"), key.source()).unwrap();
        Self { folder, key, handle }
    }

    /// The same with these many users, of tokens of about this size.
    pub(crate) fn with_users(count: usize, size: usize) -> Self {
        let scene = Self::new();
        for number in 0..count {
            scene.handle.save(&mut token::to_token(&token::texts(&format!("user {number}"), 0, size))).unwrap();
        }
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.unwrap().write_all(bytes).unwrap();
        path
    }

    pub(crate) fn open(&self, key: &Key) -> Result<Handle> {
        Handle::open(&self.path("vault.tv"), key.source())
    }

    /// A handle whose clock is this one.
    pub(crate) fn open_at(&self, clock: Arc<dyn Clock>) -> Handle {
        let options = FileOptions { clock, ..FileOptions::new(self.path("vault.tv"), self.key.source()) };
        Handle::with_options(options).unwrap()
    }

    /// The vault opens by this key from now on.
    pub(crate) fn take_up(&mut self, key: Key) {
        self.key = key;
        // The handle would ask the source it was made with.
        self.handle = self.open(&self.key).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.folder(), &self.key);
        command.args(arguments);
        command
    }

    /// Runs the program, and kills it at this moment unless it ends before; then it must have ended well.
    pub(crate) fn kill(&self, arguments: &[&str], stdin: &[u8], moment: Moment) -> Ended {
        let ended = victim::run(self.command(arguments), stdin, self.folder(), moment);
        assert!(ended.was_killed || ended.code == Some(0), "{arguments:?}: {:?} {}", ended.code, ended.stderr);
        ended
    }

    /// What is stored. The handle that was open all the time and one that opens now must agree, and every frame open.
    pub(crate) fn look(&self) -> Contents {
        let known = self.handle.contents().unwrap();
        let fresh = self.open(&self.key).unwrap();
        fresh.verify().unwrap();
        assert!(fresh.contents().unwrap() == known, "two handles disagree");
        known
    }

    /// Rewrites the vault: whatever killed rewrites left is gone then.
    pub(crate) fn tidy(&self) {
        let before = self.handle.contents().unwrap();
        self.handle.rotate().unwrap();
        assert!(!has_rewrite(self.folder()), "a rewrite left what an earlier one had left");
        assert!(self.handle.contents().unwrap() == before, "a rewrite changed what is stored");
    }
}

/// The program in this folder, with nothing of the caller's environment.
fn command(folder: &Path, key: &Key) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenvault"));
    command.current_dir(folder).env_clear().env("HOME", folder).env("TOKENVAULT_STORE", "file:vault.tv");
    match key {
        Key::File(path) => command.env("TOKENVAULT_KEY_FILE", path),
        Key::Passphrase(path) => command.env("TOKENVAULT_PASSPHRASE_FILE", path),
    };
    command
}
