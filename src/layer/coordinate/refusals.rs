//! What a reader is told who gets no token.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

pub(super) fn out_of_reach() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the token has ended, and the store is out of reach: nobody is sent to refresh it",
    )
    .with_hint("try again when the store is in reach and has what was written meanwhile")
}

pub(super) fn not_yet() -> Error {
    Error::new(ErrorKind::Busy, "the token has ended, and another caller's refresh of it has not come yet")
        .with_hint("try again in a few seconds")
}

pub(super) fn untold() -> Error {
    Error::new(ErrorKind::Busy, "the store did not tell in time whether somebody refreshes the token")
        .with_hint("try again in a few seconds; where it stays so, see whether the store answers")
}

pub(super) fn kept_changing() -> Error {
    Error::new(ErrorKind::Busy, "others kept changing the token").with_hint("try again in a moment")
}

pub(super) fn nobody_does(next_in: Duration) -> Error {
    Error::new(ErrorKind::Busy, "the token has ended, and whoever was to refresh it did not")
        .with_hint(format!("see whether the provider answers; the next attempt is made in {} s", next_in.as_secs()))
}
