//! A trail that is read: files, standard input, or where this program writes its own.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::audit::read::{self, Piece};
use crate::cli::audit_settings::AuditTarget;
use crate::cli::session::Session;
use crate::error::{Error, ErrorKind, Result};

/// Hands over every piece of the trail that is named, or that is set.
pub(super) fn read_all(session: &Session, from: &[PathBuf], mut take: impl FnMut(Piece<'_>)) -> Result<()> {
    let set = session.settings.audit.as_ref().map(|audit| &audit.target);
    let paths: Vec<&Path> = match (from, set) {
        ([], Some(AuditTarget::File(path))) => vec![path],
        ([], _) => {
            return Err(Error::invalid("the audit trail to read is not named")
                .with_hint("add --from FILE, or --from - and pipe it in; or set TOKENVAULT_AUDIT to file:PATH"));
        }
        (paths, _) => paths.iter().map(AsRef::as_ref).collect(),
    };
    // A line's number goes on from one file to the next.
    let mut before = 0;
    for path in paths {
        let mut last = 0;
        let numbered = |piece: Piece<'_>| {
            last = piece.number;
            take(Piece { number: piece.number + before, ..piece });
        };
        read::pieces(opened(path)?, numbered).map_err(|cause| unreadable(path, cause))?;
        before += last;
    }
    Ok(())
}

/// A file, or standard input.
pub(super) fn opened(path: &Path) -> Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let file = File::open(path).map_err(|cause| unreadable(path, cause))?;
    Ok(Box::new(BufReader::new(file)))
}

/// Why it could not be read.
pub(super) fn unreadable(path: &Path, cause: io::Error) -> Error {
    let kind = match cause.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Io,
    };
    Error::new(kind, format!("the audit trail {} cannot be read", path.display()))
        .with_hint("check the path given by --from, and who may read it")
        .with_source(cause)
}
