//! The vault's place: what may lie under its path, and how its lock is waited for.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::backend::file::disk::{Disk, DiskFile, LockKind};
use crate::backend::file::header::{Header, MAX_LEN};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::random_bytes;

/// The folder that `path` lies in.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A path in the folder of `path` that nobody else uses.
pub(super) fn beside(path: &Path, what: &str) -> Result<PathBuf> {
    let random: [u8; 8] = random_bytes()?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(folder(path).join(format!(".{name}.{what}-{}", HEXLOWER.encode(&random))))
}

/// Whether `name` is one that [`beside`] made.
pub(super) fn is_beside(path: &Path, what: &str, name: &OsStr) -> bool {
    let start = format!(".{}.{what}-", path.file_name().unwrap_or_default().to_string_lossy());
    let name = name.to_string_lossy();
    // To the last digit: another vault's name may begin like this.
    name.strip_prefix(&start).is_some_and(|rest| rest.len() == 16 && HEXLOWER.decode(rest.as_bytes()).is_ok())
}

/// Refuses a place where a vault is not safe.
pub(super) fn check(disk: &dyn Disk, path: &Path) -> Result<()> {
    match disk.is_local(folder(path)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::new(ErrorKind::Unsupported, "the vault's folder is on a network file system")
            .with_hint("locks are not safe there: choose a folder on a local disk")),
        Err(error) => Err(io_error("look at the vault's folder", error)),
    }
}

/// Opens the file under `path` and reads its header, without any key.
pub(super) fn open_header(disk: &dyn Disk, path: &Path) -> Result<(Arc<dyn DiskFile>, Header)> {
    // Looked at before it is opened, since opening a device may do something, and after, since it may be another then.
    if disk.metadata(path).is_ok_and(|metadata| !metadata.is_file) {
        return Err(not_a_file());
    }
    let file: Arc<dyn DiskFile> = Arc::from(disk.open(path).map_err(|error| io_error("open the vault", error))?);
    let metadata = file.metadata().map_err(|error| io_error("look at the vault", error))?;
    if !metadata.is_file {
        return Err(not_a_file());
    }
    let mut bytes = vec![0; MAX_LEN];
    let count = file.read_at(&mut bytes, 0).map_err(|error| io_error("read the vault", error))?;
    let header = Header::parse(bytes.get(..count).unwrap_or_default());
    // Whoever names another file by mistake need not be told to change its mode.
    let is_vault = !header.as_ref().is_err_and(|error| error.kind() == ErrorKind::InvalidInput);
    if is_vault && metadata.mode & 0o077 != 0 {
        return Err(Error::new(
            ErrorKind::PermissionDenied,
            format!("others than the owner may use the vault (mode {:04o})", metadata.mode),
        )
        .with_hint("chmod 600 the file, and find out who could have read it"));
    }
    Ok((file, header?))
}

fn not_a_file() -> Error {
    Error::invalid("the vault's path is not a file").with_hint("give the path of a file, not of a folder")
}

/// Takes the file's lock, waiting for at most `wait` less what was `waited` already.
pub(super) fn wait_for_lock(file: &dyn DiskFile, kind: LockKind, wait: Duration, waited: &mut Duration) -> Result<()> {
    let mut pause = Duration::from_micros(100);
    while !file.try_lock(kind).map_err(|error| io_error("lock the vault", error))? {
        if *waited >= wait {
            return Err(Error::new(ErrorKind::Busy, "another process has had the vault locked for too long")
                .with_hint("try again; if it goes on, look for a process that hangs with the vault open"));
        }
        std::thread::sleep(pause);
        *waited += pause;
        pause = (pause * 2).min(Duration::from_millis(5));
    }
    Ok(())
}

/// What the operating system said, as an error of ours. `what` says what was tried, without the path.
pub(super) fn io_error(what: &str, error: io::Error) -> Error {
    use io::ErrorKind as Os;
    let (kind, hint) = match error.kind() {
        Os::NotFound => (ErrorKind::NotFound, "check the path, and that its folder is there"),
        Os::PermissionDenied => {
            (ErrorKind::PermissionDenied, "check the owner and the mode of the file and its folder")
        }
        Os::ReadOnlyFilesystem => (ErrorKind::PermissionDenied, "the disk is mounted read-only"),
        Os::StorageFull | Os::QuotaExceeded => (ErrorKind::StorageFull, "make room on the disk, then try again"),
        Os::IsADirectory => (ErrorKind::InvalidInput, "give the path of a file, not of a folder"),
        Os::AlreadyExists => (ErrorKind::InvalidInput, "choose another path, or move away what is there"),
        _ => (ErrorKind::Io, "check the disk"),
    };
    Error::new(kind, format!("could not {what}: {error}")).with_hint(hint)
}
