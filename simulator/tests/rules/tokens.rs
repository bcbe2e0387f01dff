//! ClientRequestToken: the version's id, and what repeated ones mean.

use secrets_manager_simulator::switches::UpdateToken;
use serde_json::json;

use crate::account::{Account, token};

#[test]
fn r11_the_token_becomes_the_version_id() {
    let account = Account::new();
    assert_eq!(account.create("a")["VersionId"], token(0));
    assert_eq!(account.put("a", 1).unwrap()["VersionId"], token(1));
    let updated = json!({ "SecretId": "a", "ClientRequestToken": token(2), "SecretString": "x" });
    assert_eq!(account.ok("UpdateSecret", updated)["VersionId"], token(2));
    assert_eq!(account.versions("a"), [token(0), token(1), token(2)]);
}

#[test]
fn r12_the_same_token_and_value_succeed_and_do_nothing() {
    let account = Account::new();
    account.create("a");
    account.put("a", 1).unwrap();
    let before = account.ok("DescribeSecret", json!({ "SecretId": "a" }));
    account.pass(std::time::Duration::from_secs(60));
    assert_eq!(account.put("a", 1).unwrap()["VersionStages"], json!(["AWSCURRENT"]));
    // Also the token of an older version: nothing moves.
    assert_eq!(account.put("a", 0).unwrap()["VersionStages"], json!(["AWSPREVIOUS"]));
    assert_eq!(account.ok("DescribeSecret", json!({ "SecretId": "a" })), before);
    assert_eq!(account.value("a"), "value 1");
}

#[test]
fn r13_the_same_token_with_another_value_is_refused() {
    let account = Account::new();
    let arn = account.create("a")["ARN"].as_str().unwrap().to_owned();
    account.put("a", 1).unwrap();
    for number in [0, 1] {
        for value in [json!({ "SecretString": "other" }), json!({ "SecretBinary": "dmFsdWUgMQ==" })] {
            let mut body = json!({ "SecretId": "a", "ClientRequestToken": token(number) });
            body.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            let refused = account.refused("PutSecretValue", body);
            assert_eq!(refused.code, "ResourceExistsException");
            let text = format!(
                "You can't use ClientRequestToken {} because that value is already in use for a version of secret {arn}",
                token(number)
            );
            assert_eq!(refused.message, text);
        }
    }
    assert_eq!(account.value("a"), "value 1");
}

#[test]
fn r14_creating_what_exists_succeeds_only_as_a_repetition() {
    let account = Account::new();
    let made = account.create("a");
    assert_eq!(account.create("a"), made);
    let other_token = json!({ "Name": "a", "ClientRequestToken": token(9), "SecretString": "value 0" });
    let refused = account.refused("CreateSecret", other_token);
    assert_eq!(refused.code, "ResourceExistsException");
    assert_eq!(refused.message, "The operation failed because the secret a already exists.");
    let other_value = json!({ "Name": "a", "ClientRequestToken": token(0), "SecretString": "other" });
    assert_eq!(account.code("CreateSecret", other_value), "ResourceExistsException");
    assert_eq!(account.versions("a"), [token(0)]);
}

#[test]
fn r15_update_secret_refuses_a_known_token() {
    let account = Account::new();
    account.create("a");
    let same = json!({ "SecretId": "a", "ClientRequestToken": token(0), "SecretString": "value 0" });
    let other = json!({ "SecretId": "a", "ClientRequestToken": token(0), "SecretString": "other" });
    assert_eq!(account.code("UpdateSecret", same.clone()), "ResourceExistsException");
    account.simulator.set(|switches| switches.update_token = UpdateToken::Idempotent);
    assert_eq!(account.ok("UpdateSecret", same)["VersionId"], token(0));
    assert_eq!(account.code("UpdateSecret", other), "ResourceExistsException");
}
