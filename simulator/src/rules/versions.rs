//! ListSecretVersionIds.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::input;
use crate::rules::page::Cut;
use crate::rules::reply::{self, Reply};
use crate::state::version::Version;
use crate::world::World;
use crate::world::caller::Caller;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    secret_id: String,
    max_results: Option<i64>,
    next_token: Option<String>,
    #[serde(default)]
    include_deprecated: bool,
}

pub(crate) fn list_secret_version_ids(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let operation = Operation::ListSecretVersionIds;
    let input: Input = input::parse(operation, body)?;
    input::secret_id(&input.secret_id)?;
    let most = input.max_results.map_or(Ok(100), |most| input::number("MaxResults", most, 1..=100))?;
    let secret = world.read(caller, operation, &input.secret_id)?;
    let wanted = |version: &&Arc<Version>| input.include_deprecated || !version.labels.is_empty();
    let entries = secret.versions.iter().filter(wanted).map(|version| {
        let position = (format!("{:020}", version.created.as_millis()), version.id.clone());
        (position, shown(version))
    });
    let cut = Cut { operation, body, token: input.next_token.as_deref(), most, descending: false };
    let page = cut.page(world, entries.collect())?;
    let reply = Reply::naming(&secret).with("Versions", page.entries).perhaps("NextToken", page.next);
    Ok(reply.done())
}

fn shown(version: &Version) -> Value {
    let labels = (!version.labels.is_empty()).then(|| reply::labels(version));
    let keys = if version.keys.is_empty() { json!(["DefaultEncryptionKey"]) } else { json!(version.keys) };
    Reply::default()
        .with("VersionId", version.id.as_str())
        .perhaps("VersionStages", labels)
        .perhaps("LastAccessedDate", version.accessed.map(reply::time))
        .with("CreatedDate", reply::time(version.created))
        .with("KmsKeyIds", keys)
        .done()
}
