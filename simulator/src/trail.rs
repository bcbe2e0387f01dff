//! The events that CloudTrail would write: who called what, when, with which outcome, and never a value.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::error::ServiceError;
use crate::iam::principal::Principal;

/// Members that CloudTrail never holds.
const SENSITIVE: [&str; 3] = ["SecretString", "SecretBinary", "RotationToken"];

/// One event, before it is written out.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) time: Timestamp,
    pub(crate) event_id: String,
    /// `secretsmanager.amazonaws.com`, or KMS.
    pub(crate) source: &'static str,
    pub(crate) name: String,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    /// Somebody called.
    Call {
        principal: Arc<Principal>,
        access_key: String,
        request_id: String,
        read_only: bool,
        error: Option<ServiceError>,
        request: Value,
        response: Value,
    },
    /// The service did something by itself, to the secret of this ARN.
    Service { secret: String },
}

/// What a request's members look like in an event: named in camel case, without values of secrets.
pub(crate) fn parameters(body: &Value) -> Value {
    let Some(members) = body.as_object() else { return Value::Null };
    let shown = members.iter().filter(|(name, _)| !SENSITIVE.contains(&name.as_str()));
    let shown: Map<String, Value> = shown.map(|(name, value)| (camel_case(name), nested(value))).collect();
    if shown.is_empty() { Value::Null } else { Value::Object(shown) }
}

fn nested(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(nested).collect(),
        Value::Object(_) => parameters(value),
        other => other.clone(),
    }
}

fn camel_case(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_lowercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

impl Record {
    /// The event as JSON.
    pub(crate) fn event(&self) -> Value {
        let mut event = json!({
            "eventVersion": "1.11",
            "eventTime": self.time.to_string(),
            "eventSource": self.source,
            "eventName": self.name,
            "awsRegion": self.region,
            "eventID": self.event_id,
            "managementEvent": true,
            "recipientAccountId": self.account,
            "eventCategory": "Management",
        });
        let Some(members) = event.as_object_mut() else { return event };
        match &self.what {
            What::Service { secret } => {
                members.insert("eventType".to_owned(), "AwsServiceEvent".into());
                members.insert("readOnly".to_owned(), false.into());
                members
                    .insert("userIdentity".to_owned(), json!({ "accountId": self.account, "invokedBy": self.source }));
                members.insert("additionalEventData".to_owned(), json!({ "SecretId": secret }));
            }
            What::Call { principal, access_key, request_id, read_only, error, request, response } => {
                members.insert("eventType".to_owned(), "AwsApiCall".into());
                members.insert("readOnly".to_owned(), (*read_only).into());
                members.insert("userIdentity".to_owned(), identity(principal, access_key));
                members.insert("sourceIPAddress".to_owned(), "127.0.0.1".into());
                members.insert("userAgent".to_owned(), "secrets-manager-simulator".into());
                members.insert("requestID".to_owned(), request_id.as_str().into());
                members.insert("requestParameters".to_owned(), request.clone());
                members.insert("responseElements".to_owned(), response.clone());
                if let Some(error) = error {
                    members.insert("errorCode".to_owned(), error.code.as_ref().into());
                    members.insert("errorMessage".to_owned(), error.message.as_str().into());
                }
            }
        }
        event
    }
}

fn identity(principal: &Principal, access_key: &str) -> Value {
    let account = principal.account();
    let Some((role, session)) =
        principal.arn.split_once(":assumed-role/").and_then(|(_, session)| session.split_once('/'))
    else {
        let user = principal.arn.rsplit('/').next().unwrap_or_default();
        return json!({
            "type": "IAMUser", "principalId": format!("AIDA{user}"), "arn": principal.arn, "accountId": account,
            "accessKeyId": access_key, "userName": user,
        });
    };
    let issuer = json!({
        "type": "Role", "principalId": format!("AROA{role}"), "arn": format!("arn:aws:iam::{account}:role/{role}"),
        "accountId": account, "userName": role,
    });
    json!({
        "type": "AssumedRole", "principalId": format!("AROA{role}:{session}"), "arn": principal.arn,
        "accountId": account, "accessKeyId": access_key, "sessionContext": { "sessionIssuer": issuer },
    })
}

/// All events, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail(Vec<Record>);

impl Trail {
    pub(crate) fn add(&mut self, record: Record) {
        self.0.push(record);
    }

    /// The events up to a moment.
    pub(crate) fn until(&self, time: Timestamp) -> impl Iterator<Item = &Record> {
        self.0.iter().take_while(move |record| record.time <= time)
    }

    /// Forgets the events up to a moment.
    pub(crate) fn forget(&mut self, time: Timestamp) {
        self.0.retain(|record| record.time > time);
    }
}
