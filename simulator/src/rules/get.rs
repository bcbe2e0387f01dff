//! GetSecretValue, and which version a read means.

use serde::Deserialize;
use serde_json::Value;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::{input, reply};
use crate::state::secret::Secret;
use crate::state::version::{CURRENT, Version};
use crate::world::World;
use crate::world::caller::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}

pub(crate) fn get_secret_value(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let input: Input = input::parse(Operation::GetSecretValue, body)?;
    input::secret_id(&input.secret_id)?;
    input::version_id("VersionId", input.version_id.as_deref())?;
    if let Some(stage) = &input.version_stage {
        input::length("VersionStage", stage, 1..=256)?;
    }
    let secret = world.read(caller, Operation::GetSecretValue, &input.secret_id)?;
    secret.usable()?;
    let version = meant(&secret, input.version_id.as_deref(), input.version_stage.as_deref())?;
    opened(world, caller, &secret, version)
}

/// The version that an id and a label name: AWSCURRENT where neither is given.
fn meant<'a>(secret: &'a Secret, id: Option<&str>, stage: Option<&str>) -> Result<&'a Version, ServiceError> {
    let Some(id) = id else {
        let stage = stage.unwrap_or(CURRENT);
        return secret.labelled(stage).ok_or_else(|| {
            let what = format!("Secrets Manager can't find the specified secret value for staging label: {stage}");
            ServiceError::not_found(what)
        });
    };
    let version = secret.version(id).ok_or_else(|| no_version(id))?;
    if stage.is_some_and(|stage| !version.labels.contains(stage)) {
        return Err(ServiceError::invalid_request(
            "You provided a VersionStage that is not associated to the provided VersionId.",
        ));
    }
    Ok(version)
}

pub(crate) fn no_version(id: &str) -> ServiceError {
    ServiceError::not_found(format!("Secrets Manager can't find the specified secret value for VersionId: {id}"))
}

/// The reply with the value, and the note of the day it was read.
fn opened(world: &mut World, caller: &Caller, secret: &Secret, version: &Version) -> Result<Value, ServiceError> {
    world.decrypt(caller, secret, version)?;
    let day = world.now.day();
    if secret.accessed == Some(day) && version.accessed == Some(day) {
        return Ok(reply::value(secret, version));
    }
    world.state.note(&secret.name, |present| {
        present.accessed = Some(day);
        if let Some(read) = present.version_mut(&version.id) {
            read.accessed = Some(day);
        }
    });
    Ok(reply::value(secret, version))
}

/// The current value, for a batch.
pub(crate) fn current(world: &mut World, caller: &Caller, id: &str) -> Result<Value, ServiceError> {
    let secret = world.read(caller, Operation::GetSecretValue, id)?;
    secret.usable()?;
    opened(world, caller, &secret, meant(&secret, None, None)?)
}
