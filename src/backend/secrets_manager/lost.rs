//! What is said where the index is not there, or not whole.

use crate::error::{Error, ErrorKind};

/// The root is missing.
pub(super) fn no_vault(place: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no vault under this prefix: it has no index{place}")).with_hint(
        "check the prefix, the Region and the account; make one with `tokenvault init`; where the tokens of one are left, \
         `tokenvault verify --repair` builds its index anew from them",
    )
}

/// A page is missing that another leads to, or that was there a moment ago.
pub(super) fn page_missing(secret: &str) -> Error {
    Error::damaged("a page of the index is missing").with_store(&secret).with_hint(
        "run `tokenvault verify --repair`, which builds the index anew from the secrets; until then only tokens that the \
         page does not lead to are found",
    )
}

/// A page can be had back, for some days.
pub(super) fn page_doomed(secret: &str) -> Error {
    Error::damaged("a page of the index is scheduled for deletion").with_store(&secret).with_hint(format!(
        "restore it at once, tokens hang on it: `aws secretsmanager restore-secret --secret-id {secret}`, or \
         `tokenvault verify --repair`"
    ))
}
