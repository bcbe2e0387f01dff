//! The wire protocol, AWS JSON 1.1: a target, a body, and who signed.

use std::fmt;

use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::error::ServiceError;

/// What `X-Amz-Target` begins with.
const TARGET: &str = "secretsmanager.";

/// Who signs where a test does not say.
const ACCESS_KEY: &str = "AKIASIMULATOREXAMPLE";

/// One request, as it arrives.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `X-Amz-Target`, `secretsmanager.GetSecretValue`.
    pub target: String,
    /// `Authorization`. The access key is read from its credential scope; the signature is not checked.
    pub authorization: Option<String>,
    /// The JSON text.
    pub body: Vec<u8>,
}

impl fmt::Debug for Request {
    /// Without the body, which may hold a secret value.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Request").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Request {
    /// A request for an operation, signed by an access key that stands for everybody.
    pub fn new(operation: &str, body: &Value) -> Self {
        let request = Self { target: format!("{TARGET}{operation}"), authorization: None, body: text(body) };
        request.signed_by(ACCESS_KEY)
    }

    /// The same request, signed by another access key.
    #[must_use]
    pub fn signed_by(mut self, access_key: &str) -> Self {
        let scope = format!("{access_key}/20260101/us-east-1/secretsmanager/aws4_request");
        self.authorization = Some(format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"));
        self
    }

    pub(crate) fn operation(&self) -> Option<&str> {
        self.target.strip_prefix(TARGET)
    }

    /// The access key of the credential scope.
    pub(crate) fn access_key(&self) -> Option<&str> {
        let (_, scope) = self.authorization.as_deref()?.split_once("Credential=")?;
        scope.split('/').next().filter(|key| !key.is_empty())
    }
}

/// One reply.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// `x-amzn-RequestId`, which the trail knows as well.
    pub request_id: String,
    /// `Date`: the service's time, in whole seconds.
    pub date: Timestamp,
    /// The JSON text.
    pub body: Vec<u8>,
}

impl fmt::Debug for Response {
    /// Without the body, which may hold a secret value.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Response");
        shown.field("status", &self.status).field("request_id", &self.request_id).finish_non_exhaustive()
    }
}

impl Response {
    pub(crate) fn of(request_id: &str, date: Timestamp, answer: &Result<Value, ServiceError>) -> Self {
        let (status, body) = match answer {
            Ok(reply) => (200, text(reply)),
            Err(error) => (error.status, text(&json!({ "__type": error.code, "Message": error.message }))),
        };
        Self { status, request_id: request_id.to_owned(), date, body }
    }

    /// The header `Date`, as RFC 9110 has it.
    pub fn date_header(&self) -> String {
        let seconds = i64::try_from(self.date.as_millis() / 1000).unwrap_or_default();
        let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
        // Of times between the years 0 and 9999 there is always one.
        DateTimePrinter::new().timestamp_to_rfc9110_string(&time).unwrap_or_default()
    }

    /// The reply, or what the service refused with, read back from the body.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn json(&self) -> Result<Value, ServiceError> {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        if self.status == 200 {
            return Ok(body);
        }
        let part = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Err(ServiceError { code: part("__type").into(), message: part("Message"), status: self.status })
    }
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_access_key_is_read_from_the_scope() {
        let request = Request::new("GetSecretValue", &json!({})).signed_by("AKIDALICE");
        assert_eq!(request.access_key(), Some("AKIDALICE"));
        assert_eq!(request.operation(), Some("GetSecretValue"));
        let unsigned = Request { authorization: None, ..request };
        assert_eq!(unsigned.access_key(), None);
    }

    #[test]
    fn debug_shows_no_body() {
        let request = Request::new("PutSecretValue", &json!({ "SecretString": "canary" }));
        let response = Response::of("id", Timestamp::from_millis(0), &Ok(json!({ "SecretString": "canary" })));
        assert!(!format!("{request:?} {response:?}").contains("canary"));
    }
}
