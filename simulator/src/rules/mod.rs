//! What each call does: one file for each call or pair of calls. A rule checks everything before it changes anything.

pub(crate) mod batch;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod filter;
pub(crate) mod get;
pub(crate) mod input;
pub(crate) mod list;
pub(crate) mod page;
pub(crate) mod password;
pub(crate) mod policy;
pub(crate) mod put;
pub(crate) mod reply;
pub(crate) mod stage;
pub(crate) mod tag;
pub(crate) mod update;
pub(crate) mod value;
pub(crate) mod versions;

use serde_json::Value;

use crate::error::ServiceError;
use crate::gate::Call;
use crate::operation::Operation;
use crate::throttle::Group;
use crate::world::World;
use crate::world::caller::Caller;

/// Answers a call, and writes it into the trail.
pub(crate) fn answer(world: &mut World, call: &Call, body: &Value) -> Result<Value, ServiceError> {
    let caller = Caller::of(&world.principals, &world.account, &call.access_key, &call.request_id, body)?;
    let answer = perform(world, &caller, call.operation, body);
    world.record(&caller, call.operation, body, &answer);
    answer
}

/// Does what the call says, if its rate allows.
fn perform(world: &mut World, caller: &Caller, operation: Operation, body: &Value) -> Result<Value, ServiceError> {
    if world.switches.throttle {
        let group = Group::of(operation);
        let rate = world.switches.rates.get(&group).copied().unwrap_or_else(|| group.rate());
        world.buckets.take(group, rate, world.switches.burst, world.now)?;
    }
    match operation {
        Operation::BatchGetSecretValue => batch::batch_get_secret_value(world, caller, body),
        Operation::CreateSecret => create::create_secret(world, caller, body),
        Operation::DeleteResourcePolicy => policy::delete_resource_policy(world, caller, body),
        Operation::DeleteSecret => delete::delete_secret(world, caller, body),
        Operation::DescribeSecret => describe::describe_secret(world, caller, body),
        Operation::GetRandomPassword => password::get_random_password(world, caller, body),
        Operation::GetResourcePolicy => policy::get_resource_policy(world, caller, body),
        Operation::GetSecretValue => get::get_secret_value(world, caller, body),
        Operation::ListSecretVersionIds => versions::list_secret_version_ids(world, caller, body),
        Operation::ListSecrets => list::list_secrets(world, caller, body),
        Operation::PutResourcePolicy => policy::put_resource_policy(world, caller, body),
        Operation::PutSecretValue => put::put_secret_value(world, caller, body),
        Operation::RestoreSecret => delete::restore_secret(world, caller, body),
        Operation::TagResource => tag::tag_resource(world, caller, body),
        Operation::UntagResource => tag::untag_resource(world, caller, body),
        Operation::UpdateSecret => update::update_secret(world, caller, body),
        Operation::UpdateSecretVersionStage => stage::update_secret_version_stage(world, caller, body),
    }
}

/// The secret that a body names, as it is written there.
pub(crate) fn named_secret(body: &Value) -> Option<String> {
    let named = body.get("SecretId").or_else(|| body.get("Name"))?;
    named.as_str().map(str::to_owned)
}
