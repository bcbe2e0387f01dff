//! A trail that is read: files, standard input, CloudWatch Logs, or where this program writes its own.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::audit::read::{self, Piece};
#[cfg(not(feature = "audit-cloudwatch"))]
use crate::cli::audit_settings::no_cloudwatch;
use crate::cli::audit_settings::{AuditTarget, after_cloudwatch};
use crate::cli::session::Session;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "audit-cloudwatch")]
use crate::open::logs::LogsLocation;

/// Where a piece of a trail is read from.
enum Place<'a> {
    Path(&'a Path),
    #[cfg(feature = "audit-cloudwatch")]
    CloudWatch(LogsLocation),
}

impl<'a> Place<'a> {
    fn parse(from: &'a Path) -> Result<Self> {
        match after_cloudwatch(from.as_os_str()) {
            #[cfg(feature = "audit-cloudwatch")]
            Some(logs) => LogsLocation::parse(logs).map(Self::CloudWatch),
            #[cfg(not(feature = "audit-cloudwatch"))]
            Some(_) => Err(no_cloudwatch()),
            None => Ok(Self::Path(from)),
        }
    }
}

/// Which lines are asked for at the least: those from the first moment on and before the second.
pub(super) type Span = (Option<Timestamp>, Option<Timestamp>);

/// Hands over every piece of the trail that is named, or that is set. Where the trail is in a service, those that are not
/// within `span` may be left out.
pub(super) async fn read_all(
    session: &Session,
    from: &[PathBuf],
    span: Span,
    mut take: impl FnMut(Piece<'_>),
) -> Result<()> {
    #[cfg(not(feature = "audit-cloudwatch"))]
    let _ = span;
    let set = session.settings.audit.as_ref().map(|audit| &audit.target);
    let places: Vec<Place<'_>> = match (from, set) {
        ([], Some(AuditTarget::File(path))) => vec![Place::Path(path)],
        #[cfg(feature = "audit-cloudwatch")]
        ([], Some(AuditTarget::CloudWatch(location))) => vec![Place::CloudWatch(location.clone())],
        ([], _) => {
            return Err(Error::invalid("the audit trail to read is not named")
                .with_hint("add --from FILE, or --from - and pipe it in; or set TOKENVAULT_AUDIT to file:PATH"));
        }
        (from, _) => from.iter().map(|from| Place::parse(from)).collect::<Result<_>>()?,
    };
    // A line's number goes on from one file to the next.
    let mut before = 0;
    for place in places {
        match place {
            Place::Path(path) => {
                let mut last = 0;
                let numbered = |piece: Piece<'_>| {
                    last = piece.number;
                    take(Piece { number: piece.number + before, ..piece });
                };
                read::pieces(opened(path)?, numbered).map_err(|cause| unreadable(path, cause))?;
                before += last;
            }
            #[cfg(feature = "audit-cloudwatch")]
            Place::CloudWatch(location) => {
                let (since, until) = span;
                for bytes in location.logs().await?.read(since, until).await? {
                    before += 1;
                    take(Piece { number: before, bytes: &bytes });
                }
            }
        }
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
