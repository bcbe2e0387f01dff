//! Calls to CloudWatch Logs: tried again where the reason passes, and told in our words where not.

use std::error::Error as StdError;
use std::future::Future;
use std::time::Duration;

use aws_sdk_cloudwatchlogs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::error::{Error, ErrorKind};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(4);
/// How often a call is made that is throttled, or that no answer comes to.
const MAX_ATTEMPTS: u32 = 6;
/// The wait after the first attempt is up to this; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// It may be otherwise in a moment: throttled, broken down, out of reach.
    Passing,
    /// What answered is not the service: a proxy, or the sign-in page of a network.
    Foreign,
    /// There is no such group or stream.
    Missing,
    /// There is one already.
    Exists,
    /// Somebody's rights or credentials were against it.
    Denied,
    /// The request itself was not taken.
    Invalid,
}

/// A call that failed.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    action: &'static str,
    /// What the service said, where that cannot hold what it was sent.
    detail: String,
}

impl Fault {
    fn of<E: ProvideErrorMetadata + StdError + 'static>(action: &'static str, error: &SdkError<E>) -> Self {
        let code = error.code();
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        let kind = match error {
            SdkError::ServiceError(_) => of_answer(status, code),
            // Credentials that cannot be had are no kind of error of their own in the SDK.
            _ if format!("{}", DisplayErrorContext(error)).contains("credentials") => FaultKind::Denied,
            SdkError::ConstructionFailure(_) => FaultKind::Invalid,
            _ => FaultKind::Passing,
        };
        // A refusal of rights names who asked for what; others may repeat what they were sent.
        let message = error.message().filter(|_| kind == FaultKind::Denied);
        let detail = [code, message].into_iter().flatten().filter(|text| !text.is_empty());
        let mut detail: String = detail.map(|text| format!(": {text}")).collect();
        if code.is_none() && status > 0 {
            detail = format!(": HTTP {status}");
        }
        Self { kind, action, detail }
    }

    fn silence(action: &'static str) -> Self {
        Self { kind: FaultKind::Passing, action, detail: ": no answer".to_owned() }
    }

    /// Whether the same call may be answered in a moment.
    fn passes(&self) -> bool {
        matches!(self.kind, FaultKind::Passing | FaultKind::Foreign)
    }

    /// The error that a caller sees. `group` is where it was asked.
    pub(super) fn explained(&self, group: &str) -> Error {
        let (kind, what, hint) = match self.kind {
            FaultKind::Passing => (
                ErrorKind::Unavailable,
                "CloudWatch Logs gave no answer, or throttled the request, again and again".to_owned(),
                "try again later; if it stays, check the Region, the endpoint and the network".to_owned(),
            ),
            FaultKind::Foreign => (
                ErrorKind::Unavailable,
                "something else than CloudWatch Logs answered".to_owned(),
                "see whether a proxy or the sign-in page of a network stands before AWS, check the endpoint, then try again"
                    .to_owned(),
            ),
            FaultKind::Missing | FaultKind::Exists => (
                ErrorKind::NotFound,
                format!("there is no log group {group}, or it has no such stream"),
                format!("make it with `aws logs create-log-group --log-group-name {group}`, or check the Region"),
            ),
            FaultKind::Denied => (
                ErrorKind::PermissionDenied,
                format!("AWS refused the action on the log group {group}"),
                format!("allow logs:{} on it in the policy of the role that this runs under", self.action),
            ),
            FaultKind::Invalid => (
                ErrorKind::InvalidInput,
                "CloudWatch Logs did not take the request".to_owned(),
                "check the Region, the endpoint, and the names of group and stream".to_owned(),
            ),
        };
        Error::new(kind, format!("{what} (logs:{}{})", self.action, self.detail)).with_hint(hint)
    }
}

/// The service names a code with each refusal. What has none says nothing of what was asked.
fn of_answer(status: u16, code: Option<&str>) -> FaultKind {
    match code {
        _ if status >= 500 || status == 429 => FaultKind::Passing,
        Some(code) => of_code(code),
        None => FaultKind::Foreign,
    }
}

/// By the API reference: "Errors" of each call, and "Common Error Types".
fn of_code(code: &str) -> FaultKind {
    match code {
        "ResourceNotFoundException" => FaultKind::Missing,
        "ResourceAlreadyExistsException" => FaultKind::Exists,
        "RequestAbortedException" | "RequestLimitExceeded" | "RequestTimeout" | "RequestTimeoutException" => {
            FaultKind::Passing
        }
        _ if code.contains("Throttl") || code.contains("TooManyRequests") => FaultKind::Passing,
        "AccessDenied" | "AccessDeniedException" | "AuthFailure" | "ExpiredToken" | "ExpiredTokenException" => {
            FaultKind::Denied
        }
        "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException" => FaultKind::Denied,
        "MissingAuthenticationToken" | "MissingAuthenticationTokenException" | "NotAuthorized" | "OptInRequired" => {
            FaultKind::Denied
        }
        "RequestExpired" | "SignatureDoesNotMatch" | "UnrecognizedClientException" => FaultKind::Denied,
        _ => FaultKind::Invalid,
    }
}

/// Makes a call until it is answered, for some seconds.
pub(super) async fn ask<T, E, F>(action: &'static str, call: impl Fn() -> F) -> Result<T, Fault>
where
    E: ProvideErrorMetadata + StdError + 'static,
    F: Future<Output = Result<T, SdkError<E>>>,
{
    let mut wait = FIRST_WAIT;
    let mut attempt = 1;
    loop {
        let fault = match tokio::time::timeout(ATTEMPT, call()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Fault::of(action, &error),
            Err(_) => Fault::silence(action),
        };
        tracing::debug!(action, kind = ?fault.kind, "a call to CloudWatch Logs failed");
        if !fault.passes() || attempt == MAX_ATTEMPTS {
            return Err(fault);
        }
        tokio::time::sleep(wait.mul_f64(fastrand::f64())).await;
        wait *= 2;
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_means_is_told_by_its_code() {
        for (status, code, kind) in [
            (400, "ResourceNotFoundException", FaultKind::Missing),
            (400, "ResourceAlreadyExistsException", FaultKind::Exists),
            (400, "ThrottlingException", FaultKind::Passing),
            (400, "RequestLimitExceeded", FaultKind::Passing),
            (408, "RequestTimeoutException", FaultKind::Passing),
            (503, "ServiceUnavailableException", FaultKind::Passing),
            (500, "AccessDeniedException", FaultKind::Passing),
            (400, "AccessDeniedException", FaultKind::Denied),
            (403, "OptInRequired", FaultKind::Denied),
            (403, "SignatureDoesNotMatch", FaultKind::Denied),
            (403, "MissingAuthenticationToken", FaultKind::Denied),
            (400, "RequestExpired", FaultKind::Denied),
            (401, "NotAuthorized", FaultKind::Denied),
            (400, "InvalidParameterException", FaultKind::Invalid),
            (400, "ValidationException", FaultKind::Invalid),
            (413, "RequestEntityTooLargeException", FaultKind::Invalid),
        ] {
            assert_eq!(of_answer(status, Some(code)), kind, "{status} {code}");
        }
    }

    #[test]
    fn an_answer_without_a_code_is_not_the_services_and_refuses_nothing() {
        for status in [302, 400, 401, 403, 404, 407, 413, 451] {
            assert_eq!(of_answer(status, None), FaultKind::Foreign, "{status}");
        }
        for status in [429, 500, 502, 504] {
            assert_eq!(of_answer(status, None), FaultKind::Passing, "{status}");
        }
        for kind in [FaultKind::Foreign, FaultKind::Passing] {
            let fault = Fault { kind, action: "PutLogEvents", detail: ": HTTP 407".to_owned() };
            assert!(fault.passes());
            assert_eq!(fault.explained("group").kind(), ErrorKind::Unavailable);
        }
    }
}
