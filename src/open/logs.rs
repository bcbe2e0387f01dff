//! Where an audit trail lies in CloudWatch Logs, and the client that reaches it.

use std::fmt;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::Builder;

use crate::audit::cloudwatch::{self, CloudWatchLogs};
use crate::error::Result;
use crate::open::client::{is_endpoint, is_region, read_parameters, shared};

/// A log group, and a stream in it: `GROUP:STREAM?region=REGION&endpoint=URL`, the stream and the parameters as needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsLocation {
    given: String,
    group: String,
    stream: Option<String>,
    region: Option<String>,
    endpoint: Option<String>,
}

impl LogsLocation {
    /// Reads what follows `cloudwatch:`.
    ///
    /// # Errors
    /// `InvalidInput` for names that the service would not take, and for parameters that are unknown, doubled, empty, or of
    /// another form than AWS gives them.
    pub fn parse(text: &str) -> Result<Self> {
        let (names, parameters) = text.split_once('?').unwrap_or((text, ""));
        let (group, stream) = names.split_once(':').map_or((names, None), |(group, stream)| (group, Some(stream)));
        cloudwatch::check(group, stream)?;
        let mut location = Self {
            given: text.to_owned(),
            group: group.to_owned(),
            stream: stream.map(str::to_owned),
            region: None,
            endpoint: None,
        };
        let known = [
            ("region", &mut location.region, is_region as fn(&str) -> bool),
            ("endpoint", &mut location.endpoint, is_endpoint),
        ];
        read_parameters(parameters, known, "the audit trail in CloudWatch Logs").map_err(|error| {
            error
                .with_hint("write it as in cloudwatch:/tokenvault/prod:audit?region=eu-central-1&endpoint=https://HOST")
        })?;
        Ok(location)
    }

    /// Whether a stream is named, which who writes needs.
    pub fn has_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// The log group, over a client of the SDK's default chain.
    ///
    /// # Errors
    /// `InvalidInput` where no Region is set, and where the environment asks the SDK to print bodies.
    pub async fn logs(&self) -> Result<CloudWatchLogs> {
        let shared = shared(self.region.as_deref(), "the audit trail").await?;
        let mut config = Builder::from(&shared.config);
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        CloudWatchLogs::new(Client::from_conf(config.build()), &self.group, self.stream.as_deref())
    }
}

/// As it was given.
impl fmt::Display for LogsLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_parameters_are_read() {
        let text = "/tokenvault/prod:audit/1?region=eu-west-1&endpoint=http%3A%2F%2F127.0.0.1:4566";
        let location = LogsLocation::parse(text).unwrap();
        assert_eq!(location.to_string(), text);
        assert_eq!((location.group.as_str(), location.stream.as_deref()), ("/tokenvault/prod", Some("audit/1")));
        assert_eq!(location.region.as_deref(), Some("eu-west-1"));
        assert_eq!(location.endpoint.as_deref(), Some("http://127.0.0.1:4566"));
        assert!(!LogsLocation::parse("/tokenvault/prod").unwrap().has_stream());
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_not_repeated() {
        for text in
            ["", ":s", "g:", "g:s:canary", "g:s?kms_key_id=canary", "g:s?region=Canary", "g:s?x=canary", "a canary:s"]
        {
            let error = LogsLocation::parse(text).expect_err(text);
            assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("canary"), "{text}: {error}");
        }
    }
}
