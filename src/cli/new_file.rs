//! Files that the command line makes: never over one that is there, and for nobody else to read from the first byte on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Makes a file of these bytes, durably. What does not become whole is removed.
///
/// # Errors
/// `InvalidInput` where there is something under the path already.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|cause| unwritable(path, cause))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_folder(path));
    written.map_err(|cause| {
        let _ = fs::remove_file(path);
        unwritable(path, cause)
    })
}

/// Else a power loss may take the file, and leave what was made to go with it.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Why a file or folder could not be made.
pub(super) fn unwritable(path: &Path, cause: io::Error) -> Error {
    let (kind, hint) = match cause.kind() {
        io::ErrorKind::AlreadyExists => {
            return Error::invalid(format!("there is something under {} already", path.display()))
                .with_hint("choose another path, or move it away first");
        }
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "make its folder first"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::PermissionDenied, "choose a folder that you may write to")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            (ErrorKind::StorageFull, "make room on the disk, then try again")
        }
        _ => (ErrorKind::Io, "check the disk"),
    };
    Error::new(kind, format!("{} could not be written", path.display())).with_hint(hint).with_source(cause)
}
