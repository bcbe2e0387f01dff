//! BatchGetSecretValue: several secrets, each decided for itself.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::filter::{self, Filter};
use crate::rules::page::Cut;
use crate::rules::reply::Reply;
use crate::rules::{get, input, list};
use crate::world::World;
use crate::world::caller::Caller;

const MOST: usize = 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    secret_id_list: Option<Vec<String>>,
    filters: Option<Vec<Filter>>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

pub(crate) fn batch_get_secret_value(world: &mut World, caller: &Caller, body: &Value) -> Result<Value, ServiceError> {
    let operation = Operation::BatchGetSecretValue;
    let input: Input = input::parse(operation, body)?;
    let most = input.max_results.map(|most| input::number("MaxResults", most, 1..=MOST)).transpose()?;
    world.allowed_everywhere(caller, operation)?;
    let (ids, next) = match (input.secret_id_list, input.filters) {
        (Some(ids), None) => {
            if most.is_some() || input.next_token.is_some() {
                return Err(ServiceError::invalid_parameter("MaxResults and NextToken go with Filters only."));
            }
            input::count("SecretIdList", ids.len(), 1..=MOST)?;
            ids.iter().try_for_each(|id| input::secret_id(id))?;
            (ids, None)
        }
        (None, Some(filters)) => {
            filter::checked(&filters)?;
            world.allowed_everywhere(caller, Operation::ListSecrets)?;
            let entries = list::found(world, &filters, false).into_iter();
            let entries = entries.map(|secret| ((String::new(), secret.name.clone()), secret.arn.clone())).collect();
            let token = input.next_token.as_deref();
            let cut = Cut { operation, body, token, most: most.unwrap_or(MOST), descending: false };
            let page = cut.page(world, entries)?;
            (page.entries, page.next)
        }
        _ => {
            let message = "Either 'SecretIdList' or 'Filters' must be provided, but not both.";
            return Err(ServiceError::invalid_parameter(message));
        }
    };
    let (values, errors) = each(world, caller, &ids);
    Ok(Reply::default().with("SecretValues", values).with("Errors", errors).perhaps("NextToken", next).done())
}

/// Reads each secret as GetSecretValue would, and as the trail records it.
fn each(world: &mut World, caller: &Caller, ids: &[String]) -> (Vec<Value>, Vec<Value>) {
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        let read = get::current(world, caller, id);
        world.record_batched(caller, id, read.as_ref().err());
        match read {
            Ok(value) => values.push(value),
            Err(error) => {
                errors.push(json!({ "SecretId": id, "ErrorCode": error.code, "Message": error.message }));
            }
        }
    }
    (values, errors)
}
