//! Opening the files that are imported.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::wiped_bytes::WipedBytes;

/// The largest file that is read into memory: some half a million tokens.
const MAX_FILE: usize = 256 * 1024 * 1024;

/// The file's size.
///
/// # Errors
/// Where there is no file of that name, or it is a directory.
pub(super) fn size(path: &Path) -> Result<usize> {
    let metadata = path.metadata().map_err(|cause| unreadable(path, cause))?;
    if metadata.is_dir() {
        return Err(Error::invalid(format!("{} is a directory", path.display()))
            .with_hint("name the file itself, as it is configured in the SDK's token store"));
    }
    Ok(usize::try_from(metadata.len()).unwrap_or(usize::MAX))
}

/// All bytes of the file, in memory that is wiped. `std::fs::read` leaves a copy behind each time its buffer grows.
///
/// # Errors
/// As `size`, and where the file is too large or cannot be read.
pub(super) fn read_wiped(path: &Path) -> Result<WipedBytes> {
    let size = size(path)?;
    if size > MAX_FILE {
        return Err(too_large(path));
    }
    let mut file = File::open(path).map_err(|cause| unreadable(path, cause))?;
    // One byte more than the file had, so that its end is seen without growing.
    let mut bytes = WipedBytes::zeros(size + 1);
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..) {
        match file.read(room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(unreadable(path, cause)),
        }
        if filled > MAX_FILE {
            return Err(too_large(path));
        }
        if filled == bytes.len() {
            let mut larger = WipedBytes::zeros(2 * filled + 4096);
            larger.iter_mut().zip(bytes.iter()).for_each(|(to, from)| *to = *from);
            bytes = larger;
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Whether the file is a database written out as SQL statements, by its name or by what such files begin with.
pub(super) fn is_sql_text(path: &Path) -> bool {
    let is_named_so = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"));
    is_named_so || begins_as_sql(path).unwrap_or(false)
}

fn begins_as_sql(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(8).read_to_end(&mut start)?;
    Ok([&b"-- "[..], b"/*", b"PRAGMA "].iter().any(|known| start.starts_with(known)))
}

/// What to do with a file of SQL statements.
pub(super) const OF_SQL_TEXT: &str = "this looks like SQL statements. A dump of MariaDB or MySQL is not read; where it \
                                      is one of SQLite, name the database itself, or make one of it: sqlite3 FILE.db \
                                      < DUMP.sql, then import --from sqlite:FILE.db";

fn too_large(path: &Path) -> Error {
    Error::invalid(format!("{} is larger than {} MiB", path.display(), MAX_FILE / 1024 / 1024))
        .with_hint("split the file, with the header line on top of each part")
}

pub(super) fn unreadable(path: &Path, cause: io::Error) -> Error {
    let kind = match cause.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Io,
    };
    Error::new(kind, format!("{} cannot be read", path.display()))
        .with_hint("check the path and the file's permissions")
        .with_source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_named_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let missing = read_wiped(&folder.path().join("missing")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(missing.message().contains("missing"), "{missing}");
        assert_eq!(read_wiped(folder.path()).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_that_hides_its_size_is_read_to_its_end() {
        let bytes = read_wiped(Path::new("/proc/self/status")).unwrap();
        assert_eq!(size(Path::new("/proc/self/status")).unwrap(), 0);
        assert!(bytes.starts_with(b"Name:") && bytes.len() > 100 && bytes.ends_with(b"\n"));
    }
}
