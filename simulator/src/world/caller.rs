//! Who calls, and what policies can look at in the call.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::error::ServiceError;
use crate::iam::condition::Context;
use crate::iam::principal::{Principal, Principals};

/// Who calls, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) access_key: String,
    pub(crate) request_id: String,
    pub(crate) principal: Arc<Principal>,
    pub(crate) context: Context,
}

/// Members of requests that policies can put conditions on.
const CONDITIONS: [&str; 7] = [
    "SecretId",
    "Name",
    "Description",
    "VersionId",
    "VersionStage",
    "ForceDeleteWithoutRecovery",
    "RecoveryWindowInDays",
];

impl Caller {
    /// # Errors
    ///
    /// Nobody stands behind the access key.
    pub(crate) fn of(
        principals: &Principals,
        account: &str,
        access_key: &str,
        request_id: &str,
        body: &Value,
    ) -> Result<Self, ServiceError> {
        let everybody = || Arc::new(Principal::new(format!("arn:aws:iam::{account}:user/{access_key}")));
        let principal = match principals.of(access_key) {
            Some(principal) => principal,
            None if principals.are_enforced() => {
                let message = "The security token included in the request is invalid.";
                return Err(ServiceError::new("UnrecognizedClientException", message));
            }
            None => everybody(),
        };
        let context = context(&principal, body);
        Ok(Self { access_key: access_key.to_owned(), request_id: request_id.to_owned(), principal, context })
    }
}

fn context(principal: &Principal, body: &Value) -> Context {
    let mut context = Context::default();
    context.set("aws:PrincipalArn", [principal.arn.clone()]);
    context.set("aws:PrincipalAccount", [principal.account().to_owned()]);
    for (key, value) in &principal.tags {
        context.set(&format!("aws:PrincipalTag/{key}"), [value.clone()]);
    }
    for name in CONDITIONS {
        match body.get(name) {
            Some(Value::String(text)) => context.set(&format!("secretsmanager:{name}"), [text.clone()]),
            Some(value) if !value.is_null() => context.set(&format!("secretsmanager:{name}"), [value.to_string()]),
            _ => {}
        }
    }
    let text = |tag: &Value, member: &str| tag.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    let tags = body.get("Tags").and_then(Value::as_array).into_iter().flatten();
    let tags: BTreeMap<String, String> = tags.map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect();
    let removed = body.get("TagKeys").and_then(Value::as_array).into_iter().flatten();
    let removed = removed.filter_map(Value::as_str).map(str::to_owned);
    for (key, value) in &tags {
        context.set(&format!("aws:RequestTag/{key}"), [value.clone()]);
    }
    let keys: Vec<String> = tags.into_keys().chain(removed).collect();
    if !keys.is_empty() {
        context.set("aws:TagKeys", keys);
    }
    context
}
