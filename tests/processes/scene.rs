//! A vault in a folder of its own, and the programs that open it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::crypto::kdf::KdfCost;

use crate::puppet::Puppet;

pub(crate) struct Scene {
    folder: TempDir,
}

impl Scene {
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    pub(crate) fn new() -> Self {
        let scene = Self { folder: TempDir::with_prefix("tokenvault-processes-").unwrap() };
        std::fs::write(scene.key_file(), [7; 32]).unwrap();
        std::fs::set_permissions(scene.key_file(), std::fs::Permissions::from_mode(0o600)).unwrap();
        scene.start_anew();
        scene
    }

    /// Puts an empty vault in the place of the one there is.
    pub(crate) fn start_anew(&self) {
        let _ = std::fs::remove_file(self.vault());
        drop(FileBackend::create(self.options(), KdfCost::default()).unwrap());
    }

    pub(crate) fn vault(&self) -> PathBuf {
        self.folder.path().join("vault.tv")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    fn options(&self) -> FileOptions {
        FileOptions::new(self.vault(), KeySource::KeyFile(self.key_file()))
    }

    pub(crate) fn open(&self) -> Arc<FileBackend> {
        Arc::new(FileBackend::open(self.options()).unwrap())
    }

    pub(crate) fn puppet(&self) -> Puppet {
        Puppet::start(&self.vault(), &self.key_file())
    }

    /// The program, with nothing of the caller's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenvault"));
        command.current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path()).args(arguments);
        command.env("TOKENVAULT_STORE", "file:vault.tv").env("TOKENVAULT_KEY_FILE", "key");
        command
    }
}
