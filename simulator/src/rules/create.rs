//! CreateSecret.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::input::{self, Tag};
use crate::rules::reply::Reply;
use crate::rules::value;
use crate::state::labels;
use crate::state::secret::Secret;
use crate::state::version::{CURRENT, SecretValue, Version};
use crate::world::World;
use crate::world::caller::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    name: String,
    client_request_token: Option<String>,
    description: Option<String>,
    kms_key_id: Option<String>,
    secret_string: Option<String>,
    secret_binary: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

pub(crate) fn create_secret(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let mut input: Input = input::parse(Operation::CreateSecret, body)?;
    let value = checked(&mut input)?;
    let token = input::token(input.client_request_token.as_deref())?;
    let tags: BTreeMap<String, String> = input.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
    world.allowed_without_secret(caller, Operation::CreateSecret, &input.name)?;
    if !tags.is_empty() {
        world.allowed_without_secret(caller, Operation::TagResource, &input.name)?;
    }
    if let Some(reply) = taken(world, &input.name, token, value.as_ref())? {
        return Ok(reply);
    }
    input::tag_count(tags.len(), world.switches.tag_limit)?;
    if world.state.count() >= world.switches.secret_limit {
        return Err(ServiceError::limit("The request failed because it would exceed the quota of secrets."));
    }
    let mut secret = Secret {
        arn: world.new_arn(&input.name),
        name: input.name,
        description: input.description.filter(|text| !text.is_empty()),
        key: input.kms_key_id.filter(|key| !key.is_empty()),
        tags,
        policy: None,
        created: world.now,
        changed: world.now,
        accessed: None,
        deletion: None,
        versions: Vec::new(),
    };
    let version = value.map(|value| first(world, caller, &mut secret, token, value)).transpose()?;
    let reply = Reply::naming(&secret).perhaps("VersionId", version);
    world.store(secret);
    Ok(reply.done())
}

fn checked(input: &mut Input) -> Result<Option<SecretValue>, ServiceError> {
    input::name(&input.name)?;
    input::description(input.description.as_deref())?;
    input::key_id(input.kms_key_id.as_deref())?;
    input::tags(&input.tags)?;
    value::given(input.secret_string.take(), input.secret_binary.take().as_deref())
}

/// Whether the name can't be had: a repetition of the call that took it is answered, anything else is refused.
fn taken(world: &World, name: &str, token: &str, value: Option<&SecretValue>) -> Result<Option<Value>, ServiceError> {
    let Some(history) = world.state.history(name) else { return Ok(None) };
    let Some(secret) = history.present() else {
        return match history.taken_until {
            Some(until) if world.now < until => Err(ServiceError::invalid_request(
                "You can't perform this operation on the secret because it was deleted.",
            )),
            _ => Ok(None),
        };
    };
    if secret.deletion.is_some() {
        return Err(ServiceError::invalid_request(
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
        ));
    }
    if let Some(value) = value
        && value::repeated(secret, token, value)?.is_some()
    {
        return Ok(Some(Reply::naming(secret).with("VersionId", token).done()));
    }
    Err(ServiceError::exists(format!("The operation failed because the secret {name} already exists.")))
}

fn first(
    world: &mut World,
    caller: &Caller,
    secret: &mut Secret,
    token: &str,
    value: SecretValue,
) -> Result<String, ServiceError> {
    let keys = world.encrypt(caller, secret, token)?;
    let id = token.to_owned();
    let version = Version { id, value, keys, created: world.now, accessed: None, labels: BTreeSet::new() };
    secret.versions.push(Arc::new(version));
    labels::attach(secret, token, &BTreeSet::from([CURRENT.to_owned()]));
    Ok(token.to_owned())
}
