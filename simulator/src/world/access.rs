//! Who calls, and whether they may.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::arn;
use crate::error::ServiceError;
use crate::iam::condition::Context;
use crate::iam::policy::Policy;
use crate::iam::principal::{Principal, Principals};
use crate::iam::verdict::Question;
use crate::operation::Operation;
use crate::state::secret::Secret;
use crate::world::World;

/// Who calls, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) access_key: String,
    pub(crate) request_id: String,
    pub(crate) principal: Arc<Principal>,
    context: Context,
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

impl World {
    /// Whether the caller may do this to a secret.
    pub(crate) fn allowed(&self, caller: &Caller, operation: Operation, secret: &Secret) -> Result<(), ServiceError> {
        if !self.principals.are_enforced() {
            return Ok(());
        }
        let mut context = caller.context.clone();
        for (key, value) in &secret.tags {
            context.set(&format!("aws:ResourceTag/{key}"), [value.clone()]);
            context.set(&format!("secretsmanager:ResourceTag/{key}"), [value.clone()]);
        }
        // A policy was read when it was put there.
        let of_secret = secret.policy.as_deref().and_then(|policy| Policy::of_secret(policy).ok());
        self.asked(caller, operation, &secret.arn, of_secret.as_ref(), &context)?;
        if caller.principal.account() != self.account && secret.key.is_none() {
            return Err(ServiceError::invalid_request(
                "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS \
                 service key.",
            ));
        }
        Ok(())
    }

    /// Whether the caller may name something that is not there; who may not does not learn that.
    pub(crate) fn allowed_without_secret(
        &self,
        caller: &Caller,
        operation: Operation,
        id: &str,
    ) -> Result<(), ServiceError> {
        let resource = arn::without_secret(&self.region, &self.account, id);
        self.asked(caller, operation, &resource, None, &caller.context)
    }

    /// Whether the caller may call what names no secret: policies must grant it on `*`.
    pub(crate) fn allowed_everywhere(&self, caller: &Caller, operation: Operation) -> Result<(), ServiceError> {
        self.asked(caller, operation, "*", None, &caller.context)
    }

    fn asked(
        &self,
        caller: &Caller,
        operation: Operation,
        resource: &str,
        of_secret: Option<&Policy>,
        context: &Context,
    ) -> Result<(), ServiceError> {
        if !self.principals.are_enforced() {
            return Ok(());
        }
        let action = format!("secretsmanager:{operation}");
        let principal = caller.principal.as_ref();
        Question { principal, action: &action, resource, owner: &self.account, of_secret, context }.answered()
    }
}
