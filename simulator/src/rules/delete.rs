//! DeleteSecret and RestoreSecret.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::arn::Named;
use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::input;
use crate::rules::reply::{self, Reply};
use crate::state::secret::{Deletion, Secret};
use crate::world::World;
use crate::world::caller::Caller;

const DEFAULT_WINDOW: u64 = 30;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteInput {
    secret_id: String,
    recovery_window_in_days: Option<i64>,
    #[serde(default)]
    force_delete_without_recovery: bool,
}

pub(crate) fn delete_secret(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let input: DeleteInput = input::parse(Operation::DeleteSecret, body)?;
    input::secret_id(&input.secret_id)?;
    let forced = input.force_delete_without_recovery;
    let days = window(input.recovery_window_in_days, forced)?;
    let secret = match world.find(caller, Operation::DeleteSecret, &input.secret_id) {
        Err(error) if forced && error.code == "ResourceNotFoundException" => {
            return Ok(nothing_there(world, &input.secret_id));
        }
        found => found?,
    };
    if !forced && secret.deletion.is_some() {
        let message = "You tried to perform the operation on a secret that's currently marked deleted.";
        return Err(ServiceError::invalid_request(message));
    }
    let due = if forced { world.now } else { world.now.after(Duration::from_secs(days * 24 * 60 * 60)) };
    let deletion = Deletion { requested: world.now, due, forced };
    // A second forced call does not start the deletion anew.
    if secret.deletion.is_none_or(|deletion| !deletion.forced) {
        world.delete(Secret::clone(&secret), deletion);
    }
    Ok(Reply::naming(&secret).with("DeletionDate", reply::time(due)).done())
}

fn window(days: Option<i64>, forced: bool) -> Result<u64, ServiceError> {
    match days {
        Some(_) if forced => Err(ServiceError::invalid_parameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        )),
        None => Ok(DEFAULT_WINDOW),
        Some(days) => u64::try_from(days).ok().filter(|days| (7..=30).contains(days)).ok_or_else(|| {
            ServiceError::invalid_parameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
        }),
    }
}

/// A forced deletion of what is not there succeeds.
fn nothing_there(world: &mut World, id: &str) -> Value {
    let name = Named::by(id).name.to_owned();
    let arn = world.new_arn(&name);
    Reply::default().with("ARN", arn).with("Name", name).with("DeletionDate", reply::time(world.now)).done()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RestoreInput {
    secret_id: String,
}

pub(crate) fn restore_secret(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let input: RestoreInput = input::parse(Operation::RestoreSecret, body)?;
    input::secret_id(&input.secret_id)?;
    let secret = world.find(caller, Operation::RestoreSecret, &input.secret_id)?;
    match secret.deletion {
        Some(deletion) if deletion.forced => return secret.usable().map(|()| Value::Null),
        Some(_) => {
            let mut secret = Secret::clone(&secret);
            secret.deletion = None;
            world.state.unschedule_end(&secret.name);
            world.record_service("CancelSecretVersionDelete", &secret);
            world.store(secret);
        }
        None => {}
    }
    Ok(Reply::naming(&secret).done())
}
