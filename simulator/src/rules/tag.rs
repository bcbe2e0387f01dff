//! TagResource and UntagResource.

use serde::Deserialize;
use serde_json::Value;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::input::{self, Tag};
use crate::state::secret::Secret;
use crate::world::World;
use crate::world::caller::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TagInput {
    secret_id: String,
    tags: Vec<Tag>,
}

pub(crate) fn tag_resource(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let operation = Operation::TagResource;
    let input: TagInput = input::parse(operation, body)?;
    input::secret_id(&input.secret_id)?;
    input::tags(&input.tags)?;
    let secret = world.find(caller, operation, &input.secret_id)?;
    secret.usable()?;
    let mut secret = Secret::clone(&secret);
    secret.tags.extend(input.tags.into_iter().map(|tag| (tag.key, tag.value)));
    input::tag_count(secret.tags.len(), world.switches.tag_limit)?;
    changed(world, caller, operation, secret)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct UntagInput {
    secret_id: String,
    tag_keys: Vec<String>,
}

pub(crate) fn untag_resource(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let operation = Operation::UntagResource;
    let input: UntagInput = input::parse(operation, body)?;
    input::secret_id(&input.secret_id)?;
    input.tag_keys.iter().try_for_each(|key| input::length("TagKeys", key, 1..=128))?;
    let secret = world.find(caller, operation, &input.secret_id)?;
    secret.usable()?;
    let mut secret = Secret::clone(&secret);
    secret.tags.retain(|key, _| !input.tag_keys.contains(key));
    changed(world, caller, operation, secret)
}

/// A change that would cost the caller its own access is refused.
fn changed(world: &mut World, caller: &Caller, operation: Operation, secret: Secret) -> Result<Value, ServiceError> {
    world.allowed(caller, operation, &secret)?;
    world.store(secret);
    Ok(Value::Object(serde_json::Map::new()))
}
