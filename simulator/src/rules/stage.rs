//! UpdateSecretVersionStage: the only write that can be made to depend on what is there.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::reply::Reply;
use crate::rules::{get, input};
use crate::state::labels;
use crate::state::secret::Secret;
use crate::state::version::CURRENT;
use crate::switches::Mismatch;
use crate::world::World;
use crate::world::caller::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    secret_id: String,
    version_stage: String,
    remove_from_version_id: Option<String>,
    move_to_version_id: Option<String>,
}

pub(crate) fn update_secret_version_stage(
    world: &mut World,
    caller: &Caller,
    body: &Value,
) -> Result<Value, ServiceError> {
    let input: Input = input::parse(Operation::UpdateSecretVersionStage, body)?;
    input::secret_id(&input.secret_id)?;
    input::length("VersionStage", &input.version_stage, 1..=256)?;
    let (from, to) = (input.remove_from_version_id.as_deref(), input.move_to_version_id.as_deref());
    input::version_id("RemoveFromVersionId", from)?;
    input::version_id("MoveToVersionId", to)?;
    let secret = world.find(caller, Operation::UpdateSecretVersionStage, &input.secret_id)?;
    secret.usable()?;
    let stage = input.version_stage.as_str();
    permitted(&secret, stage, from, to, world.switches.mismatch)?;
    let mut secret = Secret::clone(&secret);
    match to {
        Some(to) => labels::attach(&mut secret, to, &BTreeSet::from([stage.to_owned()])),
        None => labels::detach(&mut secret, stage),
    }
    labels::within(&secret, world.switches.label_limit)?;
    secret.changed = world.now;
    let reply = Reply::naming(&secret);
    world.store(secret);
    Ok(reply.done())
}

/// Checks the whole move before anything of it is done.
fn permitted(
    secret: &Secret,
    stage: &str,
    from: Option<&str>,
    to: Option<&str>,
    mismatch: Mismatch,
) -> Result<(), ServiceError> {
    let holder = secret.labelled(stage).map(|version| version.id.as_str());
    if let Some(to) = to {
        secret.version(to).ok_or_else(|| get::no_version(to))?;
    }
    match (holder, from, to) {
        (_, None, None) => {
            Err(ServiceError::invalid_parameter("You must provide MoveToVersionId, RemoveFromVersionId, or both."))
        }
        (Some(holder), Some(from), None) if holder == from && stage == CURRENT => {
            Err(ServiceError::invalid_parameter(format!(
                "You can only move staging label {CURRENT} to a different secret version. It can't be completely removed."
            )))
        }
        (Some(holder), Some(from), _) if holder == from => Ok(()),
        (Some(holder), None, Some(to)) if holder == to => Ok(()),
        (None, None, Some(_)) => Ok(()),
        (Some(holder), None, Some(_)) => Err(ServiceError::invalid_parameter(format!(
            "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version \
             {holder}, so you must explicitly reference that version in RemoveFromVersionId."
        ))),
        (_, Some(from), _) => Err(mismatched(stage, from, mismatch)),
    }
}

fn mismatched(stage: &str, from: &str, mismatch: Mismatch) -> ServiceError {
    let message = format!("Version stage {stage} not found in version {from}");
    match mismatch {
        Mismatch::InvalidParameter => ServiceError::invalid_parameter(message),
        Mismatch::InvalidRequest => ServiceError::invalid_request(message),
    }
}
