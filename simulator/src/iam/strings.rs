//! Strings in policies: IAM takes one, or a list of them.

use serde_json::Value;

/// A string or a list of them.
pub(crate) fn strings(value: &Value) -> Result<Vec<String>, String> {
    let string = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(format!("a string was expected: {value}")),
    };
    match value {
        Value::Array(values) => values.iter().map(string).collect(),
        one => string(one).map(|one| vec![one]),
    }
}
