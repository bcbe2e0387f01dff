//! What the token endpoint answers, and what that means.
//!
//! Zoho answers some errors with HTTP 200, so the body decides; a status alone says only that nobody answered properly.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use zeroize::Zeroize;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::provider::Granted;
use crate::secret::SecretText;

/// The members that matter, as they stand in the body where nothing in them is escaped: tokens have nothing to escape.
/// Nothing else of the body is kept, and no error quotes it.
#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    access_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    refresh_token: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "number")]
    expires_in: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    expires_in_sec: Option<u64>,
    #[serde(borrow)]
    api_domain: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
}

impl Reply<'_> {
    /// How long the access token lives: seconds (RFC 6749, section 5.1). Where Zoho tells `expires_in_sec` as well,
    /// `expires_in` is milliseconds; its SDKs read it so.
    fn lifetime(&self) -> Option<Duration> {
        self.expires_in_sec.or(self.expires_in).map(Duration::from_secs)
    }
}

/// A whole number, or its digits as a text. Anything else counts as absent: a token whose end is not told is better than
/// none, since the refresh token that came with it may be the only one that is still good.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Told<'a> {
        Number(u64),
        #[serde(borrow)]
        Text(Cow<'a, str>),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Told::deserialize(deserializer)? {
        Told::Number(number) => Some(number),
        Told::Text(text) => text.trim().parse().ok(),
        Told::Other(_) => None,
    })
}

/// Reads the answer to a request for tokens, which came at `now`.
pub(super) fn granted(status: u16, body: &[u8], now: Timestamp) -> Result<Granted, Error> {
    let Ok(reply) = serde_json::from_slice::<Reply<'_>>(body) else { return Err(without_json(status)) };
    let failure = failure(&reply);
    let lifetime = reply.lifetime();
    match secret(reply.access_token) {
        Some(access_token) if failure.is_none() && status < 300 => Ok(Granted {
            access_token,
            refresh_token: secret(reply.refresh_token),
            expires_at: lifetime.map(|lifetime| now.after(lifetime)),
            api_domain: reply.api_domain.filter(|text| !text.is_empty()).map(|text| Arc::from(&*text)),
        }),
        _ => Err(failure.unwrap_or_else(|| without_json(status))),
    }
}

/// Reads the answer to a revocation. A token that is not known any more is revoked (RFC 7009, section 2.2).
pub(super) fn revoked(status: u16, body: &[u8]) -> Result<(), Error> {
    let failure = serde_json::from_slice::<Reply<'_>>(body).ok().and_then(|reply| failure(&reply));
    match failure {
        Some(error) if error.kind() == ErrorKind::Revoked => Ok(()),
        Some(error) => Err(error),
        None if status < 300 => Ok(()),
        None => Err(without_json(status)),
    }
}

fn secret(text: Option<Cow<'_, str>>) -> Option<SecretText> {
    let text = text.filter(|text| !text.is_empty())?;
    let secret = SecretText::new(&text);
    if let Cow::Owned(mut copy) = text {
        copy.zeroize();
    }
    Some(secret)
}

/// The refusal that a body tells of.
fn failure(reply: &Reply<'_>) -> Option<Error> {
    let told = reply.error.as_deref().or_else(|| reply.status.as_deref().filter(|status| *status != "success"))?;
    let is = |names: &[&str]| names.iter().any(|name| told.eq_ignore_ascii_case(name));
    Some(if is(&["invalid_grant", "invalid_code", "invalid_token", "invalid_oauth_token"]) {
        Error::new(ErrorKind::Revoked, "the provider does not take this grant any more")
            .with_hint("sign in again; the grant was revoked, has expired, or was used before")
    } else if is(&["invalid_client", "invalid_client_secret", "unauthorized_client", "invalid_redirect_uri"]) {
        Error::new(ErrorKind::PermissionDenied, "the provider does not know this client, or its secret is another")
            .with_hint("check client id, client secret, redirect URL and data centre")
    } else if is(&["access denied", "access_denied", "temporarily_unavailable", "server_error", "slow_down"]) {
        Error::new(ErrorKind::Unavailable, "the provider was asked too often, or cannot answer now")
            .with_hint("try again later; Zoho takes ten refreshes of a grant in ten minutes")
    } else {
        Error::new(ErrorKind::Unavailable, "the provider refused with an error that is not known")
            .with_hint("try again later; see the provider's own log")
    })
}

fn without_json(status: u16) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the provider's answer could not be read (HTTP {status})"))
        .with_hint("check the data centre or the provider's URL, and try again later")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn kind(status: u16, body: &str) -> ErrorKind {
        let error = granted(status, body.as_bytes(), NOW).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        error.kind()
    }

    #[test]
    fn a_grant_is_read_whole() {
        let body = r#"{"access_token":"a","refresh_token":"r","expires_in":3600,"api_domain":"https://api","x":{}}"#;
        let granted = granted(200, body.as_bytes(), NOW).unwrap();
        assert_eq!((granted.access_token.expose(), granted.api_domain.as_deref()), ("a", Some("https://api")));
        assert_eq!(granted.refresh_token.unwrap().expose(), "r");
        assert_eq!(granted.expires_at, Some(NOW.after(Duration::from_secs(3600))));
    }

    #[test]
    fn its_end_is_told_in_seconds_or_beside_them_in_milliseconds() {
        let ends = |members: &str| {
            let body = format!(r#"{{"access_token":"a",{members}}}"#);
            granted(200, body.as_bytes(), NOW).unwrap().expires_at.map(|end| end.since(NOW).as_secs())
        };
        assert_eq!(ends(r#""expires_in":3600"#), Some(3600));
        assert_eq!(ends(r#""expires_in":"3600""#), Some(3600));
        assert_eq!(ends(r#""expires_in":3600000,"expires_in_sec":3600"#), Some(3600));
        assert_eq!(ends(r#""expires_in_sec":"3600","expires_in":3600000"#), Some(3600));
        for none in ["null", "true", "-1", "1.5", "{}", "[3600]", r#""soon""#] {
            assert_eq!(ends(&format!(r#""expires_in":{none}"#)), None, "{none}");
        }
    }

    #[test]
    fn what_is_missing_stays_absent() {
        let granted = granted(200, br#"{"access_token":"a","refresh_token":"","expires_in":-1}"#, NOW).unwrap();
        assert!(granted.refresh_token.is_none() && granted.expires_at.is_none() && granted.api_domain.is_none());
    }

    #[test]
    fn errors_are_told_apart_whatever_the_status() {
        for status in [200, 400] {
            assert_eq!(kind(status, r#"{"error":"invalid_grant"}"#), ErrorKind::Revoked);
            assert_eq!(kind(status, r#"{"error":"invalid_code"}"#), ErrorKind::Revoked);
            assert_eq!(kind(status, r#"{"error":"invalid_client"}"#), ErrorKind::PermissionDenied);
            assert_eq!(
                kind(status, r#"{"error":"Access Denied","error_description":"canary"}"#),
                ErrorKind::Unavailable
            );
            assert_eq!(kind(status, r#"{"error":"canary"}"#), ErrorKind::Unavailable);
            assert_eq!(kind(status, r#"{"status":"failure"}"#), ErrorKind::Unavailable);
            assert_eq!(kind(status, r#"{"access_token":"canary","error":"invalid_grant"}"#), ErrorKind::Revoked);
        }
    }

    #[test]
    fn what_is_no_answer_of_a_provider_is_tried_later() {
        for body in ["", "<html>canary</html>", "[]", "{}", r#"{"access_token":7}"#, r#"{"access_token":""}"#] {
            assert_eq!(kind(502, body), ErrorKind::Unavailable, "{body}");
            assert_eq!(kind(200, body), ErrorKind::Unavailable, "{body}");
        }
        assert_eq!(kind(500, r#"{"access_token":"canary"}"#), ErrorKind::Unavailable);
    }

    #[test]
    fn a_grant_that_is_gone_is_revoked() {
        for body in [r#"{"status":"success"}"#, r#"{"error":"invalid_token"}"#, ""] {
            assert!(revoked(200, body.as_bytes()).is_ok(), "{body}");
        }
        assert_eq!(revoked(503, b"").unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(revoked(200, br#"{"error":"Access Denied"}"#).unwrap_err().kind(), ErrorKind::Unavailable);
    }
}
