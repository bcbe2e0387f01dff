//! A provider that is asked over HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use zeroize::Zeroizing;

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::fields::{Field, Fields};
use crate::pause::{Pause, SystemPause, within};
use crate::provider::endpoint::Endpoint;
use crate::provider::{Granted, Provider, form, reply};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the provider may take in all. Below what a lease lasts, so that whoever refreshes can still save.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A longer answer is no answer of a token endpoint.
const MAX_ANSWER: usize = 64 * 1024;

/// The token endpoint of an OAuth provider, over HTTPS.
///
/// # Security
/// Secrets go into the request's body, never into its URL. Redirects are not followed. Certificates are those that the
/// system trusts. Errors name the endpoint and hold nothing of what was sent or answered.
pub struct HttpProvider {
    endpoint: Endpoint,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    clock: Arc<dyn Clock>,
    pause: Arc<dyn Pause>,
}

/// A body that is wiped when it was sent.
struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl HttpProvider {
    /// At this endpoint, by the system's clock. It needs a tokio runtime with io and time.
    ///
    /// # Errors
    /// `Unavailable` where the system has no certificates to trust.
    pub fn new(endpoint: Endpoint) -> Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        // The endpoint's type sees to it that what is not encrypted stays on this machine.
        connector.enforce_http(false);
        let https = HttpsConnectorBuilder::new().with_native_roots().map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "the system has no certificates to trust")
                .with_source(cause)
                .with_hint("install the package ca-certificates, or set SSL_CERT_FILE")
        })?;
        let https = https.https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new()).build(https);
        Ok(Self { endpoint, client, clock: Arc::new(SystemClock), pause: Arc::new(SystemPause) })
    }

    async fn post(&self, url: String, pairs: &[(&str, &str)]) -> Result<(u16, Zeroizing<Vec<u8>>)> {
        let request = Request::post(url)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("tokenvault/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from_owner(Wiped(form::encode(pairs)))))
            .map_err(|cause| self.unreached().with_source(cause))?;
        let asking = async {
            let answer = self.client.request(request).await.map_err(|cause| self.unreached().with_source(cause))?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|_| self.unreached())?.to_bytes();
            Ok((status, Zeroizing::new(body.to_vec())))
        };
        within(&*self.pause, TIMEOUT, asking).await.unwrap_or_else(|| Err(self.unreached()))
    }

    fn unreached(&self) -> Error {
        Error::new(ErrorKind::Unavailable, format!("the provider gave no answer ({})", self.endpoint))
            .with_hint("check the network, and the data centre or URL of the provider; then try again")
    }

    async fn ask(&self, pairs: &[(&str, &str)]) -> Result<Granted> {
        let (status, body) = self.post(self.endpoint.token(), pairs).await?;
        reply::granted(status, &body, self.clock.now())
    }
}

/// What a token must have for a request, by the names of the form.
fn needed<'a>(token: &'a Fields, fields: &[(&'static str, Field)]) -> Result<Vec<(&'static str, &'a str)>> {
    let text = |(name, field): &(&'static str, Field)| {
        let text = token.text(*field).ok_or_else(|| {
            Error::invalid(format!("the token has no {}", field.name()))
                .with_hint("save it once with all that its provider asks for")
        })?;
        Ok((*name, text))
    };
    fields.iter().map(text).collect()
}

#[async_trait]
impl Provider for HttpProvider {
    async fn refresh(&self, token: &Fields) -> Result<Granted> {
        let fields = [
            ("client_id", Field::ClientId),
            ("client_secret", Field::ClientSecret),
            ("refresh_token", Field::RefreshToken),
        ];
        let mut pairs = needed(token, &fields)?;
        pairs.push(("grant_type", "refresh_token"));
        self.ask(&pairs).await
    }

    async fn exchange(&self, token: &Fields) -> Result<Granted> {
        let fields =
            [("client_id", Field::ClientId), ("client_secret", Field::ClientSecret), ("code", Field::GrantToken)];
        let mut pairs = needed(token, &fields)?;
        pairs.push(("grant_type", "authorization_code"));
        pairs.extend(token.text(Field::RedirectUrl).map(|url| ("redirect_uri", url)));
        self.ask(&pairs).await
    }

    async fn revoke(&self, token: &Fields) -> Result<()> {
        let pairs = needed(token, &[("token", Field::RefreshToken)])?;
        let (status, body) = self.post(self.endpoint.revoke(), &pairs).await?;
        reply::revoked(status, &body)
    }
}

impl fmt::Debug for HttpProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProvider").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
