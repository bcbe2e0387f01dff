//! One token as a JSON object with the SDKs' field names.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::cli::text::{self, is_fingerprint};
use crate::error::{Error, Result};
use crate::fields::Field;
use crate::secret::SecretText;
use crate::token::OAuthToken;

/// Reads the object that begins in line `line`.
///
/// # Errors
/// `InvalidInput`, naming line and field and never what they hold.
pub(super) fn parse(object: &[u8], line: usize) -> Result<OAuthToken> {
    let mut draft = Draft::default();
    let mut json = serde_json::Deserializer::from_slice(object);
    match draft.deserialize(&mut json) {
        Ok(()) => Ok(draft.token),
        // serde's own messages quote what they trip over, so none of them is shown.
        Err(error) => {
            let problem = draft.problem.unwrap_or(Problem::NotJson(error.column()));
            Err(refused(line + error.line().saturating_sub(1), &problem))
        }
    }
}

/// What is wrong with an object.
pub(super) enum Problem {
    NotAnObject,
    NoEnd,
    NotJson(usize),
    UnknownField(String),
    Twice(&'static str),
    NotText(&'static str, &'static str),
    NotMilliseconds,
    EmptyId,
    Fingerprint(&'static str),
}

/// The error that tells of `problem`.
pub(super) fn refused(line: usize, problem: &Problem) -> Error {
    let (what, hint) = match problem {
        Problem::NotAnObject => {
            ("this is not a JSON object".into(), "give objects, one after another: {\"user_name\": …}")
        }
        Problem::NoEnd => ("the JSON object that begins here does not end".into(), "check that the input is complete"),
        Problem::NotJson(column) => {
            (format!("this is not JSON (column {column})"), "check quotes, commas and brackets")
        }
        Problem::UnknownField(name) => (
            format!("unknown field {name}"),
            "the fields are id, user_name, client_id, client_secret, grant_token, refresh_token, access_token, \
             expires_in, redirect_url and api_domain",
        ),
        Problem::Twice(field) => (format!("{field} is given twice"), "give it once"),
        Problem::NotText(field, kind) => (format!("{field} is {kind} where a text belongs"), "put it in double quotes"),
        Problem::NotMilliseconds => (
            "expires_in is not a whole number of milliseconds".into(),
            "give the moment as milliseconds since 1970, as the SDKs do",
        ),
        Problem::EmptyId => ("id is empty".into(), "leave it out, and the vault makes one"),
        Problem::Fingerprint(field) => {
            (format!("{field} is a fingerprint and not a token"), "show tokens with --reveal to save them elsewhere")
        }
    };
    Error::invalid(format!("line {line}: {what}")).with_hint(hint)
}

/// The token that is being read, and what is wrong with it.
#[derive(Default)]
struct Draft {
    token: OAuthToken,
    seen: Vec<&'static str>,
    problem: Option<Problem>,
}

impl Draft {
    fn deserialize<'de, D: Deserializer<'de>>(&mut self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }

    fn fail<E: serde::de::Error>(&mut self, problem: Problem) -> E {
        self.problem = Some(problem);
        E::custom("refused")
    }

    fn set(&mut self, name: &'static str, text: &str) -> Result<(), Problem> {
        let Some(field) = Field::from_name(name) else {
            if text.is_empty() {
                return Err(Problem::EmptyId);
            }
            self.token.set_id(Some(text));
            return Ok(());
        };
        if field.is_secret() && is_fingerprint(text) {
            return Err(Problem::Fingerprint(name));
        }
        self.token.set(field, Some(SecretText::new(text)));
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Draft {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Name)? {
            let name = match name {
                Ok(name) => name,
                Err(shown) => return Err(self.fail(Problem::UnknownField(shown))),
            };
            if self.seen.contains(&name) {
                return Err(self.fail(Problem::Twice(name)));
            }
            self.seen.push(name);
            map.next_value_seed(Value { draft: &mut *self, name })?;
        }
        Ok(())
    }
}

/// A field's name; `Err` holds one that is unknown, as it may be shown.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Result<&'static str, String>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Result<&'static str, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text == "id" {
            return Ok(Ok("id"));
        }
        let shown = || text::as_name(text).map_or_else(|| text::HIDDEN_NAME.to_owned(), |name| format!("\"{name}\""));
        Ok(Field::from_name(text).map(Field::name).ok_or_else(shown))
    }
}

/// A field's value.
struct Value<'d> {
    draft: &'d mut Draft,
    name: &'static str,
}

impl Value<'_> {
    fn not_text<E: serde::de::Error>(self, kind: &'static str) -> E {
        let name = self.name;
        self.draft.fail(Problem::NotText(name, kind))
    }

    fn is_expiry(&self) -> bool {
        self.name == Field::ExpiresIn.name()
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    /// Straight from the input, or from serde's buffer where there are escapes, into memory that is wiped.
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.draft.set(self.name, text).map_err(|problem| self.draft.fail(problem))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        if self.is_expiry() { self.visit_str(&number.to_string()) } else { Err(self.not_text("a number")) }
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        if self.is_expiry() { Err(self.draft.fail(Problem::NotMilliseconds)) } else { Err(self.not_text("a number")) }
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.visit_i64(0)
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Err(self.not_text("true or false"))
    }

    /// `null` counts as absent.
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.not_text("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.not_text("an object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(object: &str) -> String {
        let error = parse(object.as_bytes(), 5).err().unwrap();
        assert!(!format!("{error:?} {:?}", error.hint()).contains("canary"), "{error:?}");
        error.message().to_owned()
    }

    #[test]
    fn every_field_is_read() {
        let token = parse(
            br#"{"id":"7","user_name":"u","client_id":"c","client_secret":"s","grant_token":"g","refresh_token":"r",
                "access_token":"a\u0041\n","expires_in":1795311652321,"redirect_url":null,"api_domain":""}"#,
            1,
        )
        .unwrap();
        let texts: Vec<_> = token.fields().present().map(|(field, text)| (field.name(), text.expose())).collect();
        assert_eq!(token.id(), Some("7"));
        assert_eq!(
            texts,
            [
                ("user_name", "u"),
                ("client_id", "c"),
                ("client_secret", "s"),
                ("grant_token", "g"),
                ("refresh_token", "r"),
                ("access_token", "aA\n"),
                ("expires_in", "1795311652321"),
            ]
        );
        let text = parse(br#"{"expires_in":"1795311652321"}"#, 1).unwrap();
        assert_eq!(text.fields().text(Field::ExpiresIn), Some("1795311652321"));
    }

    #[test]
    fn a_refusal_names_line_and_field_and_never_the_content() {
        for (object, said) in [
            (r#"{"acces_token":"canary"}"#, "line 5: unknown field \"acces_token\""),
            (r#"{"1000.canary":"x"}"#, "line 5: unknown field (its name is not shown)"),
            ("{\n\"user_name\":\"canary\",\n\"user_name\":\"canary\"}", "line 7: user_name is given twice"),
            (r#"{"access_token":{"canary":1}}"#, "line 5: access_token is an object where a text belongs"),
            (r#"{"access_token":["canary"]}"#, "line 5: access_token is a list where a text belongs"),
            (r#"{"access_token":true}"#, "line 5: access_token is true or false where a text belongs"),
            (r#"{"client_id":12}"#, "line 5: client_id is a number where a text belongs"),
            (r#"{"client_id":-1.5}"#, "line 5: client_id is a number where a text belongs"),
            (r#"{"id":3}"#, "line 5: id is a number where a text belongs"),
            (r#"{"id":""}"#, "line 5: id is empty"),
            (r#"{"expires_in":-1}"#, "line 5: expires_in is not a whole number of milliseconds"),
            (r#"{"expires_in":1.5}"#, "line 5: expires_in is not a whole number of milliseconds"),
            (r#"{"expires_in":99999999999999999999}"#, "line 5: expires_in is not a whole number of milliseconds"),
            (r#"{"access_token":"sha256:1a2b3c4d"}"#, "line 5: access_token is a fingerprint and not a token"),
        ] {
            assert_eq!(refusal(object), said, "{object}");
        }
        for object in
            [r#"{"user_name":"canary}"#, r#"{canary}"#, r#"{"user_name" "canary"}"#, "{\"user_name\":\"\\ud800\"}"]
        {
            assert!(refusal(object).starts_with("line 5: this is not JSON"), "{object}");
        }
    }
}
