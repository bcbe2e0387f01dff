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
        let code = error.code().unwrap_or_default();
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        let kind = match code {
            "ResourceNotFoundException" => FaultKind::Missing,
            "ResourceAlreadyExistsException" => FaultKind::Exists,
            _ if status >= 500 || status == 429 || code.contains("Throttl") || code.contains("TooManyRequests") => {
                FaultKind::Passing
            }
            "AccessDeniedException" | "UnrecognizedClientException" | "InvalidSignatureException" => FaultKind::Denied,
            "ExpiredTokenException" | "InvalidClientTokenId" | "IncompleteSignature" => FaultKind::Denied,
            _ if matches!(error, SdkError::ServiceError(_)) => FaultKind::Invalid,
            // Credentials that cannot be had are no kind of error of their own in the SDK.
            _ if format!("{}", DisplayErrorContext(error)).contains("credentials") => FaultKind::Denied,
            _ if matches!(error, SdkError::ConstructionFailure(_)) => FaultKind::Invalid,
            _ => FaultKind::Passing,
        };
        // A refusal of rights names who asked for what; others may repeat what they were sent.
        let message = error.message().filter(|_| kind == FaultKind::Denied);
        let detail = [Some(code), message].into_iter().flatten().filter(|text| !text.is_empty());
        Self { kind, action, detail: detail.map(|text| format!(": {text}")).collect() }
    }

    fn silence(action: &'static str) -> Self {
        Self { kind: FaultKind::Passing, action, detail: ": no answer".to_owned() }
    }

    /// The error that a caller sees. `group` is where it was asked.
    pub(super) fn explained(&self, group: &str) -> Error {
        let (kind, what, hint) = match self.kind {
            FaultKind::Passing => (
                ErrorKind::Unavailable,
                "CloudWatch Logs gave no answer, or throttled the request, again and again".to_owned(),
                "try again later; if it stays, check the Region, the endpoint and the network".to_owned(),
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
        if fault.kind != FaultKind::Passing || attempt == MAX_ATTEMPTS {
            return Err(fault);
        }
        tokio::time::sleep(wait.mul_f64(fastrand::f64())).await;
        wait *= 2;
        attempt += 1;
    }
}
