//! DescribeSecret, and what a listing shows of a secret.

use serde::Deserialize;
use serde_json::Value;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::input;
use crate::rules::reply::{self, Reply};
use crate::state::secret::Secret;
use crate::world::World;
use crate::world::caller::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    secret_id: String,
}

pub(crate) fn describe_secret(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let input: Input = input::parse(Operation::DescribeSecret, body)?;
    input::secret_id(&input.secret_id)?;
    let secret = world.read(caller, Operation::DescribeSecret, &input.secret_id)?;
    Ok(shown(&secret, "VersionIdsToStages"))
}

/// All that is no value. A secret marked for deletion is shown as well.
pub(crate) fn shown(secret: &Secret, stages: &str) -> Value {
    Reply::naming(secret)
        .perhaps("Description", secret.description.as_deref())
        .perhaps("KmsKeyId", secret.key.as_deref())
        .with("LastChangedDate", reply::time(secret.changed))
        .perhaps("LastAccessedDate", secret.accessed.map(reply::time))
        .perhaps("DeletedDate", secret.deletion.map(|deletion| reply::time(deletion.requested)))
        .perhaps("Tags", reply::tags(secret))
        .perhaps(stages, reply::stages(secret))
        .with("CreatedDate", reply::time(secret.created))
        .done()
}
