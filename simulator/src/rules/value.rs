//! Secret values in requests: one of text or bytes, 1 to 65,536 bytes.

use data_encoding::BASE64;

use crate::error::ServiceError;
use crate::rules::input;
use crate::state::secret::Secret;
use crate::state::version::{SecretValue, Version};

const LARGEST: usize = 65_536;

/// The value of a request; none where it has none.
pub(crate) fn given(text: Option<String>, binary: Option<&str>) -> Result<Option<SecretValue>, ServiceError> {
    match (text, binary) {
        (Some(_), Some(_)) => Err(ServiceError::invalid_parameter(
            "You can't specify both a binary secret value and a string secret value.",
        )),
        (Some(text), None) => {
            input::count("SecretString", text.len(), 1..=LARGEST)?;
            Ok(Some(SecretValue::Text(text)))
        }
        (None, Some(binary)) => {
            let bytes = BASE64
                .decode(binary.as_bytes())
                .map_err(|_| ServiceError::new("SerializationException", "SecretBinary is not base64 with padding."))?;
            input::count("SecretBinary", bytes.len(), 1..=LARGEST)?;
            Ok(Some(SecretValue::Binary(bytes)))
        }
        (None, None) => Ok(None),
    }
}

/// What a token that is a version already means for a write.
///
/// # Errors
///
/// The version holds another value.
pub(crate) fn repeated<'a>(
    secret: &'a Secret,
    token: &str,
    value: &SecretValue,
) -> Result<Option<&'a Version>, ServiceError> {
    match secret.version(token) {
        Some(version) if version.value == *value => Ok(Some(version)),
        Some(_) => Err(in_use(secret, token)),
        None => Ok(None),
    }
}

pub(crate) fn in_use(secret: &Secret, token: &str) -> ServiceError {
    ServiceError::exists(format!(
        "You can't use ClientRequestToken {token} because that value is already in use for a version of secret {}",
        secret.arn
    ))
}
