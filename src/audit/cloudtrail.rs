//! Reads of the vault's secrets that did not come through the vault: events of CloudTrail whose request no line names.
//!
//! Sources: AWS CloudTrail User Guide, "CloudTrail record contents"; AWS Secrets Manager User Guide, "Log AWS Secrets
//! Manager events with AWS CloudTrail": a batch leaves an event for each secret it reads.

use std::collections::HashSet;

use serde_json::{Deserializer, Value};

use crate::audit::read::Line;
use crate::error::{Error, Result};

const SERVICE: &str = "secretsmanager.amazonaws.com";
const READS: [&str; 2] = ["GetSecretValue", "BatchGetSecretValue"];

/// A read that no line of the trail is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stranger {
    /// When it happened.
    pub time: String,
    /// `GetSecretValue` or `BatchGetSecretValue`.
    pub event: String,
    /// The secrets, as they were asked for.
    pub secrets: Vec<String>,
    /// Who asked: an ARN.
    pub who: String,
    /// From where.
    pub address: String,
    /// The request's identifier.
    pub request: String,
    /// The error it was answered with.
    pub error: Option<String>,
}

/// Holds events of CloudTrail against the lines of a trail.
#[derive(Debug)]
pub struct Join {
    prefix: String,
    requests: HashSet<String>,
}

impl Join {
    /// For the vault whose secrets are under `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: format!("{}/", prefix.trim_end_matches('/')), requests: HashSet::new() }
    }

    /// The next line of the trail, of whatever kind.
    pub fn take(&mut self, line: Line) {
        self.requests.extend(line.requests);
    }

    /// The reads among the events of `json` that no line is about. `json` is what CloudTrail delivers (`Records`), what
    /// its LookupEvents answers (`Events`), a list of events, or one event after another.
    ///
    /// # Errors
    /// `InvalidInput` for what is no JSON.
    pub fn strangers(&self, json: &[u8]) -> Result<Vec<Stranger>> {
        let mut found = Vec::new();
        for value in Deserializer::from_slice(json).into_iter::<Value>() {
            let value = value.map_err(|_| {
                Error::invalid("what is given as CloudTrail's events is not JSON").with_hint(
                    "give a file as CloudTrail delivers it, unpacked, or the answer of: aws cloudtrail lookup-events",
                )
            })?;
            self.walk(&value, &mut found);
        }
        found.sort_by(|one, other| (&one.time, &one.request).cmp(&(&other.time, &other.request)));
        Ok(found)
    }

    fn walk(&self, value: &Value, found: &mut Vec<Stranger>) {
        if let Some(events) = value.as_array().or_else(|| value.get("Records").or(value.get("Events"))?.as_array()) {
            return events.iter().for_each(|event| self.walk(event, found));
        }
        match value.get("CloudTrailEvent").and_then(Value::as_str) {
            Some(inner) => {
                if let Ok(inner) = serde_json::from_str::<Value>(inner) {
                    found.extend(self.stranger(&inner));
                }
            }
            None => found.extend(self.stranger(value)),
        }
    }

    fn stranger(&self, event: &Value) -> Option<Stranger> {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, request) = (text("eventName"), text("requestID"));
        if text("eventSource") != SERVICE || !READS.contains(&name.as_str()) || self.requests.contains(&request) {
            return None;
        }
        let asked = event.get("requestParameters");
        let one = asked.and_then(|asked| asked.get("secretId")).into_iter();
        let several = asked.and_then(|asked| asked.get("secretIdList")?.as_array()).into_iter().flatten();
        let ids: Vec<&str> = one.chain(several).filter_map(Value::as_str).collect();
        let ours: Vec<String> = ids.iter().filter(|id| self.is_ours(id)).map(|id| (*id).to_owned()).collect();
        // A batch by filters names no secret; for each that it read there is an event that does.
        if ours.is_empty() {
            return None;
        }
        let who = event.get("userIdentity").and_then(|who| who.get("arn")?.as_str());
        Some(Stranger {
            time: text("eventTime"),
            event: name,
            secrets: ours,
            who: who.unwrap_or_default().to_owned(),
            address: text("sourceIPAddress"),
            request,
            error: event.get("errorCode").and_then(Value::as_str).map(str::to_owned),
        })
    }

    /// Whether a secret, by name or ARN, is of the vault.
    fn is_ours(&self, id: &str) -> bool {
        let name = id.strip_prefix("arn:").and_then(|arn| arn.split_once(":secret:")).map_or(id, |(_, name)| name);
        name.starts_with(&self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str, secret: &str, request: &str) -> Value {
        json!({
            "eventTime": "2026-11-22T17:20:00Z", "eventSource": SERVICE, "eventName": name, "requestID": request,
            "requestParameters": { "secretId": secret }, "userIdentity": { "arn": "arn:aws:iam::1:user/eve" },
            "sourceIPAddress": "192.0.2.1",
        })
    }

    fn join() -> Join {
        let mut join = Join::new("prod/crm");
        join.take(Line { requests: vec!["known".to_owned()], ..Line::default() });
        join
    }

    fn requests(events: &Value) -> Vec<String> {
        join().strangers(events.to_string().as_bytes()).unwrap().into_iter().map(|one| one.request).collect()
    }

    #[test]
    fn only_reads_of_our_secrets_that_no_line_names_are_told() {
        let arn = "arn:aws:secretsmanager:eu-west-1:1:secret:prod/crm/token/tv1-AbCdEf";
        let events = json!([
            event("GetSecretValue", "prod/crm/token/tv1", "known"),
            event("GetSecretValue", "prod/crm/token/tv1", "1"),
            event("GetSecretValue", arn, "2"),
            event("GetSecretValue", "prod/crm-other/token/tv1", "x"),
            event("GetSecretValue", "prod/crm", "x"),
            event("DescribeSecret", "prod/crm/token/tv1", "x"),
            event("PutSecretValue", "prod/crm/token/tv1", "x"),
            json!({ "eventSource": "kms.amazonaws.com", "eventName": "GetSecretValue", "requestParameters": { "secretId": "prod/crm/index" } }),
            json!({ "eventSource": SERVICE, "eventName": "BatchGetSecretValue", "requestID": "3",
                "requestParameters": { "secretIdList": ["other", "prod/crm/index"] } }),
            json!({ "eventSource": SERVICE, "eventName": "BatchGetSecretValue", "requestID": "x",
                "requestParameters": { "filters": [] } }),
        ]);
        let mut told = requests(&events);
        told.sort();
        assert_eq!(told, ["1", "2", "3"]);
    }

    #[test]
    fn every_form_in_which_events_come_is_read() {
        let one = event("GetSecretValue", "prod/crm/index", "1");
        assert_eq!(requests(&one), ["1"]);
        assert_eq!(requests(&json!({ "Records": [one, one] })), ["1", "1"]);
        assert_eq!(requests(&json!({ "Events": [{ "CloudTrailEvent": one.to_string() }] })), ["1"]);
        let lines = format!("{one}\n{one}\n");
        assert_eq!(join().strangers(lines.as_bytes()).unwrap().len(), 2);
        assert!(join().strangers(b"no JSON").is_err());
        assert_eq!(join().strangers(b"").unwrap(), []);
    }
}
