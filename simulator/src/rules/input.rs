//! Reading a request's members, and the limits that the service's model sets for them.

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ServiceError;
use crate::operation::Operation;

/// A tag as it is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Tag {
    pub(crate) key: String,
    #[serde(default)]
    pub(crate) value: String,
}

/// Reads a body's members. Those that are not simulated are refused by name rather than passed over.
pub(crate) fn parse<T: DeserializeOwned>(operation: Operation, body: &Value) -> Result<T, ServiceError> {
    T::deserialize(body).map_err(|error| refusal(operation, &error.to_string()))
}

fn refusal(operation: Operation, said: &str) -> ServiceError {
    if let Some(member) = quoted(said, "unknown field `") {
        return ServiceError::not_simulated(format!("the member {member} of {operation}"));
    }
    if let Some(member) = quoted(said, "missing field `") {
        return missing(member);
    }
    // serde_json names values in its errors, and one may be a secret.
    ServiceError::new("SerializationException", format!("A member of {operation} has another type than its shape."))
}

fn quoted<'a>(said: &'a str, lead: &str) -> Option<&'a str> {
    said.strip_prefix(lead)?.split('`').next()
}

fn member(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_lowercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

fn violation(name: &str, constraint: &str) -> ServiceError {
    let name = member(name);
    // The value is left out, as the service does with sensitive ones.
    ServiceError::validation(format!(
        "1 validation error detected: Value at '{name}' failed to satisfy constraint: {constraint}"
    ))
}

fn missing(name: &str) -> ServiceError {
    violation(name, "Member must not be null")
}

/// A text's length, in characters.
pub(crate) fn length(name: &str, text: &str, allowed: RangeInclusive<usize>) -> Result<(), ServiceError> {
    size(name, text.chars().count(), allowed, "have length")
}

/// A list's length.
pub(crate) fn count(name: &str, count: usize, allowed: RangeInclusive<usize>) -> Result<(), ServiceError> {
    size(name, count, allowed, "have length")
}

/// A number.
pub(crate) fn number(name: &str, number: i64, allowed: RangeInclusive<usize>) -> Result<usize, ServiceError> {
    let found = usize::try_from(number).unwrap_or(0);
    size(name, found, allowed, "have value").map(|()| found)
}

fn size(name: &str, size: usize, allowed: RangeInclusive<usize>, what: &str) -> Result<(), ServiceError> {
    if size < *allowed.start() {
        return Err(violation(name, &format!("Member must {what} greater than or equal to {}", allowed.start())));
    }
    if size > *allowed.end() {
        return Err(violation(name, &format!("Member must {what} less than or equal to {}", allowed.end())));
    }
    Ok(())
}

/// Letters, digits and what is in `others`.
fn consists_of(text: &str, others: &str) -> bool {
    text.chars().all(|character| character.is_ascii_alphanumeric() || others.contains(character))
}

pub(crate) fn characters(name: &str, text: &str, others: &str) -> Result<(), ServiceError> {
    if consists_of(text, others) {
        return Ok(());
    }
    Err(violation(name, &format!("Member must consist of letters, digits and {others}")))
}

pub(crate) fn tag_count(count: usize, limit: usize) -> Result<(), ServiceError> {
    if count <= limit {
        return Ok(());
    }
    Err(ServiceError::invalid_parameter(format!("A secret can have {limit} tags at most.")))
}

pub(crate) fn secret_id(id: &str) -> Result<(), ServiceError> {
    length("SecretId", id, 1..=2048)
}

pub(crate) fn name(name: &str) -> Result<(), ServiceError> {
    length("Name", name, 1..=512)?;
    if consists_of(name, "/_+=.@-") {
        return Ok(());
    }
    Err(ServiceError::validation(
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    ))
}

pub(crate) fn description(text: Option<&str>) -> Result<(), ServiceError> {
    text.map_or(Ok(()), |text| length("Description", text, 0..=2048))
}

pub(crate) fn key_id(key: Option<&str>) -> Result<(), ServiceError> {
    key.map_or(Ok(()), |key| length("KmsKeyId", key, 0..=2048))
}

pub(crate) fn version_id(name: &str, id: Option<&str>) -> Result<(), ServiceError> {
    id.map_or(Ok(()), |id| length(name, id, 32..=64))
}

/// The token that every call needs which can make a version: it becomes that version's id.
pub(crate) fn token(token: Option<&str>) -> Result<&str, ServiceError> {
    let token = token.ok_or_else(|| {
        ServiceError::invalid_request("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
    })?;
    if !(32..=64).contains(&token.chars().count()) {
        return Err(ServiceError::invalid_parameter("ClientRequestToken must be 32-64 characters long."));
    }
    Ok(token)
}

pub(crate) fn labels(labels: Option<&[String]>) -> Result<(), ServiceError> {
    let Some(labels) = labels else { return Ok(()) };
    count("VersionStages", labels.len(), 1..=20)?;
    labels.iter().try_for_each(|label| length("VersionStages", label, 1..=256))
}

pub(crate) fn tags(tags: &[Tag]) -> Result<(), ServiceError> {
    for tag in tags {
        tag_key(&tag.key)?;
        length("Tags.Value", &tag.value, 0..=256)?;
    }
    let unique: std::collections::BTreeSet<&str> = tags.iter().map(|tag| tag.key.as_str()).collect();
    if unique.len() == tags.len() {
        return Ok(());
    }
    Err(ServiceError::invalid_parameter("Tag keys must be unique: the request names one twice."))
}

pub(crate) fn tag_key(key: &str) -> Result<(), ServiceError> {
    length("Tags.Key", key, 1..=128)?;
    if key.starts_with("aws:") {
        return Err(ServiceError::invalid_parameter("Tag keys that begin with aws: are reserved."));
    }
    Ok(())
}
