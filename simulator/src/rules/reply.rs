//! Parts that several replies share.

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::state::secret::Secret;
use crate::state::version::{SecretValue, Version};

/// A time on the wire: seconds since the epoch, with milliseconds behind the point.
pub(crate) fn time(time: Timestamp) -> Value {
    let millis = time.as_millis();
    serde_json::from_str(&format!("{}.{:03}", millis / 1000, millis % 1000)).unwrap_or(Value::Null)
}

/// Collects members, leaving out those that are not there.
#[derive(Debug, Default)]
pub(crate) struct Reply(Map<String, Value>);

impl Reply {
    /// A reply that begins with ARN and Name, as most do.
    pub(crate) fn naming(secret: &Secret) -> Self {
        Self::default().with("ARN", secret.arn.as_str()).with("Name", secret.name.as_str())
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn perhaps(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    pub(crate) fn done(self) -> Value {
        Value::Object(self.0)
    }
}

pub(crate) fn labels(version: &Version) -> Value {
    version.labels.iter().map(String::as_str).collect::<Vec<_>>().into()
}

/// Labelled versions only, as DescribeSecret and ListSecrets show them; none where there are none.
pub(crate) fn stages(secret: &Secret) -> Option<Value> {
    let labelled = secret.versions.iter().filter(|version| !version.labels.is_empty());
    let stages: Map<String, Value> = labelled.map(|version| (version.id.clone(), labels(version))).collect();
    (!stages.is_empty()).then_some(Value::Object(stages))
}

pub(crate) fn tags(secret: &Secret) -> Option<Value> {
    let tags: Vec<Value> = secret.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    (!tags.is_empty()).then_some(Value::Array(tags))
}

/// A version with its value, as GetSecretValue and BatchGetSecretValue show it.
pub(crate) fn value(secret: &Secret, version: &Version) -> Value {
    let reply = Reply::naming(secret).with("VersionId", version.id.as_str());
    let reply = match &version.value {
        SecretValue::Text(text) => reply.with("SecretString", text.as_str()),
        SecretValue::Binary(bytes) => reply.with("SecretBinary", BASE64.encode(bytes)),
    };
    reply.with("VersionStages", labels(version)).with("CreatedDate", time(version.created)).done()
}
