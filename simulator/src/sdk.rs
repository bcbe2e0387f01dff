//! The simulator as the HTTP client of the AWS SDK: the very same SDK client, retries and all, without a socket.
//!
//! ```
//! use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
//! use secrets_manager_simulator::settings::Settings;
//! use secrets_manager_simulator::simulator::Simulator;
//!
//! let simulator = Simulator::new(Settings::new().seed(7));
//! // Retries wait on the virtual clock: they cost no time.
//! let config = aws_sdk_secretsmanager::Config::builder()
//!     .behavior_version(BehaviorVersion::latest())
//!     .region(Region::new("us-east-1"))
//!     .credentials_provider(Credentials::new("AKIDALICE", "any", None, None, "example"))
//!     .http_client(simulator.http_client())
//!     .sleep_impl(simulator.sleep_impl())
//!     .time_source(simulator.time_source())
//!     .build();
//! let client = aws_sdk_secretsmanager::Client::from_conf(config);
//! # drop(client);
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use crate::clock::Clock;
use crate::simulator::{Lost, Simulator};
use crate::wire::{Request, Response};

impl Simulator {
    /// For `Config::builder().http_client(..)`. The endpoint of the configuration is not looked at.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(Connector(self.clone()))
    }

    /// For `Config::builder().sleep_impl(..)`: waiting moves the virtual clock on, at once.
    ///
    /// The SDK's time-outs wait in the same way. A call that a gate holds for longer than it takes to look would
    /// therefore time out: leave time-outs off where there is a gate.
    pub fn sleep_impl(&self) -> SharedAsyncSleep {
        SharedAsyncSleep::new(ClockSleep(self.clock().clone()))
    }

    /// For `Config::builder().time_source(..)`: the virtual clock.
    pub fn time_source(&self) -> SharedTimeSource {
        SharedTimeSource::new(ClockTime(self.clock().clone()))
    }
}

#[derive(Debug)]
struct ClockSleep(Clock);

impl AsyncSleep for ClockSleep {
    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.0.clone();
        // Only a wait that somebody polls moves the clock.
        Sleep::new(async move { clock.advance(duration) })
    }
}

#[derive(Debug)]
struct ClockTime(Clock);

impl TimeSource for ClockTime {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0.now().as_millis())
    }
}

#[derive(Clone, Debug)]
struct Connector(Simulator);

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let simulator = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = arrived(&request)?;
            let response = simulator.call(&request).await.map_err(|lost| match lost {
                Lost::Connection => ConnectorError::io(lost.into()),
                Lost::TimedOut => ConnectorError::timeout(lost.into()),
            })?;
            answered(response)
        })
    }
}

fn arrived(request: &HttpRequest) -> Result<Request, ConnectorError> {
    let header = |name: &str| request.headers().get(name).map(str::to_owned);
    let body = request.body().bytes().ok_or_else(|| {
        ConnectorError::user("the simulator takes no streamed bodies, and Secrets Manager has none".into())
    })?;
    Ok(Request {
        target: header("x-amz-target").unwrap_or_default(),
        authorization: header("authorization"),
        body: body.to_vec(),
    })
}

fn answered(response: Response) -> Result<HttpResponse, ConnectorError> {
    let wrong = |error: aws_smithy_runtime_api::http::HttpError| ConnectorError::other(error.into(), None);
    let status = StatusCode::try_from(response.status).map_err(wrong)?;
    let date = response.date_header();
    let mut answer = HttpResponse::new(status, SdkBody::from(response.body));
    answer.headers_mut().insert("date", date);
    answer.headers_mut().insert("x-amzn-requestid", response.request_id);
    answer.headers_mut().insert("content-type", "application/x-amz-json-1.1");
    Ok(answer)
}
