//! What each call does: one file for each call or pair of calls. A rule checks everything before it changes anything.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod get;
pub(crate) mod input;
pub(crate) mod put;
pub(crate) mod reply;
pub(crate) mod stage;
pub(crate) mod update;
pub(crate) mod value;

use serde_json::Value;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::world::{Caller, World};

/// Does what the call says.
pub(crate) fn perform(
    world: &mut World,
    caller: &Caller,
    operation: Operation,
    body: &[u8],
) -> Result<Value, ServiceError> {
    match operation {
        Operation::CreateSecret => create::create_secret(world, caller, body),
        Operation::DeleteSecret => delete::delete_secret(world, caller, body),
        Operation::DescribeSecret => describe::describe_secret(world, caller, body),
        Operation::GetSecretValue => get::get_secret_value(world, caller, body),
        Operation::PutSecretValue => put::put_secret_value(world, caller, body),
        Operation::RestoreSecret => delete::restore_secret(world, caller, body),
        Operation::UpdateSecret => update::update_secret(world, caller, body),
        Operation::UpdateSecretVersionStage => stage::update_secret_version_stage(world, caller, body),
        other => Err(ServiceError::not_simulated(other)),
    }
}

/// The secret that a body names, as it is written there.
pub(crate) fn named_secret(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let named = body.get("SecretId").or_else(|| body.get("Name"))?;
    named.as_str().map(str::to_owned)
}
