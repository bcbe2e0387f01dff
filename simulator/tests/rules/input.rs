//! Sizes, counts, characters.

use serde_json::{Value, json};

use crate::account::{Account, token};

fn create(account: &Account, name: &str, more: &Value) -> String {
    let mut body = json!({ "Name": name, "ClientRequestToken": token(0), "SecretString": "x" });
    for (member, value) in more.as_object().unwrap() {
        body[member] = value.clone();
    }
    account.call("CreateSecret", body).map_or_else(|error| error.code.into_owned(), |_| "made".to_owned())
}

#[test]
fn r01_values_have_1_to_65536_bytes_of_utf_8() {
    let account = Account::new();
    let at_most = "ä".repeat(32_768);
    assert_eq!(create(&account, "most", &json!({ "SecretString": at_most })), "made");
    assert_eq!(create(&account, "over", &json!({ "SecretString": at_most + "x" })), "ValidationException");
    assert_eq!(create(&account, "none", &json!({ "SecretString": "" })), "ValidationException");
    // 65,536 bytes, and one more, in base64.
    let binary = |bytes: usize| data_encoding::BASE64.encode(&vec![7; bytes]);
    let put = |value: String| {
        let body = json!({ "SecretId": "most", "ClientRequestToken": token(1), "SecretBinary": value });
        account.call("PutSecretValue", body)
    };
    assert_eq!(put(binary(65_537)).unwrap_err().code, "ValidationException");
    assert_eq!(put(binary(0)).unwrap_err().code, "ValidationException");
    put(binary(65_536)).unwrap();
    let read = account.ok("GetSecretValue", json!({ "SecretId": "most" }));
    assert_eq!(read["SecretBinary"], binary(65_536));
    assert_eq!(read.get("SecretString"), None);
}

#[test]
fn r02_a_value_is_text_or_bytes() {
    let account = Account::new();
    assert_eq!(create(&account, "both", &json!({ "SecretBinary": "eA==" })), "InvalidParameterException");
    account.create("a");
    let neither = json!({ "SecretId": "a", "ClientRequestToken": token(1) });
    assert_eq!(account.code("PutSecretValue", neither), "InvalidRequestException");
    let without = account.ok("CreateSecret", json!({ "Name": "empty", "ClientRequestToken": token(0) }));
    assert_eq!(without.get("VersionId"), None);
}

#[test]
fn r03_names_have_512_characters_of_a_few_kinds() {
    let account = Account::new();
    assert_eq!(create(&account, &"n".repeat(512), &json!({})), "made");
    assert_eq!(create(&account, "Valid/_+=.@-Name", &json!({})), "made");
    assert_eq!(create(&account, &"n".repeat(513), &json!({})), "ValidationException");
    assert_eq!(create(&account, "", &json!({})), "ValidationException");
    let refused = account.refused("CreateSecret", json!({ "Name": "a b" }));
    let text =
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!";
    assert_eq!((refused.code.as_ref(), refused.message.as_str()), ("ValidationException", text));
}

#[test]
fn r04_descriptions_have_2048_characters() {
    let account = Account::new();
    assert_eq!(create(&account, "most", &json!({ "Description": "d".repeat(2048) })), "made");
    assert_eq!(create(&account, "over", &json!({ "Description": "d".repeat(2049) })), "ValidationException");
    let body = json!({ "SecretId": "most", "Description": "d".repeat(2049) });
    assert_eq!(account.code("UpdateSecret", body), "ValidationException");
}

fn tags(count: usize) -> Value {
    (0..count).map(|number| json!({ "Key": format!("key {number}"), "Value": "v" })).collect()
}

#[test]
fn r05_tags_are_50_with_unique_keys_of_their_own() {
    let account = Account::new();
    let tag = |key: &str, value: &str| json!({ "Tags": [{ "Key": key, "Value": value }] });
    assert_eq!(create(&account, "most", &json!({ "Tags": tags(50) })), "made");
    assert_eq!(create(&account, "over", &json!({ "Tags": tags(51) })), "InvalidParameterException");
    assert_eq!(create(&account, "long", &tag(&"k".repeat(128), &"v".repeat(256))), "made");
    assert_eq!(create(&account, "key", &tag(&"k".repeat(129), "v")), "ValidationException");
    assert_eq!(create(&account, "no-key", &tag("", "v")), "ValidationException");
    assert_eq!(create(&account, "value", &tag("k", &"v".repeat(257))), "ValidationException");
    assert_eq!(create(&account, "aws", &tag("aws:x", "v")), "InvalidParameterException");
    let twice = json!({ "Tags": [{ "Key": "a", "Value": "1" }, { "Key": "a", "Value": "2" }] });
    assert_eq!(create(&account, "twice", &twice), "InvalidParameterException");
    let by_case = json!({ "Tags": [{ "Key": "a", "Value": "1" }, { "Key": "A", "Value": "2" }] });
    assert_eq!(create(&account, "case", &by_case), "made");
    let one_more = json!({ "SecretId": "most", "Tags": [{ "Key": "one more", "Value": "" }] });
    assert_eq!(account.code("TagResource", one_more), "InvalidParameterException");
}

#[test]
fn r06_ids_tokens_and_labels_have_bounded_lengths() {
    let account = Account::new();
    account.create("a");
    let long = |length: usize| "x".repeat(length);
    for body in [json!({ "SecretId": long(2049) }), json!({ "SecretId": "" }), json!({})] {
        assert_eq!(account.code("GetSecretValue", body), "ValidationException");
    }
    for (member, length) in [("VersionId", 31), ("VersionId", 65), ("VersionStage", 0), ("VersionStage", 257)] {
        let mut body = json!({ "SecretId": "a" });
        body[member] = long(length).into();
        assert_eq!(account.code("GetSecretValue", body), "ValidationException", "{member} {length}");
    }
    for length in [31, 65] {
        let body = json!({ "SecretId": "a", "ClientRequestToken": long(length), "SecretString": "x" });
        assert_eq!(account.code("PutSecretValue", body), "InvalidParameterException");
    }
    assert_eq!(account.put_labelled("a", 1, &[]).unwrap_err().code, "ValidationException");
    assert_eq!(account.put_labelled("a", 1, &["x"; 21]).unwrap_err().code, "ValidationException");
    assert_eq!(account.put_labelled("a", 1, &[&long(257)]).unwrap_err().code, "ValidationException");
    account.put_labelled("a", 1, &[&long(256)]).unwrap();
}

#[test]
fn r07_a_value_needs_a_token() {
    let account = Account::new();
    let refused = account.refused("CreateSecret", json!({ "Name": "a", "SecretString": "x" }));
    let text = "You must provide a ClientRequestToken value. We recommend a UUID-type value.";
    assert_eq!((refused.code.as_ref(), refused.message.as_str()), ("InvalidRequestException", text));
    account.create("a");
    assert_eq!(account.refused("CreateSecret", json!({ "Name": "without-value" })).message, text);
    assert_eq!(account.refused("UpdateSecret", json!({ "SecretId": "a", "Description": "x" })).message, text);
    for operation in ["PutSecretValue", "UpdateSecret"] {
        let refused = account.refused(operation, json!({ "SecretId": "a", "SecretString": "x" }));
        assert_eq!(refused.message, text);
    }
}

#[test]
fn r08_pages_and_filters_are_bounded() {
    let account = Account::new();
    account.create("a");
    for most in [0, 101] {
        assert_eq!(account.code("ListSecrets", json!({ "MaxResults": most })), "ValidationException");
        let body = json!({ "SecretId": "a", "MaxResults": most });
        assert_eq!(account.code("ListSecretVersionIds", body), "ValidationException");
    }
    let name = |values: Value| json!({ "Filters": [{ "Key": "name", "Values": values }] });
    let eleven: Value = (0..11).map(|_| json!({ "Key": "name", "Values": ["a"] })).collect();
    for body in [
        json!({ "Filters": eleven }),
        name(json!([])),
        name(json!(vec!["a"; 11])),
        name(json!(["a".repeat(513)])),
        name(json!(["a,b"])),
        name(json!(["ä"])),
    ] {
        assert_eq!(account.code("ListSecrets", body.clone()), "ValidationException", "{body}");
    }
    account.ok("ListSecrets", name(json!(["!a/b:c_d@e+f=g.h-i j"])));
    assert_eq!(account.code("ListSecrets", json!({ "NextToken": "x".repeat(4097) })), "ValidationException");
}

#[test]
fn r09_what_is_not_simulated_is_refused_by_name() {
    let account = Account::new();
    let refused = account.refused("RotateSecret", json!({ "SecretId": "a" }));
    assert_eq!((refused.code.as_ref(), refused.status), ("NotSimulatedException", 501));
    assert!(refused.message.contains("RotateSecret"));
    let replicas = json!({ "Name": "a", "AddReplicaRegions": [{ "Region": "eu-west-1" }] });
    let refused = account.refused("CreateSecret", replicas);
    assert_eq!((refused.code.as_ref(), refused.status), ("NotSimulatedException", 501));
    assert!(refused.message.contains("AddReplicaRegions"));
    assert_eq!(account.code("NoSuchThing", json!({})), "UnknownOperationException");
}

#[test]
fn r69_an_account_holds_a_limited_number_of_secrets() {
    let account = Account::with(|switches| switches.secret_limit = 3);
    for name in ["a", "b", "c"] {
        account.create(name);
    }
    assert_eq!(create(&account, "d", &json!({})), "LimitExceededException");
    account.create("a");
    // One that is scheduled for deletion still counts, until it is gone.
    account.ok("DeleteSecret", json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true }));
    assert_eq!(create(&account, "d", &json!({})), "LimitExceededException");
    account.pass(std::time::Duration::from_secs(121));
    assert_eq!(create(&account, "d", &json!({})), "made");
    assert_eq!(create(&account, "e", &json!({})), "LimitExceededException");
}
