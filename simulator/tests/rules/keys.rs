//! KMS keys behind secrets.

use secrets_manager_simulator::kms::{KeyState, Right, Throttled};
use serde_json::{Value, json};

use crate::account::{Account, token};

/// A secret under the key `old`; a key `new` is there as well.
fn account() -> Account {
    let account = Account::new();
    account.simulator.keys(|keys| {
        keys.create("old");
        keys.create("new");
        keys.alias("alias/vault", "old");
    });
    let body = json!({ "Name": "a", "ClientRequestToken": token(0), "SecretString": "value 0", "KmsKeyId": "old" });
    account.ok("CreateSecret", body);
    account
}

fn get(account: &Account, access_key: &str, version: usize) -> Result<Value, (String, String)> {
    let read = account.call_as(access_key, "GetSecretValue", json!({ "SecretId": "a", "VersionId": token(version) }));
    read.map_err(|error| (error.code.into_owned(), error.message))
}

fn put(account: &Account, access_key: &str, number: usize) -> Result<Value, (String, String)> {
    let body =
        json!({ "SecretId": "a", "ClientRequestToken": token(number), "SecretString": format!("value {number}") });
    account.call_as(access_key, "PutSecretValue", body).map_err(|error| (error.code.into_owned(), error.message))
}

#[test]
fn r53_the_callers_rights_on_the_key_decide() {
    let account = account();
    account.simulator.keys(|keys| {
        keys.allow("old", "READER", [Right::Decrypt]);
        keys.allow("old", "GENERATOR", [Right::GenerateDataKey]);
        keys.allow("old", "WRITER", [Right::Decrypt, Right::GenerateDataKey]);
    });
    let denied = ("AccessDeniedException".to_owned(), "Access to KMS is not allowed".to_owned());
    get(&account, "READER", 0).unwrap();
    assert_eq!(get(&account, "GENERATOR", 0).unwrap_err(), denied);
    assert_eq!(put(&account, "READER", 1).unwrap_err(), denied);
    assert_eq!(put(&account, "GENERATOR", 1).unwrap_err(), denied);
    put(&account, "WRITER", 1).unwrap();
    assert_eq!(account.versions("a"), [token(0), token(1)]);
    let batch = account.call_as("GENERATOR", "BatchGetSecretValue", json!({ "SecretIdList": ["a"] })).unwrap();
    assert_eq!(batch["Errors"][0]["ErrorCode"], "AccessDeniedException");
    // What holds no value needs no key.
    account.call_as("NOBODY", "DescribeSecret", json!({ "SecretId": "a" })).unwrap();
}

#[test]
fn r54_a_key_that_does_not_work_fails_reads_and_writes() {
    let account = account();
    for state in [KeyState::Disabled, KeyState::PendingDeletion] {
        account.simulator.keys(|keys| keys.set("old", state));
        let (code, message) = get(&account, "X", 0).unwrap_err();
        assert_eq!(code, "DecryptionFailure");
        assert_eq!(message, "Secrets Manager can't decrypt the protected secret text using the provided KMS key.");
        let (code, message) = put(&account, "X", 1).unwrap_err();
        assert_eq!(code, "EncryptionFailure");
        assert!(
            message.starts_with("Secrets Manager can't encrypt the protected secret text using the provided KMS key.")
        );
    }
    account.simulator.keys(|keys| keys.set("old", KeyState::Enabled));
    get(&account, "X", 0).unwrap();
    assert_eq!(account.versions("a"), [token(0)]);
}

#[test]
fn r54_a_throttled_key_fails_the_call() {
    let account = account();
    account.simulator.keys(|keys| keys.throttle(1));
    assert_eq!(get(&account, "X", 0).unwrap_err().0, "ThrottlingException");
    get(&account, "X", 0).unwrap();
    for (shown, code) in
        [(Throttled::InternalServiceError, "InternalServiceError"), (Throttled::Failure, "DecryptionFailure")]
    {
        account.simulator.set(|switches| switches.kms_throttle = shown);
        account.simulator.keys(|keys| keys.throttle(1));
        assert_eq!(get(&account, "X", 0).unwrap_err().0, code);
    }
}

fn keys_of(account: &Account) -> Vec<Value> {
    let listed = account.ok("ListSecretVersionIds", json!({ "SecretId": "a", "IncludeDeprecated": true }));
    listed["Versions"].as_array().unwrap().iter().map(|version| version["KmsKeyIds"].clone()).collect()
}

#[test]
fn r55_a_new_key_takes_the_services_labels_along_and_no_others() {
    let account = account();
    put(&account, "X", 1).unwrap();
    account.put_labelled("a", 2, &["CUSTOM"]).unwrap();
    account.put_labelled("a", 3, &["AWSPENDING"]).unwrap();
    put(&account, "X", 4).unwrap();
    account.ok("UpdateSecret", json!({ "SecretId": "a", "ClientRequestToken": token(77), "KmsKeyId": "new" }));
    let (old, new) = (json!(["old"]), json!(["new"]));
    assert_eq!(keys_of(&account), [old.clone(), new.clone(), old.clone(), new.clone(), new.clone()]);
    assert_eq!(account.ok("DescribeSecret", json!({ "SecretId": "a" }))["KmsKeyId"], "new");
    account.simulator.keys(|keys| keys.set("old", KeyState::PendingDeletion));
    get(&account, "X", 4).unwrap();
    assert_eq!(get(&account, "X", 2).unwrap_err().0, "DecryptionFailure");
}

#[test]
fn r55_without_the_right_to_encrypt_everything_old_stays_silently() {
    let account = account();
    account.simulator.keys(|keys| keys.allow("new", "WRITER", [Right::Decrypt, Right::GenerateDataKey]));
    account
        .call_as(
            "WRITER",
            "UpdateSecret",
            json!({ "SecretId": "a", "ClientRequestToken": token(77), "KmsKeyId": "new" }),
        )
        .unwrap();
    assert_eq!(keys_of(&account), [json!(["old"])]);
    put(&account, "WRITER", 1).unwrap();
    assert_eq!(keys_of(&account), [json!(["old"]), json!(["new"])]);
    let refused = account
        .call_as(
            "NOBODY",
            "UpdateSecret",
            json!({ "SecretId": "a", "ClientRequestToken": token(77), "KmsKeyId": "new" }),
        )
        .unwrap_err();
    assert_eq!(refused.message, "Access to KMS is not allowed");
}

#[test]
fn r56_an_empty_key_id_is_the_services_own_key() {
    let account = account();
    account.ok("UpdateSecret", json!({ "SecretId": "a", "ClientRequestToken": token(77), "KmsKeyId": "" }));
    assert_eq!(account.ok("DescribeSecret", json!({ "SecretId": "a" })).get("KmsKeyId"), None);
    assert_eq!(keys_of(&account), [json!(["DefaultEncryptionKey"])]);
}

#[test]
fn r56_a_key_that_is_not_there_is_refused() {
    let account = account();
    let create = |name: &str, key: &str| {
        let body = json!({ "Name": name, "ClientRequestToken": token(0), "SecretString": "x", "KmsKeyId": key });
        account.call("CreateSecret", body)
    };
    for key in ["alias/vault", "arn:aws:kms:us-east-1:123456789012:key/old", "arn:aws:kms:us-east-1:1:alias/vault"] {
        create(&format!("by-{}", key.len()), key).unwrap();
    }
    assert_eq!(create("none", "missing").unwrap_err().code, "EncryptionFailure");
    assert_eq!(account.code("DescribeSecret", json!({ "SecretId": "none" })), "ResourceNotFoundException");
    account.simulator.set(|switches| switches.known_keys_only = false);
    create("none", "missing").unwrap();
}

#[test]
fn r57_comparing_a_repeated_value_needs_the_right_to_decrypt() {
    let account = account();
    account.simulator.keys(|keys| {
        keys.allow("old", "WRITER", [Right::Decrypt, Right::GenerateDataKey]);
        keys.allow("old", "GENERATOR", [Right::GenerateDataKey]);
    });
    put(&account, "WRITER", 1).unwrap();
    put(&account, "WRITER", 1).unwrap();
    assert_eq!(put(&account, "GENERATOR", 1).unwrap_err().1, "Access to KMS is not allowed");
}
