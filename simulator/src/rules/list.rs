//! ListSecrets.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::filter::{self, Filter};
use crate::rules::page::{Cut, Position};
use crate::rules::reply::Reply;
use crate::rules::{describe, input};
use crate::state::secret::Secret;
use crate::world::World;
use crate::world::caller::Caller;

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SortBy {
    #[default]
    CreatedDate,
    LastAccessedDate,
    LastChangedDate,
    Name,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SortOrder {
    #[default]
    Asc,
    Desc,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    max_results: Option<i64>,
    next_token: Option<String>,
    #[serde(default)]
    include_planned_deletion: bool,
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    sort_by: SortBy,
    #[serde(default)]
    sort_order: SortOrder,
}

pub(crate) fn list_secrets(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let operation = Operation::ListSecrets;
    let input: Input = input::parse(operation, body)?;
    let most = input.max_results.map_or(Ok(100), |most| input::number("MaxResults", most, 1..=100))?;
    filter::checked(&input.filters)?;
    world.allowed_everywhere(caller, operation)?;
    let found = found(world, &input.filters, input.include_planned_deletion);
    let entries = found.into_iter().map(|secret| (input.sort_by.position(&secret), secret)).collect();
    let descending = input.sort_order == SortOrder::Desc;
    let cut = Cut { operation, body, token: input.next_token.as_deref(), most, descending };
    let page = cut.page(world, entries)?;
    let shown: Vec<Value> =
        page.entries.iter().map(|secret| describe::shown(secret, "SecretVersionsToStages")).collect();
    Ok(Reply::default().with("SecretList", shown).perhaps("NextToken", page.next).done())
}

/// What a listing sees, which may be as it was minutes ago.
pub(crate) fn found(world: &mut World, filters: &[Filter], with_deleted: bool) -> Vec<Arc<Secret>> {
    let seen = world.view_all();
    let wanted = |secret: &Arc<Secret>| {
        (with_deleted || secret.deletion.is_none()) && filter::fits(filters, secret, &world.region)
    };
    seen.into_iter().filter(wanted).collect()
}

impl SortBy {
    fn position(self, secret: &Secret) -> Position {
        let time = |time: Option<Timestamp>| format!("{:020}", time.unwrap_or_default().as_millis());
        let first = match self {
            Self::Name => String::new(),
            Self::CreatedDate => time(Some(secret.created)),
            Self::LastAccessedDate => time(secret.accessed),
            Self::LastChangedDate => time(Some(secret.changed)),
        };
        (first, secret.name.clone())
    }
}
