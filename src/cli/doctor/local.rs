//! Files: of a vault, of a copy, and of keys.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[cfg(feature = "aws")]
use crate::backend::fallback::journal::JournalStatus;
use crate::backend::file::{Examination, FileBackend};
use crate::cli::config::Settings;
use crate::cli::config_file::KeyChoice;
use crate::cli::doctor::check::Check;
use crate::error::Result;
#[cfg(feature = "aws")]
use crate::open::fallback::{CopyState, JournalState};

/// Whom the file with the key can be read by. That nobody else can read it at all is checked where it is opened.
pub(super) fn of_key_file(settings: &Settings) -> Vec<Check> {
    let (path, what) = match &settings.key {
        KeyChoice::KeyFile(path) => (path, "the key file"),
        KeyChoice::PassphraseFile(path) => (path, "the passphrase file"),
        KeyChoice::Passphrase(_) | KeyChoice::Ask => return Vec::new(),
    };
    let check = Check::ok(what, path.display().to_string(), "opening the vault");
    let check = match mode(path) {
        Some(mode) if mode & 0o007 != 0 => check.warning(
            format!("its mode is {mode:04o}: everybody on this machine may read it, or change it"),
            "chmod 600 it, and change the key where somebody else may have read it",
        ),
        Some(mode) if mode & 0o070 != 0 => check.warning(
            format!("its mode is {mode:04o}: the group {} may read it", group(path)),
            "chmod 600 it, unless that group is meant",
        ),
        // Where it is not there, opening the vault says so.
        Some(_) | None => check,
    };
    vec![check]
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

fn of_disk(path: &str, found: Examination) -> Vec<Check> {
    let judged = |check: Check, came: &Result<()>| match came {
        Ok(()) => check,
        Err(error) => check.failed(error),
    };
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
pub(super) fn of_journal(journal: &JournalState) -> Check {
    let path = journal.path.display().to_string();
    let check = Check::ok("the journal opens", path, "writes while AWS is out of reach");
    match &journal.seen {
        Err(error) => check.failed(error),
        Ok(None) => check.saying("there is none yet: the next call makes it"),
        Ok(Some(JournalStatus { blocked: Some(why), entries, .. })) => {
            check.warning(format!("{entries} writes have not come to AWS: {why}"), "see to that; each call tries again")
        }
        Ok(Some(_)) => check,
    }
}

/// The copy that is fallen back on, where there is one already.
#[cfg(feature = "aws")]
pub(super) fn of_copy(copy: &CopyState) -> Vec<Check> {
    let path = copy.path.display().to_string();
    let check = Check::ok("the copy opens", path.clone(), "answers while AWS is out of reach");
    let (Ok(seen), file) = (&copy.seen, &copy.file) else {
        return copy.seen.as_ref().err().map(|error| check.failed(error)).into_iter().collect();
    };
    let check = match seen {
        None => check.saying("there is none yet: the next find makes it"),
        Some(seen) if !seen.is_of_store => {
            check.warning("it is the copy of another store, and answers nothing", "name another file by fallback=")
        }
        Some(_) => check,
    };
    let examined = file.as_ref().map(|file| file.examine());
    let disk = match examined {
        Some(Ok(found)) => of_disk(&path, found),
        Some(Err(error)) => vec![Check::ok("the copy's disk", path, "the copy").failed(&error)],
        None => Vec::new(),
    };
    std::iter::once(check).chain(disk).collect()
}
