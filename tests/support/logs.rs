//! CloudWatch Logs, as far as the audit trail calls it: with the limits that its API reference names for PutLogEvents.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_cloudwatchlogs::config::retry::RetryConfig;
use aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatchlogs::{Client, Config};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Throttled,
    Unavailable,
    Denied,
    /// A proxy answers in the service's place, with this status and a page of its own.
    Proxy(u16),
    /// No answer comes until it is let go; then the call is made.
    Hang,
    /// The call is made, and its answer is lost.
    AnswerLost,
}

/// An event that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) stream: String,
    pub(crate) at: i64,
    pub(crate) message: String,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// The groups, and the streams of each.
    pub(crate) groups: BTreeMap<String, Vec<String>>,
    pub(crate) events: Vec<Event>,
    /// What becomes of the calls to come, and of all others.
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) always: Option<Fault>,
    /// The time, in milliseconds since 1970.
    pub(crate) now: i64,
    /// How many events a page holds, where not 10,000; between such pages come empty ones.
    pub(crate) page: Option<usize>,
    /// Every call: its name, and its parameters.
    pub(crate) calls: Vec<(String, Value)>,
}

/// The service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logs {
    state: Arc<Mutex<State>>,
    release: Arc<tokio::sync::Notify>,
}

type Reply = Result<Value, (u16, &'static str)>;

const INVALID: (u16, &str) = (400, "InvalidParameterException");
const MISSING: (u16, &str) = (400, "ResourceNotFoundException");

impl Logs {
    /// One with a group that has no stream.
    pub(crate) fn with(group: &str, now: i64) -> Self {
        let logs = Self::default();
        logs.state().groups.insert(group.to_owned(), Vec::new());
        logs.state().now = now;
        logs
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Lets calls go that hang.
    pub(crate) fn let_go(&self) {
        self.state().always = None;
        self.release.notify_waiters();
    }

    pub(crate) fn count(&self, action: &str) -> usize {
        self.state().calls.iter().filter(|(name, _)| name == action).count()
    }

    /// All messages that are kept, each with a line break.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.state().events.iter().flat_map(|event| format!("{}\n", event.message).into_bytes()).collect()
    }

    pub(crate) fn client(&self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIDALICE", "secret", None, None, "tests"))
            .retry_config(RetryConfig::disabled())
            .http_client(SharedHttpClient::new(self.clone()))
            .build();
        Client::from_conf(config)
    }

    /// Answers a call; `None` where its answer is lost.
    pub(crate) async fn answer(&self, target: &str, body: &[u8]) -> Option<(u16, String)> {
        let action = target.strip_prefix("Logs_20140328.").unwrap().to_owned();
        let asked: Value = serde_json::from_slice(body).unwrap();
        let fault = {
            let mut state = self.state();
            state.calls.push((action.clone(), asked.clone()));
            state.faults.pop_front().or(state.always)
        };
        let refused =
            |status, code| Some((status, json!({ "__type": code, "message": "canary of the service" }).to_string()));
        match fault {
            Some(Fault::Throttled) => return refused(400, "ThrottlingException"),
            Some(Fault::Unavailable) => return refused(503, "ServiceUnavailableException"),
            Some(Fault::Denied) => return refused(400, "AccessDeniedException"),
            Some(Fault::Proxy(status)) => return Some((status, "<html>canary of the proxy</html>".to_owned())),
            Some(Fault::Hang) => self.release.notified().await,
            Some(Fault::AnswerLost) | None => {}
        }
        let reply = self.state().reply(&action, &asked);
        if fault == Some(Fault::AnswerLost) {
            return None;
        }
        match reply {
            Ok(value) => Some((200, value.to_string())),
            Err((status, code)) => refused(status, code),
        }
    }
}

impl State {
    fn reply(&mut self, action: &str, asked: &Value) -> Reply {
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let (group, stream) = (text("logGroupName"), text("logStreamName"));
        let streams = self.groups.get_mut(&group).ok_or(MISSING)?;
        match action {
            "CreateLogStream" if streams.contains(&stream) => Err((400, "ResourceAlreadyExistsException")),
            "CreateLogStream" => {
                streams.push(stream);
                Ok(json!({}))
            }
            "PutLogEvents" if !streams.contains(&stream) => Err(MISSING),
            "PutLogEvents" => self.put(&stream, asked["logEvents"].as_array().ok_or(INVALID)?),
            "FilterLogEvents" => self.filter(asked),
            other => panic!("nobody calls {other}"),
        }
    }

    fn put(&mut self, stream: &str, events: &[Value]) -> Reply {
        let read = |event: &Value| Some((event["timestamp"].as_i64()?, event["message"].as_str()?.to_owned()));
        let events: Vec<(i64, String)> = events.iter().map(read).collect::<Option<_>>().ok_or(INVALID)?;
        let bytes: usize = events.iter().map(|(_, message)| message.len() + 26).sum();
        let is_in_order = events.iter().is_sorted_by_key(|(at, _)| *at);
        let sizes = events.iter().all(|(_, message)| (1..=1_048_576).contains(&message.len()));
        let is_fine = (1..=10_000).contains(&events.len()) && bytes <= 1_048_576 && is_in_order && sizes;
        let span = events.last().map_or(0, |(at, _)| *at) - events.first().map_or(0, |(at, _)| *at);
        if !is_fine || span > 24 * 3_600_000 {
            return Err(INVALID);
        }
        let (oldest, newest) = (self.now - 14 * 24 * 3_600_000, self.now + 2 * 3_600_000);
        let mut info = json!({});
        if let Some(first) = events.iter().position(|(at, _)| *at > newest) {
            info["tooNewLogEventStartIndex"] = first.into();
        }
        if let Some(last) = events.iter().rposition(|(at, _)| *at < oldest) {
            info["tooOldLogEventEndIndex"] = (last + 1).into();
        }
        let kept = events.into_iter().filter(|(at, _)| (oldest..=newest).contains(at));
        self.events.extend(kept.map(|(at, message)| Event { stream: stream.to_owned(), at, message }));
        Ok(if info == json!({}) { json!({}) } else { json!({ "rejectedLogEventsInfo": info }) })
    }

    fn filter(&self, asked: &Value) -> Reply {
        let names = asked["logStreamNames"].as_array();
        let has_stream = |name: &Value| {
            let mut made = self.groups.values().flatten().chain(self.events.iter().map(|event| &event.stream));
            made.any(|stream| name == stream)
        };
        if names.is_some_and(|names| !names.iter().all(has_stream)) {
            return Err(MISSING);
        }
        let is_asked = |event: &&Event| {
            names.is_none_or(|names| names.iter().any(|name| *name == event.stream))
                && asked["startTime"].as_i64().is_none_or(|start| event.at >= start)
                && asked["endTime"].as_i64().is_none_or(|end| event.at <= end)
        };
        let mut found: Vec<&Event> = self.events.iter().filter(is_asked).collect();
        found.sort_by_key(|event| event.at);
        let token = asked["nextToken"].as_str().unwrap_or("0").parse::<usize>().map_err(|_| INVALID)?;
        let size = self.page.unwrap_or(10_000);
        // Every second page is empty, where pages are small.
        let (place, is_empty) = if self.page.is_some() { (token / 2, token % 2 == 0) } else { (token, false) };
        let page = found.iter().skip(place * size).take(if is_empty { 0 } else { size });
        let events: Vec<Value> = page
            .map(|event| json!({ "logStreamName": event.stream, "timestamp": event.at, "message": event.message }))
            .collect();
        let is_last = !is_empty && (place + 1) * size >= found.len();
        let next = if is_last { Value::Null } else { (token + 1).to_string().into() };
        Ok(json!({ "events": events, "nextToken": next }))
    }
}

impl HttpClient for Logs {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Logs {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let logs = self.clone();
        HttpConnectorFuture::new(async move {
            let target = request.headers().get("x-amz-target").unwrap().to_owned();
            let body = request.body().bytes().unwrap().to_vec();
            let (status, body) =
                logs.answer(&target, &body).await.ok_or_else(|| ConnectorError::io("the connection broke".into()))?;
            let mut answer = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body));
            answer.headers_mut().insert("content-type", "application/x-amz-json-1.1");
            Ok(answer)
        })
    }
}
