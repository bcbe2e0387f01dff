//! What a call to Secrets Manager failed with, in our words.
//!
//! The codes are those of the API reference and of the user guide's "Quotas". The service's own text is shown only where it
//! cannot hold a value: it names the action and the resource that was refused.

use std::error::Error as _;

use aws_sdk_secretsmanager::error::{ConnectorError, DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::error::{Error, ErrorKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// No credentials, or none that the service takes.
    Credentials,
    /// The caller has no right to the action.
    Denied,
    /// The secret is scheduled for deletion.
    Doomed,
    /// The name is taken, or the version exists with another value.
    Exists,
    /// What answered is not the service: a proxy, or the sign-in page of a network.
    Foreign,
    /// The request is not one that the service takes.
    Invalid,
    /// The KMS key refuses, or cannot be used.
    Kms,
    /// No such secret, version or label.
    NotFound,
    /// As many versions as a secret may have. The SDK takes it for throttling; no retry of ours ends it.
    Quota,
    /// Too many requests: nothing was done.
    Throttled,
    /// No answer, or none that says what was done.
    Unknown,
    /// There was no connection: nothing was asked.
    Unreached,
}

#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    action: &'static str,
    code: Option<String>,
    detail: Option<String>,
    /// Where was asked.
    place: String,
}

const THROTTLED: [&str; 6] = [
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

const CREDENTIALS: [&str; 11] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

impl Fault {
    pub(super) fn of<E>(action: &'static str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (code, message) = (error.code(), error.message().unwrap_or_default());
        let kind = match error {
            SdkError::ServiceError(service) => of_answer(service.raw().status().as_u16(), code, message),
            _ if speaks_of_credentials(error) => FaultKind::Credentials,
            SdkError::ConstructionFailure(_) => FaultKind::Invalid,
            SdkError::DispatchFailure(failure) if failure.as_connector_error().is_some_and(was_never_connected) => {
                FaultKind::Unreached
            }
            _ => FaultKind::Unknown,
        };
        let mut fault = Self::told(kind, action, code, message);
        if let (SdkError::ServiceError(service), None) = (error, code) {
            fault.detail = Some(format!("HTTP {}", service.raw().status().as_u16()));
        }
        fault
    }

    /// What one secret of a batch failed with.
    pub(super) fn of_member(action: &'static str, code: Option<&str>, message: Option<&str>) -> Self {
        let message = message.unwrap_or_default();
        Self::told(of_code(code.unwrap_or_default(), message), action, code, message)
    }

    fn told(kind: FaultKind, action: &'static str, code: Option<&str>, message: &str) -> Self {
        let is_shown = matches!(kind, FaultKind::Denied | FaultKind::Kms);
        let detail = is_shown.then(|| message.to_owned()).filter(|message| !message.is_empty());
        Self { kind, action, code: code.map(str::to_owned), detail, place: String::new() }
    }

    /// The same, asked at this place.
    pub(super) fn at(self, place: String) -> Self {
        Self { place, ..self }
    }

    /// As it is after so many attempts of the same call that no answer came to: each of them may have been done.
    pub(super) fn after(mut self, unanswered: u32) -> Self {
        if unanswered > 0 && matches!(self.kind, FaultKind::Throttled | FaultKind::Unreached) {
            self.kind = FaultKind::Unknown;
        }
        self
    }

    /// An answer of success that lacks what the service tells with each.
    pub(super) fn foreign(action: &'static str) -> Self {
        Self::told(FaultKind::Foreign, action, None, "")
    }

    /// A loop that is bounded has not ended.
    pub(super) fn unending(action: &'static str) -> Self {
        Self::told(FaultKind::Unknown, action, None, "")
    }

    fn said(&self, what: &str) -> String {
        let mut said = format!("{what} (secretsmanager:{}", self.action);
        for part in [&self.code, &self.detail].into_iter().flatten() {
            said.push_str(": ");
            said.push_str(part);
        }
        said.push(')');
        if is_of_place(self.kind) {
            said.push_str(&self.place);
        }
        said
    }
}

/// Whether it may come of asking at the wrong place.
const fn is_of_place(kind: FaultKind) -> bool {
    use FaultKind::{Credentials, Foreign, Invalid, NotFound, Unknown, Unreached};
    matches!(kind, Credentials | Foreign | Invalid | NotFound | Unknown | Unreached)
}

/// The service names a code with each refusal. What has none says nothing of what was asked.
fn of_answer(status: u16, code: Option<&str>, message: &str) -> FaultKind {
    match code {
        _ if status >= 500 => FaultKind::Unknown,
        Some(code) => of_code(code, message),
        None if status == 429 => FaultKind::Throttled,
        None => FaultKind::Foreign,
    }
}

fn of_code(code: &str, message: &str) -> FaultKind {
    match code {
        "AccessDeniedException" | "AccessDenied" if is_of_kms(message) => FaultKind::Kms,
        "AccessDeniedException" | "AccessDenied" => FaultKind::Denied,
        "DecryptionFailure" | "EncryptionFailure" => FaultKind::Kms,
        // "marked for deletion", "scheduled for deletion", "because it was deleted".
        "InvalidRequestException" if message.contains("delet") => FaultKind::Doomed,
        "LimitExceededException" => FaultKind::Quota,
        "ResourceExistsException" => FaultKind::Exists,
        "ResourceNotFoundException" => FaultKind::NotFound,
        "InternalFailure"
        | "InternalServiceError"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "ServiceUnavailable" => FaultKind::Unknown,
        code if THROTTLED.contains(&code) => FaultKind::Throttled,
        code if CREDENTIALS.contains(&code) => FaultKind::Credentials,
        _ => FaultKind::Invalid,
    }
}

/// A refusal that names its action quotes the caller's ARN and the secret's, too: those may have any word in them.
fn is_of_kms(message: &str) -> bool {
    let named = message.split_once(" is not authorized to perform: ");
    named.map_or_else(|| message.contains("KMS"), |(_, action)| action.starts_with("kms:"))
}

/// Whether there was no connection that anything could have been sent over.
fn was_never_connected(error: &ConnectorError) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect()) {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// Credentials that cannot be had are no kind of error of their own in the SDK.
fn speaks_of_credentials<E: std::error::Error + 'static>(error: &SdkError<E>) -> bool {
    format!("{}", DisplayErrorContext(error)).contains("credentials")
}

impl Fault {
    /// Whether any other call would end so, too: the service is out of reach or busy, or takes no credentials.
    pub(super) fn is_away(&self) -> bool {
        use FaultKind::{Credentials, Foreign, Throttled, Unknown, Unreached};
        matches!(self.kind, Credentials | Foreign | Throttled | Unknown | Unreached)
    }

    /// Whether the service itself said that it could not do it.
    pub(super) fn is_breakdown(&self) -> bool {
        self.kind == FaultKind::Unknown && self.code.is_some()
    }

    /// The error that a caller sees.
    pub(super) fn explained(self) -> Error {
        let (what, hint) = words(self.kind);
        Error::new(error_kind(self.kind), self.said(what)).with_hint(hint)
    }
}

const fn error_kind(kind: FaultKind) -> ErrorKind {
    match kind {
        FaultKind::Credentials | FaultKind::Denied | FaultKind::Kms => ErrorKind::PermissionDenied,
        // `Gone` and `InvalidInput` are what the vault's rules say: a write that was acknowledged is given up then.
        FaultKind::Doomed => ErrorKind::Damaged,
        FaultKind::Exists => ErrorKind::Conflict,
        FaultKind::Invalid => ErrorKind::Unsupported,
        FaultKind::NotFound => ErrorKind::NotFound,
        FaultKind::Quota => ErrorKind::QuotaReached,
        FaultKind::Foreign | FaultKind::Throttled | FaultKind::Unknown | FaultKind::Unreached => ErrorKind::Unavailable,
    }
}

/// What happened, and what to try.
const fn words(kind: FaultKind) -> (&'static str, &'static str) {
    match kind {
        FaultKind::Credentials => {
            ("AWS took no credentials", "set AWS_PROFILE or the AWS_ variables, or give the task or function a role")
        }
        FaultKind::Denied => {
            ("AWS refused the action", "allow it on the prefix in the policy of the role that this runs under")
        }
        FaultKind::Doomed => ("the secret is scheduled for deletion", "restore it in the recovery window"),
        FaultKind::Exists => ("somebody else wrote the same version of the secret", "try again"),
        FaultKind::Foreign => (
            "something else than AWS answered; what was asked may or may not have been done",
            "see whether a proxy or the sign-in page of a network stands before AWS, check the endpoint, then try again",
        ),
        FaultKind::Invalid => ("AWS did not take the request", "check the Region, the endpoint and the prefix"),
        FaultKind::Kms => (
            "the KMS key could not be used",
            "see whether the key is enabled and not pending deletion, and whether the role may use it",
        ),
        FaultKind::NotFound => ("there is no such secret", "check the prefix, the Region and the account"),
        FaultKind::Quota => (
            "the secret has as many versions as AWS lets it have",
            "versions are removed once they are a day old; find out what writes to this secret so often",
        ),
        FaultKind::Throttled => {
            ("AWS throttled the request again and again", "try again later; the rates are shared by the whole account")
        }
        FaultKind::Unknown => (
            "AWS gave no answer; what was asked may or may not have been done",
            "try again; if it stays, check the endpoint, the network and the service's health page",
        ),
        FaultKind::Unreached => (
            "AWS could not be reached; nothing was asked of it",
            "check the Region, the endpoint and the network, then try again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_that_look_alike_are_told_apart() {
        let of_app = "User: arn:aws:sts::1:assumed-role/KMS-app/x is not authorized to perform: \
                      secretsmanager:PutSecretValue on resource: KMS/index";
        let deleted = "You can't perform this operation on the secret because it was marked for deletion.";
        for (code, message, kind) in [
            ("LimitExceededException", "", FaultKind::Quota),
            ("ThrottlingException", "Rate exceeded", FaultKind::Throttled),
            ("AccessDeniedException", "Access to KMS is not allowed", FaultKind::Kms),
            ("AccessDeniedException", "User: x is not authorized to perform: y", FaultKind::Denied),
            ("AccessDeniedException", of_app, FaultKind::Denied),
            ("AccessDeniedException", "User: x is not authorized to perform: kms:Decrypt on y", FaultKind::Kms),
            ("SignatureDoesNotMatch", "", FaultKind::Credentials),
            ("InvalidRequestException", deleted, FaultKind::Doomed),
            ("InvalidRequestException", "You must provide a ClientRequestToken value.", FaultKind::Invalid),
            ("InternalServiceError", "", FaultKind::Unknown),
            ("ValidationException", "1 validation error", FaultKind::Invalid),
        ] {
            assert_eq!(of_code(code, message), kind, "{code}: {message}");
        }
    }

    #[test]
    fn an_answer_without_a_code_is_not_the_services_and_refuses_nothing() {
        for status in [200, 302, 400, 403, 404, 407, 451] {
            assert_eq!(of_answer(status, None, ""), FaultKind::Foreign, "{status}");
        }
        assert_eq!(of_answer(429, None, ""), FaultKind::Throttled);
        assert_eq!(of_answer(502, None, ""), FaultKind::Unknown);
        for kind in [FaultKind::Foreign, FaultKind::Throttled, FaultKind::Unknown] {
            assert_eq!(error_kind(kind), ErrorKind::Unavailable);
        }
    }

    #[test]
    fn the_services_text_is_shown_only_where_it_cannot_hold_a_value() {
        let fault = |kind, detail: Option<&str>| {
            let code = Some("SomeException".to_owned());
            let detail = detail.map(str::to_owned);
            Fault { kind, action: "PutSecretValue", code, detail, place: "; asked: here".to_owned() }.explained()
        };
        let denied = fault(FaultKind::Denied, Some("User: a is not authorized to perform: b"));
        assert!(denied.message().contains("PutSecretValue: SomeException: User: a"), "{denied}");
        assert_eq!(denied.kind(), ErrorKind::PermissionDenied);
        assert!(!denied.message().contains("asked"), "its resource says where: {denied}");
        assert!(fault(FaultKind::Unreached, None).message().ends_with("); asked: here"));
        let quota = fault(FaultKind::Quota, None);
        assert_eq!((quota.kind(), quota.retry()), (ErrorKind::QuotaReached, crate::error::Retry::Never));
        assert_eq!(fault(FaultKind::Throttled, None).retry(), crate::error::Retry::Later);
    }
}
