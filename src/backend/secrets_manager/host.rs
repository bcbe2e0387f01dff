//! Which host is asked. The environment, a profile or the location decide that, so whoever is told that something is not there
//! is told as well where it was looked for.

use std::sync::{Arc, OnceLock};

use aws_sdk_secretsmanager::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_secretsmanager::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_secretsmanager::error::BoxError;
use aws_sdk_secretsmanager::{Client, Config};

/// The host of the first request, as the SDK has found it.
#[derive(Clone, Debug, Default)]
pub(super) struct Host(Arc<OnceLock<String>>);

impl Host {
    /// A client that calls as `client` does, and tells this one whom it asks.
    pub(super) fn noting(&self, client: &Client) -> Client {
        Client::from_conf(client.config().to_builder().interceptor(self.clone()).build())
    }

    /// What an error says of it, behind a semicolon; nothing where neither host nor Region is known.
    pub(super) fn said(&self, config: &Config) -> String {
        let region = config.region().map(|region| format!("Region {region}"));
        let known: Vec<&str> = self.0.get().into_iter().chain(&region).map(String::as_str).collect();
        if known.is_empty() { String::new() } else { format!("; asked: {}", known.join(", ")) }
    }
}

impl Intercept for Host {
    fn name(&self) -> &'static str {
        "the host that is asked"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.get_or_init(|| of_url(context.request().uri()));
        Ok(())
    }
}

/// Scheme, host and port: an endpoint from the environment may have a password before them.
fn of_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_endpoint_neither_password_nor_path_is_shown() {
        for (url, shown) in [
            ("https://secretsmanager.us-east-1.amazonaws.com/", "https://secretsmanager.us-east-1.amazonaws.com"),
            ("http://127.0.0.1:4566/", "http://127.0.0.1:4566"),
            ("http://[::1]:80/a?b", "http://[::1]:80"),
            ("http://user:canary@host:80/canary?canary#canary", "http://host:80"),
            ("http://user:canary@canary@host", "http://host"),
        ] {
            assert_eq!(of_url(url), shown);
        }
    }
}
