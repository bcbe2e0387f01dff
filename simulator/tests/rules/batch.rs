//! BatchGetSecretValue.

use serde_json::{Value, json};

use crate::account::{Account, token};

#[test]
fn r42_a_batch_names_1_to_20_secrets_or_filters() {
    let account = Account::new();
    account.create("a");
    let code = |body: Value| account.code("BatchGetSecretValue", body);
    let filters = json!([{ "Key": "name", "Values": ["a"] }]);
    assert_eq!(code(json!({})), "InvalidParameterException");
    assert_eq!(code(json!({ "SecretIdList": ["a"], "Filters": filters })), "InvalidParameterException");
    assert_eq!(code(json!({ "SecretIdList": ["a"], "MaxResults": 5 })), "InvalidParameterException");
    assert_eq!(code(json!({ "SecretIdList": [] })), "ValidationException");
    assert_eq!(code(json!({ "SecretIdList": vec!["a"; 21] })), "ValidationException");
    assert_eq!(code(json!({ "Filters": filters, "MaxResults": 21 })), "ValidationException");
    account.ok("BatchGetSecretValue", json!({ "SecretIdList": vec!["a"; 20] }));
}

#[test]
fn r43_each_secret_of_a_batch_fails_for_itself() {
    let account = Account::new();
    account.create("a");
    account.create("deleted");
    account.ok("DeleteSecret", json!({ "SecretId": "deleted" }));
    account.ok("CreateSecret", json!({ "Name": "empty", "ClientRequestToken": token(0) }));
    let batch = account.ok("BatchGetSecretValue", json!({ "SecretIdList": ["none", "a", "deleted", "empty"] }));
    assert_eq!(batch["SecretValues"].as_array().unwrap().len(), 1);
    assert_eq!(batch["SecretValues"][0]["SecretString"], "value 0");
    let errors: Vec<(&str, &str)> = batch["Errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["SecretId"].as_str().unwrap(), error["ErrorCode"].as_str().unwrap()))
        .collect();
    let not_found = "ResourceNotFoundException";
    assert_eq!(errors, [("none", not_found), ("deleted", "InvalidRequestException"), ("empty", not_found)]);
    assert!(batch["Errors"][1]["Message"].as_str().unwrap().contains("marked for deletion"));
}

#[test]
fn r42_a_filtered_batch_comes_in_pages_of_20() {
    let account = Account::new();
    for number in 0..45 {
        account.create(&format!("secret-{number:02}"));
    }
    let body = json!({ "Filters": [{ "Key": "name", "Values": ["secret-"] }] });
    assert_eq!(account.sizes("BatchGetSecretValue", body, "SecretValues"), [20, 20, 5]);
}
