//! Files: of a vault, of a copy, and of keys.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[cfg(feature = "aws")]
use crate::backend::fallback::journal::JournalStatus;
use crate::backend::file::{Examination, FileBackend, KeySource};
use crate::cli::config::Settings;
use crate::cli::config_file::KeyChoice;
use crate::cli::doctor::check::Check;
use crate::error::Result;
use crate::open::StoreLocation;
#[cfg(feature = "aws")]
use crate::open::fallback::{CopyState, JournalState};

/// Whether the file with the key has one, and whom it can be read by.
pub(super) fn of_key_file(settings: &Settings) -> Vec<Check> {
    let (path, what, key) = match &settings.key {
        KeyChoice::KeyFile(path) => (path, "the key file", KeySource::KeyFile(path.clone())),
        KeyChoice::PassphraseFile(path) => (path, "the passphrase file", KeySource::PassphraseFile(path.clone())),
        KeyChoice::Passphrase(_) | KeyChoice::Ask => return Vec::new(),
    };
    let (is_needed, purpose) = match &settings.store {
        StoreLocation::File(_) => (true, "opening the vault"),
        #[cfg(feature = "aws")]
        StoreLocation::Aws(location) if location.fallback().is_some() => (true, "the copy, and the journal"),
        _ => (false, "a vault in a file"),
    };
    let check = Check::ok(what, path.display().to_string(), purpose);
    let check = match (key.examine(), mode(path)) {
        (Err(error), _) => check.failed(&error),
        (Ok(()), Some(mode)) if mode & 0o070 != 0 => check.warning(
            format!("its mode is {mode:04o}: the group {} may read it", group(path)),
            "chmod 600 it, unless that group is meant",
        ),
        (Ok(()), _) => check,
    };
    vec![check.optional(!is_needed)]
}

fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|metadata| metadata.mode() & 0o7777)
}

fn group(path: &Path) -> String {
    fs::metadata(path).map_or_else(|_| String::new(), |metadata| metadata.gid().to_string())
}

/// What writing the vault takes. Its key has opened it.
pub(super) fn of_file(path: &str, file: &FileBackend) -> Result<Vec<Check>> {
    let status = file.status()?;
    let opens = Check::ok("the vault opens", path, "everything").saying(format!(
        "format {}, {} bytes; others than its owner may not use it, and the key opens it",
        status.format, status.bytes
    ));
    let mut checks = vec![opens];
    checks.extend(of_disk(path, file.examine()?));
    Ok(checks)
}

fn judged(check: Check, came: &Result<()>) -> Check {
    match came {
        Ok(()) => check,
        Err(error) => check.failed(error),
    }
}

fn of_disk(path: &str, found: Examination) -> Vec<Check> {
    let lock = judged(Check::ok("the lock for writing", path, "every save"), &found.lock);
    let folder = judged(Check::ok("a file beside it, written and synced", path, "rewrites"), &found.folder);
    let space = Check::ok("room to write it anew", path, "rotate-key, deletions");
    let space = match found.has_room() {
        Ok((needed, free)) => space.saying(format!("a rewrite takes {needed} bytes, and {free} are free")),
        Err(error) => space.failed(&error),
    };
    vec![lock, folder, space]
}

/// The journal, where one is named.
#[cfg(feature = "aws")]
pub(super) fn of_journal(journal: &JournalState) -> Vec<Check> {
    let check = Check::ok("the journal opens", shown(&journal.path), "writes while AWS is out of reach");
    let check = match &journal.seen {
        Err(error) => check.failed(error),
        Ok(None) => check.saying("there is none yet: the next call makes it"),
        Ok(Some(JournalStatus { blocked: Some(why), entries, .. })) => {
            check.warning(format!("{entries} writes have not come to AWS: {why}"), "see to that; each call tries again")
        }
        Ok(Some(_)) => check,
    };
    with_place(check, &journal.path, journal.file.as_deref())
}

/// The copy that is fallen back on.
#[cfg(feature = "aws")]
pub(super) fn of_copy(copy: &CopyState) -> Vec<Check> {
    let check = Check::ok("the copy opens", shown(&copy.path), "answers while AWS is out of reach");
    let check = match &copy.seen {
        Err(error) => check.failed(error),
        Ok(None) => check.saying("there is none yet: the next call makes it"),
        Ok(Some(seen)) if !seen.is_of_store => {
            check.warning("it is the copy of another store, and answers nothing", "name another file by fallback=")
        }
        Ok(Some(_)) => check,
    };
    with_place(check, &copy.path, copy.file.as_deref())
}

#[cfg(feature = "aws")]
fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// With what came of trying the disk under a file, or where there is none yet, the place for it.
#[cfg(feature = "aws")]
fn with_place(opens: Check, path: &Path, file: Option<&FileBackend>) -> Vec<Check> {
    let is_missing = || fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    let mut checks = vec![opens];
    match file.map(FileBackend::examine) {
        Some(Ok(found)) => checks.extend(of_disk(&shown(path), found)),
        Some(Err(error)) => checks.push(Check::ok("its disk", shown(path), "all that is written to it").failed(&error)),
        None if is_missing() => {
            let folder = Check::ok("its folder takes a file", shown(path), "every call, which makes it");
            checks.push(judged(folder, &FileBackend::examine_place(path)));
        }
        None => {}
    }
    checks
}
