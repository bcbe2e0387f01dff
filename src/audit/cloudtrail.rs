//! Reads of the vault's secrets that did not come through the vault: events of CloudTrail whose request no line names.
//!
//! Sources: AWS CloudTrail User Guide, "CloudTrail record contents"; AWS Secrets Manager User Guide, "Log AWS Secrets
//! Manager events with AWS CloudTrail": a batch leaves an event for each secret it reads.

use std::collections::HashSet;

use serde_json::{Deserializer, Value};

use crate::audit::read::Line;
use crate::backend::secret_name::SecretName;
use crate::error::{Error, Result};

const SERVICE: &str = "secretsmanager.amazonaws.com";
const READS: [&str; 2] = ["GetSecretValue", "BatchGetSecretValue"];
/// How long what an ARN adds to a secret's name is.
const ARN_END: usize = 7;

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

/// What came of holding events against a trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// How many events there were, of whatever kind.
    pub events: usize,
    /// How many of them are reads of the vault's secrets.
    pub reads: usize,
    /// The reads that no line of the trail is about, in the order of their time.
    pub strangers: Vec<Stranger>,
}

/// Holds events of CloudTrail against the lines of a trail.
#[derive(Debug)]
pub struct Join {
    prefix: String,
    region: Option<String>,
    requests: HashSet<String>,
}

impl Join {
    /// For the vault whose secrets are under `prefix`, in whichever Region.
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.trim_end_matches('/').to_owned(), region: None, requests: HashSet::new() }
    }

    /// The vault is in this Region: events of others are none of its.
    #[must_use]
    pub fn in_region(self, region: &str) -> Self {
        Self { region: Some(region.to_owned()), ..self }
    }

    /// The next line of the trail, of whatever kind.
    pub fn take(&mut self, line: Line) {
        self.requests.extend(line.requests);
    }

    /// Holds the events of `json` against the lines. `json` is what CloudTrail delivers (`Records`), what its LookupEvents
    /// answers (`Events`), what EventBridge hands on (`detail`), a list of events, or one event after another.
    ///
    /// # Errors
    /// `InvalidInput` for what is no JSON, for what holds no event at all, since nothing was held against anything then, and
    /// for an event within another one's text that cannot be read.
    pub fn hold(&self, json: &[u8]) -> Result<Held> {
        let mut held = Held::default();
        for value in Deserializer::from_slice(json).into_iter::<Value>() {
            let value = value.map_err(|_| refused("what is given as CloudTrail's events is not JSON"))?;
            self.walk(&value, &mut held)?;
        }
        if held.events == 0 {
            return Err(refused("what is given as CloudTrail's events holds none"));
        }
        held.strangers.sort_by(|one, other| (&one.time, &one.request).cmp(&(&other.time, &other.request)));
        Ok(held)
    }

    fn walk(&self, value: &Value, held: &mut Held) -> Result<()> {
        if let Some(events) = value.as_array().or_else(|| value.get("Records").or(value.get("Events"))?.as_array()) {
            return events.iter().try_for_each(|event| self.walk(event, held));
        }
        let Some(inner) = value.get("CloudTrailEvent") else {
            let detail = value.get("detail").filter(|detail| is_event(detail));
            self.see(detail.unwrap_or(value), held);
            return Ok(());
        };
        let event = inner.as_str().and_then(|inner| serde_json::from_str(inner).ok()).filter(is_event);
        self.see(&event.ok_or_else(|| refused("one of CloudTrail's events cannot be read"))?, held);
        Ok(())
    }

    fn see(&self, event: &Value, held: &mut Held) {
        if !is_event(event) {
            return;
        }
        held.events += 1;
        let Some(read) = self.read(event) else { return };
        held.reads += 1;
        if !self.requests.contains(&read.request) {
            held.strangers.push(read);
        }
    }

    /// What the event says, where it is a read of the vault's secrets.
    fn read(&self, event: &Value) -> Option<Stranger> {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, region) = (text("eventName"), text("awsRegion"));
        let is_elsewhere = self.region.as_ref().is_some_and(|own| !region.is_empty() && region != *own);
        if text("eventSource") != SERVICE || !READS.contains(&name.as_str()) || is_elsewhere {
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
            request: text("requestID"),
            error: event.get("errorCode").and_then(Value::as_str).map(str::to_owned),
        })
    }

    /// Whether a secret, by name or ARN, is of the vault. An ARN ends with a hyphen and six characters of the service's, which
    /// whoever asks may leave out (API reference, GetSecretValue, SecretId).
    fn is_ours(&self, id: &str) -> bool {
        let is_ours = |name: &str| SecretName::parse(&self.prefix, name).is_some();
        let Some((_, name)) = id.strip_prefix("arn:").and_then(|arn| arn.split_once(":secret:")) else {
            return is_ours(id);
        };
        let (whole, end) = name.split_at(name.len().saturating_sub(ARN_END));
        is_ours(name) || end.starts_with('-') && is_ours(whole)
    }
}

fn is_event(value: &Value) -> bool {
    value.get("eventSource").is_some_and(Value::is_string)
}

fn refused(what: &str) -> Error {
    Error::invalid(what).with_hint(
        "give a file as CloudTrail delivers it, unpacked, the answer of: aws cloudtrail lookup-events, or events of EventBridge",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::ErrorKind;
    use crate::identity::RecordName;

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

    fn held(events: &Value) -> Held {
        join().hold(events.to_string().as_bytes()).unwrap()
    }

    fn requests(events: &Value) -> Vec<String> {
        let mut told: Vec<String> = held(events).strangers.into_iter().map(|one| one.request).collect();
        told.sort();
        told
    }

    fn token() -> String {
        format!("prod/crm/token/{}", RecordName::from_bytes([7; 16]))
    }

    #[test]
    fn only_reads_of_our_secrets_that_no_line_names_are_told() {
        let (token, batch) = (token(), |asked: Value| {
            let mut event = event("BatchGetSecretValue", "", "3");
            event["requestParameters"] = asked;
            event
        });
        let arn = |end: &str| format!("arn:aws:secretsmanager:eu-west-1:1:secret:{token}{end}");
        let events = json!([
            event("GetSecretValue", &token, "known"),
            event("GetSecretValue", &token, "1"),
            event("GetSecretValue", &arn("-AbCdEf"), "2"),
            event("GetSecretValue", &arn(""), "4"),
            batch(json!({ "secretIdList": ["other", "prod/crm/index"] })),
            event("GetSecretValue", "prod/crm", "x"),
            event("DescribeSecret", &token, "x"),
            event("PutSecretValue", &token, "x"),
            json!({ "eventSource": "kms.amazonaws.com", "eventName": "GetSecretValue", "requestParameters": { "secretId": token } }),
            batch(json!({ "filters": [] })),
        ]);
        assert_eq!(requests(&events), ["1", "2", "3", "4"]);
        assert_eq!((held(&events).events, held(&events).reads), (10, 5));
    }

    /// A vault may lie below another one's prefix, and in another Region under the same.
    #[test]
    fn reads_of_other_vaults_are_none_of_ours() {
        let (token, name) = (token(), RecordName::from_bytes([7; 16]));
        for other in ["prod/crm-other", "prod/crm/production", "prod", "prod/crm/token"] {
            for part in [format!("token/{name}"), "index".to_owned(), "index/3/f0".to_owned(), "audit-key".to_owned()] {
                let secret = format!("{other}/{part}");
                let arn = format!("arn:aws:secretsmanager:eu-west-1:1:secret:{secret}-AbCdEf");
                let events = json!([event("GetSecretValue", &secret, "x"), event("GetSecretValue", &arn, "x")]);
                assert_eq!(requests(&events), [""; 0], "{secret}");
            }
        }
        let mut event = event("GetSecretValue", &token, "1");
        event["awsRegion"] = "eu-west-1".into();
        let in_region = |region: &str| join().in_region(region).hold(event.to_string().as_bytes()).unwrap().reads;
        assert_eq!((in_region("eu-west-1"), in_region("eu-central-1"), held(&event).reads), (1, 0, 1));
    }

    #[test]
    fn every_form_in_which_events_come_is_read() {
        let one = event("GetSecretValue", "prod/crm/index", "1");
        assert_eq!(requests(&one), ["1"]);
        assert_eq!(requests(&json!({ "Records": [one, one] })), ["1", "1"]);
        assert_eq!(requests(&json!({ "Events": [{ "CloudTrailEvent": one.to_string() }] })), ["1"]);
        assert_eq!(requests(&json!({ "detail-type": "AWS API Call via CloudTrail", "detail": one })), ["1"]);
        let lines = format!("{one}\n{one}\n");
        assert_eq!(join().hold(lines.as_bytes()).unwrap().reads, 2);
    }

    #[test]
    fn what_holds_no_event_says_nothing_about_any() {
        let one = event("GetSecretValue", "prod/crm/index", "known");
        let logs = json!({ "events": [{ "logStreamName": "s", "message": one.to_string() }] });
        for text in ["", "no JSON", "{}", "[]", r#"{"Records": []}"#, r#"{"Events": []}"#, "7", &logs.to_string()] {
            let error = join().hold(text.as_bytes()).unwrap_err();
            assert!(error.kind() == ErrorKind::InvalidInput && error.hint().is_some(), "{text}");
        }
        for unreadable in ["{", "{}", "7"] {
            let events =
                json!({ "Events": [{ "CloudTrailEvent": one.to_string() }, { "CloudTrailEvent": unreadable }] });
            let error = join().hold(events.to_string().as_bytes()).unwrap_err();
            assert!(error.message().contains("cannot be read"), "{unreadable}: {error}");
        }
    }
}
