//! UpdateSecret.

use serde::Deserialize;
use serde_json::Value;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::reply::Reply;
use crate::rules::{input, put, value};
use crate::state::secret::Secret;
use crate::state::version::SecretValue;
use crate::switches::UpdateToken;
use crate::world::World;
use crate::world::caller::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    secret_id: String,
    client_request_token: Option<String>,
    description: Option<String>,
    kms_key_id: Option<String>,
    secret_string: Option<String>,
    secret_binary: Option<String>,
}

pub(crate) fn update_secret(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let mut input: Input = input::parse(Operation::UpdateSecret, body)?;
    input::secret_id(&input.secret_id)?;
    input::description(input.description.as_deref())?;
    input::key_id(input.kms_key_id.as_deref())?;
    let value = value::given(input.secret_string.take(), input.secret_binary.take().as_deref())?;
    let token = input::token(input.client_request_token.as_deref())?;
    let found = world.find(caller, Operation::UpdateSecret, &input.secret_id)?;
    found.usable()?;
    if let Some(value) = &value
        && is_repeated(world, &found, token, value)?
    {
        return Ok(Reply::naming(&found).with("VersionId", token).done());
    }
    let mut secret = Secret::clone(&found);
    if let Some(description) = input.description {
        secret.description = Some(description).filter(|text| !text.is_empty());
    }
    if let Some(key) = input.kms_key_id {
        world.change_key(caller, &mut secret, Some(key).filter(|key| !key.is_empty()))?;
    }
    let made = value.as_ref().map(|_| token);
    if let Some(value) = value {
        put::add(world, caller, &mut secret, token, value, None)?;
    }
    secret.changed = world.now;
    let reply = Reply::naming(&secret).perhaps("VersionId", made);
    world.store(secret);
    Ok(reply.done())
}

fn is_repeated(world: &World, secret: &Secret, token: &str, value: &SecretValue) -> Result<bool, ServiceError> {
    match world.switches.update_token {
        UpdateToken::Idempotent => value::repeated(secret, token, value).map(|version| version.is_some()),
        UpdateToken::Refused if secret.version(token).is_some() => Err(value::in_use(secret, token)),
        UpdateToken::Refused => Ok(false),
    }
}
