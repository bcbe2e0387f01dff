//! Errors as words for people: what happened, what to try, and the exit code.

use std::error::Error as _;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::cli::text::printable;
use crate::error::{Error, ErrorKind};

/// What no option tells of, for the help text and the man page.
pub(super) const AFTERWORD: &str = "\
TOKENVAULT_LOG says what is logged on standard error, for example info, or tokenvault=debug.

Exit codes:
  0  done (also where the reader of a pipe went away)
  1  not found (a list without tokens is 0)
  2  wrong usage or input
  3  wrong key, or no permission; the provider takes a grant no more
  4  try again later: busy, full, out of reach
  5  damaged or tampered with
  6  anything else";

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// It failed.
    Failed(Error),
    /// Nobody reads its output any more. That is no failure: `tokenvault list | head -1` is a fair thing to say.
    OutputClosed,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// The result of a command.
pub(super) type Done<T = ()> = Result<T, Stop>;

/// The exit code for this kind of error.
pub(super) const fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::NotFound | ErrorKind::Gone => 1,
        ErrorKind::InvalidInput | ErrorKind::Ambiguous => 2,
        ErrorKind::WrongKey | ErrorKind::PermissionDenied | ErrorKind::Revoked => 3,
        ErrorKind::Busy | ErrorKind::Conflict | ErrorKind::StorageFull | ErrorKind::Unavailable => 4,
        ErrorKind::Damaged => 5,
        ErrorKind::Internal | ErrorKind::Io | ErrorKind::QuotaReached | ErrorKind::Unsupported => 6,
    }
}

/// What to try where the error itself does not say.
const fn general_hint(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "see what there is with: tokenvault list",
        ErrorKind::Gone | ErrorKind::Revoked => "sign in again",
        ErrorKind::InvalidInput => "see what the command takes with: tokenvault help",
        ErrorKind::Ambiguous => "name the client, or the token's id",
        ErrorKind::WrongKey => "check the passphrase, or which key file is given",
        ErrorKind::PermissionDenied => "check who owns the file and its folder, and their modes",
        ErrorKind::Busy | ErrorKind::Conflict | ErrorKind::Unavailable => "run the same command again in a moment",
        ErrorKind::QuotaReached => "see what the service allows, and what has used it up",
        ErrorKind::StorageFull => "make room on the disk, then run the same command again",
        ErrorKind::Damaged => "go back to a backup; keep the damaged file to look into what happened",
        ErrorKind::Io => "check the disk, and that the path is right",
        ErrorKind::Unsupported => "use a newer tokenvault, or another file",
        ErrorKind::Internal => "run it again with TOKENVAULT_LOG=debug and report what is shown",
    }
}

/// What happened, with its causes, in one line.
pub(super) fn what(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    printable(&text)
}

/// What to try next.
pub(super) fn hint(error: &Error) -> String {
    printable(error.hint().unwrap_or(general_hint(error.kind())))
}

/// Tells the user of `error`.
pub(super) fn print(error: &Error) {
    let (red, bold) = (AnsiColor::Red.on_default().bold(), Style::new().bold());
    let lines = format!("{red}error:{red:#} {}\n{bold}try:{bold:#} {}\n", what(error), hint(error));
    // Where standard error is gone too, the exit code has to do.
    let _ = anstream::stderr().write_all(lines.as_bytes());
}

/// Turns a failure to write to standard output into the right end.
pub(super) fn on_write(cause: io::Error) -> Stop {
    if cause.kind() == io::ErrorKind::BrokenPipe {
        return Stop::OutputClosed;
    }
    Error::new(ErrorKind::Io, "the output could not be written").with_source(cause).into()
}

/// The same error, saying in which line of the input it came up.
pub(super) fn at_line(error: &Error, line: usize) -> Error {
    let told = Error::new(error.kind(), format!("line {line}: {}", what(error)));
    told.with_hint(hint(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_and_control_characters_are_not() {
        let error = Error::new(ErrorKind::Io, "reading \u{1b}[2J failed").with_source(io::Error::other("no disk"));
        assert_eq!(what(&error), "reading \\u{1b}[2J failed: no disk");
        assert_eq!(hint(&error), "check the disk, and that the path is right");
        assert_eq!(what(&at_line(&error, 7)), "line 7: reading \\u{1b}[2J failed: no disk");
    }
}
