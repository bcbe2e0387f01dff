//! PutSecretValue, and how any call adds a version.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::reply::{self, Reply};
use crate::rules::{input, value};
use crate::state::labels;
use crate::state::secret::Secret;
use crate::state::version::{CURRENT, SecretValue, Version};
use crate::world::World;
use crate::world::caller::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    secret_id: String,
    client_request_token: Option<String>,
    secret_string: Option<String>,
    secret_binary: Option<String>,
    version_stages: Option<Vec<String>>,
}

pub(crate) fn put_secret_value(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let mut input: Input = input::parse(Operation::PutSecretValue, body)?;
    input::secret_id(&input.secret_id)?;
    input::labels(input.version_stages.as_deref())?;
    let value = value::given(input.secret_string.take(), input.secret_binary.take().as_deref())?
        .ok_or_else(|| ServiceError::invalid_request("You must provide either SecretString or SecretBinary."))?;
    let token = input::token(input.client_request_token.as_deref())?;
    let secret = world.find(caller, Operation::PutSecretValue, &input.secret_id)?;
    secret.usable()?;
    if let Some(version) = secret.version(token) {
        // To compare, the service has to decrypt.
        world.decrypt(caller, &secret, version)?;
    }
    if let Some(version) = value::repeated(&secret, token, &value)? {
        return Ok(replied(&secret, version));
    }
    let mut secret = Secret::clone(&secret);
    add(world, caller, &mut secret, token, value, input.version_stages)?;
    let reply = secret.version(token).map(|version| replied(&secret, version));
    world.store(secret);
    Ok(reply.unwrap_or_default())
}

fn replied(secret: &Secret, version: &Version) -> Value {
    let reply = Reply::naming(secret).with("VersionId", version.id.as_str());
    reply.with("VersionStages", reply::labels(version)).done()
}

/// Adds a version, moves the labels, removes what may be removed.
///
/// # Errors
///
/// A quota, or the key. The secret is then to be thrown away: it is half changed.
pub(crate) fn add(
    world: &mut World,
    caller: &Caller,
    secret: &mut Secret,
    token: &str,
    value: SecretValue,
    stages: Option<Vec<String>>,
) -> Result<(), ServiceError> {
    let keys = world.encrypt(caller, secret, token)?;
    let mut stages: BTreeSet<String> = stages.map_or_else(BTreeSet::new, |stages| stages.into_iter().collect());
    if stages.is_empty() || secret.current().is_none() {
        stages.insert(CURRENT.to_owned());
    }
    let id = token.to_owned();
    let version = Version { id, value, keys, created: world.now, accessed: None, labels: BTreeSet::new() };
    secret.versions.push(Arc::new(version));
    labels::attach(secret, token, &stages);
    labels::within(secret, world.switches.label_limit)?;
    secret.prune(world.switches.version_limit, world.switches.version_age, world.now)?;
    secret.changed = world.now;
    Ok(())
}
