//! What the clients of AWS's services have in common: the parameters of an address, credentials, Region and time-outs.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one attempt of a call may take, from the connection to the last byte.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the SDK takes as leave to print the bodies of requests and answers.
const PRINTS_BODIES: &str = "LOG_SENSITIVE_BODIES";

/// A parameter of an address: its name, where its value goes, and what that may be.
pub(super) type Parameter<'a> = (&'static str, &'a mut Option<String>, fn(&str) -> bool);

/// Reads `NAME=VALUE&...`; values may be percent-encoded. `whose` is what errors name.
///
/// # Errors
/// `InvalidInput` for parameters that are unknown, doubled, empty, or of another form than they may be.
pub(super) fn read_parameters<const N: usize>(text: &str, known: [Parameter<'_>; N], whose: &str) -> Result<()> {
    let mut known = known;
    for parameter in text.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let Some((name, place, is_fit)) = known.iter_mut().find(|(own, ..)| *own == name) else {
            // Not repeated: what somebody puts there by mistake may be a secret.
            return Err(Error::invalid(format!("{whose} has a parameter that there is not")));
        };
        let value = percent_decode_str(value).decode_utf8().unwrap_or_default();
        if !is_fit(&value) {
            return Err(Error::invalid(format!("{whose} has no usable {name}")));
        }
        if place.replace(value.into_owned()).is_some() {
            return Err(Error::invalid(format!("{whose} names {name} twice")));
        }
    }
    Ok(())
}

/// What a client of any service is made from.
pub(super) struct Shared {
    pub(super) config: SdkConfig,
    pub(super) region: Region,
}

/// Credentials and Region of the SDK's default chain, no retries of its own, and its time-outs. `whose` address may name the
/// Region.
///
/// # Errors
/// `InvalidInput` where no Region is set, and where the environment asks the SDK to print bodies.
pub(super) async fn shared(region: Option<&str>, whose: &str) -> Result<Shared> {
    refuse_printed_bodies()?;
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT);
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build());
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    let config = loader.load().await;
    let Some(region) = config.region().cloned() else {
        return Err(Error::invalid("no Region is set for AWS")
            .with_hint(format!("add ?region=REGION to {whose}, or set AWS_REGION, or region in the profile")));
    };
    Ok(Shared { config, region })
}

pub(super) fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// A URL without a user, query or fragment: the location is shown, and passwords have no place in it.
pub(super) fn is_endpoint(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"@?#\\".contains(&byte))
    })
}

#[expect(clippy::disallowed_methods, reason = "a switch of the SDK's, which it reads from the environment itself")]
fn refuse_printed_bodies() -> Result<()> {
    // As the SDK reads it.
    match std::env::var(PRINTS_BODIES) {
        Ok(value) if value.eq_ignore_ascii_case("true") => {
            Err(Error::invalid(format!("{PRINTS_BODIES} is set: the AWS SDK would write tokens into the log"))
                .with_hint(format!("unset {PRINTS_BODIES}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_attempt_takes_more_than_ten_seconds_and_the_sdk_makes_one() {
        let config = shared(Some("eu-central-1"), "the test").await.unwrap().config;
        let timeouts = config.timeout_config().unwrap();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!((timeouts.connect_timeout(), timeouts.operation_attempt_timeout()), (seconds(3), seconds(10)));
        assert_eq!(config.retry_config().unwrap().max_attempts(), 1);
    }
}
