//! What the service answers when it refuses.

use std::borrow::Cow;
use std::fmt;

/// A refusal: the code and text that a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    /// The exception's name, `ResourceNotFoundException`.
    pub code: Cow<'static, str>,
    /// The sentence that goes with it. It never holds a secret value.
    pub message: String,
    /// HTTP status: 400 for everything but faults of the service.
    pub status: u16,
}

impl ServiceError {
    /// A refusal with HTTP status 400.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), status: 400 }
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new("InvalidRequestException", message)
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    pub(crate) fn exists(message: impl Into<String>) -> Self {
        Self::new("ResourceExistsException", message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new("LimitExceededException", message)
    }

    /// What the service may do and the simulator does not: never to be mistaken for an answer of the service.
    pub(crate) fn not_simulated(what: impl fmt::Display) -> Self {
        let message = format!("The simulator does not simulate {what}.");
        Self { code: Cow::Borrowed("NotSimulatedException"), message, status: 501 }
    }

    pub(crate) fn internal() -> Self {
        let message = "An error occurred on the server side.".to_owned();
        Self { code: Cow::Borrowed("InternalServiceError"), message, status: 500 }
    }

    pub(crate) fn throttled() -> Self {
        Self::new("ThrottlingException", "Rate exceeded")
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ServiceError {}
