//! PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::error::ServiceError;
use crate::iam::policy::Policy;
use crate::operation::Operation;
use crate::rules::input;
use crate::rules::reply::Reply;
use crate::state::secret::Secret;
use crate::world::World;
use crate::world::caller::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutInput {
    secret_id: String,
    resource_policy: String,
    #[serde(default)]
    block_public_policy: bool,
}

pub(crate) fn put_resource_policy(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let operation = Operation::PutResourcePolicy;
    let input: PutInput = input::parse(operation, body)?;
    input::secret_id(&input.secret_id)?;
    input::length("ResourcePolicy", &input.resource_policy, 1..=20_480)?;
    let policy = Policy::of_secret(&input.resource_policy).map_err(|why| {
        let message = format!("This resource policy contains an unsupported or malformed part: {why}.");
        ServiceError::new("MalformedPolicyDocumentException", message)
    })?;
    let secret = usable(world, caller, operation, &input.secret_id)?;
    if input.block_public_policy && policy.is_public() {
        let message = "You can't attach a policy that grants broad access to the secret.";
        return Err(ServiceError::new("PublicPolicyException", message));
    }
    let mut secret = Secret::clone(&secret);
    secret.policy = Some(input.resource_policy);
    let reply = Reply::naming(&secret);
    world.store(secret);
    Ok(reply.done())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    secret_id: String,
}

pub(crate) fn get_resource_policy(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let input: Input = input::parse(Operation::GetResourcePolicy, body)?;
    input::secret_id(&input.secret_id)?;
    let secret = world.read(caller, Operation::GetResourcePolicy, &input.secret_id)?;
    secret.usable()?;
    Ok(Reply::naming(&secret).perhaps("ResourcePolicy", secret.policy.as_deref()).done())
}

pub(crate) fn delete_resource_policy(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let input: Input = input::parse(Operation::DeleteResourcePolicy, body)?;
    input::secret_id(&input.secret_id)?;
    let secret = usable(world, caller, Operation::DeleteResourcePolicy, &input.secret_id)?;
    let mut secret = Secret::clone(&secret);
    secret.policy = None;
    let reply = Reply::naming(&secret);
    world.store(secret);
    Ok(reply.done())
}

fn usable(world: &mut World, caller: &Caller, operation: Operation, id: &str) -> Result<Arc<Secret>, ServiceError> {
    let secret = world.find(caller, operation, id)?;
    secret.usable()?;
    Ok(secret)
}
