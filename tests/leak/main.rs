//! Secrets that are pushed through everything, and looked for everywhere: in what is printed and logged, in every file,
//! in what a panic says, and in the process's own memory once all is dropped.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has to stop")]
#![allow(clippy::indexing_slicing, clippy::panic, reason = "as above")]

mod canary;
#[cfg(feature = "import")]
mod command_line;
#[cfg(feature = "import")]
mod grants;
#[cfg(all(feature = "import", target_os = "linux"))]
mod kept;
mod layers;
#[cfg(all(feature = "import", target_os = "linux"))]
mod memory;
mod printed;
#[cfg(any(feature = "aws", feature = "import"))]
#[allow(dead_code, reason = "the tests of the command line use the rest of it")]
#[path = "../support/provider.rs"]
mod provider;
#[cfg(all(feature = "import", target_os = "linux"))]
mod running;
#[cfg(feature = "aws")]
#[path = "../support/service.rs"]
mod service;
#[cfg(feature = "aws")]
mod service_log;
#[cfg(feature = "import")]
mod transfers;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

#[allow(clippy::disallowed_methods, reason = "a test's own files")]
fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Every file in the folder, and in those within it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
