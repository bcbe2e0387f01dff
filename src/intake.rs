//! What may be stored at all: bounds on ids and texts, checked before anything is read or written.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::fields::{Field, Fields};
use crate::token::parse_expiry;

/// The longest id, in bytes.
pub const MAX_ID: usize = 256;

/// The longest text of a field, in bytes.
pub const MAX_TEXT: usize = 64 * 1024;

/// An expiry before this moment (1973) is one that was given in seconds.
const LIKELY_SECONDS: Timestamp = Timestamp::from_millis(100_000_000_000);

/// Checks what `save` is given.
///
/// # Errors
/// `InvalidInput`, naming the field and never its text.
pub(crate) fn check(id: Option<&str>, fields: &Fields) -> Result<()> {
    if id.is_some_and(|id| !is_usable_id(id)) {
        return Err(Error::invalid(format!("the id is longer than {MAX_ID} bytes, or has a control character in it"))
            .with_hint("choose another id, or none and let the vault make one"));
    }
    if let Some((field, _)) = fields.present().find(|(_, text)| text.expose().len() > MAX_TEXT) {
        return Err(Error::invalid(format!("{} is longer than {MAX_TEXT} bytes", field.name()))
            .with_hint("check that the right text was given"));
    }
    if fields.text(Field::ExpiresIn).is_some_and(|text| parse_expiry(text).is_none()) {
        return Err(Error::invalid("expires_in is not a number of milliseconds")
            .with_hint("give the moment as milliseconds since 1970 in decimal digits, as the SDKs do"));
    }
    Ok(())
}

/// Whether an id can be stored. What cannot be stored is simply not found.
pub(crate) fn is_usable_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && !id.chars().any(char::is_control)
}

/// Checks that a new record would hold something.
///
/// # Errors
/// `InvalidInput` where there is neither grant, refresh nor access token.
pub(crate) fn check_insert(fields: &Fields) -> Result<()> {
    let holds_something = [Field::GrantToken, Field::RefreshToken, Field::AccessToken]
        .into_iter()
        .any(|field| fields.get(field).is_some());
    if holds_something {
        return Ok(());
    }
    Err(Error::invalid("the token has neither a grant, a refresh nor an access token, and no stored token matches it")
        .with_hint("give at least one of grant_token, refresh_token, access_token"))
}

/// Whether the expiry looks like seconds where milliseconds belong.
pub(crate) fn looks_like_seconds(fields: &Fields) -> bool {
    fields.text(Field::ExpiresIn).and_then(parse_expiry).is_some_and(|at| at < LIKELY_SECONDS)
}
