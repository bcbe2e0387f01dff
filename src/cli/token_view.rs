//! A token as JSON for programs: every name is always there.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::cli::text::fingerprint;
use crate::fields::Field;
use crate::token::OAuthToken;

/// The SDKs' field names and `id`, in a fixed order; absent fields are `null`, secrets fingerprints unless revealed.
pub(super) struct TokenView<'t> {
    pub(super) token: &'t OAuthToken,
    pub(super) reveal: bool,
}

impl Serialize for TokenView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + Field::ALL.len()))?;
        map.serialize_entry("id", &self.token.id())?;
        for field in Field::ALL {
            let hidden = self.token.get(field).filter(|_| field.is_secret() && !self.reveal).map(fingerprint);
            // The clear text of what is no secret, or was asked for by --reveal.
            map.serialize_entry(field.name(), &hidden.as_deref().or_else(|| self.token.fields().text(field)))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_stable_and_secrets_hidden() {
        let token = OAuthToken::new().with_id("7").with(Field::UserName, "u").with(Field::AccessToken, "abc");
        let json = |reveal| serde_json::to_string(&TokenView { token: &token, reveal }).unwrap();
        assert_eq!(
            json(false),
            r#"{"id":"7","user_name":"u","client_id":null,"client_secret":null,"grant_token":null,"refresh_token":null,"access_token":"sha256:ba7816bf","expires_in":null,"redirect_url":null,"api_domain":null}"#
        );
        assert!(json(true).contains(r#""access_token":"abc""#));
    }
}
