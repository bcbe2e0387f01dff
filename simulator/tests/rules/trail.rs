//! The events of CloudTrail.

use std::time::Duration;

use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::settings::Settings;
use serde_json::{Value, json};

use crate::account::{Account, DAY, token};

/// All events so far, without KMS's.
fn events(account: &Account) -> Vec<Value> {
    account.pass(Duration::from_secs(300));
    let events = account.simulator.trail().into_iter();
    events.filter(|event| event["eventSource"] == "secretsmanager.amazonaws.com").collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["eventName"].as_str().unwrap()).collect()
}

#[test]
fn r61_every_call_leaves_an_event_and_none_holds_a_value() {
    let account = Account::new();
    let canary = "canary-in-the-coal-mine";
    let body = json!({ "Name": "a", "ClientRequestToken": token(0), "SecretString": canary, "Description": "shown" });
    account.ok("CreateSecret", body);
    let put = json!({ "SecretId": "a", "ClientRequestToken": token(1), "SecretBinary": data_encoding::BASE64.encode(canary.as_bytes()) });
    account.ok("PutSecretValue", put);
    account.ok("GetSecretValue", json!({ "SecretId": "a" }));
    account.ok("UpdateSecret", json!({ "SecretId": "a", "ClientRequestToken": token(2), "SecretString": canary }));
    account.ok("BatchGetSecretValue", json!({ "SecretIdList": ["a"] }));
    account.code("GetSecretValue", json!({ "SecretId": "nothing" }));
    let events = events(&account);
    let expected = [
        "CreateSecret",
        "PutSecretValue",
        "GetSecretValue",
        "UpdateSecret",
        "GetSecretValue",
        "BatchGetSecretValue",
        "GetSecretValue",
    ];
    assert_eq!(names(&events), expected);
    let text = serde_json::to_string(&account.simulator.trail()).unwrap();
    assert!(!text.contains(canary) && !text.contains(&data_encoding::BASE64.encode(canary.as_bytes())));
    let made = &events[0];
    assert_eq!(
        made["requestParameters"],
        json!({ "name": "a", "clientRequestToken": token(0), "description": "shown" })
    );
    assert_eq!((&made["readOnly"], &made["eventCategory"]), (&json!(false), &json!("Management")));
    let read = &events[2];
    assert_eq!((&read["readOnly"], &read["responseElements"]), (&json!(true), &Value::Null));
    let failed = &events[6];
    assert_eq!(failed["errorCode"], "ResourceNotFoundException");
    assert_eq!(failed["requestParameters"], json!({ "secretId": "nothing" }));
    assert_eq!(read.get("errorCode"), None);
}

#[test]
fn r62_events_are_late() {
    let account = Account::new();
    account.create("a");
    account.pass(Duration::from_secs(299));
    assert!(account.simulator.trail().is_empty());
    account.pass(Duration::from_secs(1));
    assert_eq!(names(&account.simulator.trail()), ["GenerateDataKey", "CreateSecret"]);
    account.simulator.set(|switches| switches.trail_delay = Duration::ZERO);
    account.value("a");
    assert_eq!(account.simulator.take_trail().len(), 4);
    assert!(account.simulator.take_trail().is_empty());
}

#[test]
fn r63_a_batch_of_20_leaves_21_events() {
    let account = Account::new();
    let ids: Vec<String> = (0..20).map(|number| format!("secret-{number}")).collect();
    for id in &ids[1..] {
        account.create(id);
    }
    account.ok("BatchGetSecretValue", json!({ "SecretIdList": ids }));
    let events = events(&account);
    let (batch, reads) = events[19..].split_last().unwrap();
    assert_eq!((batch["eventName"].as_str().unwrap(), reads.len()), ("BatchGetSecretValue", 20));
    assert!(reads.iter().all(|event| event["eventName"] == "GetSecretValue"));
    assert_eq!(reads[0]["errorCode"], "ResourceNotFoundException");
    assert_eq!(reads[1]["requestParameters"], json!({ "secretId": "secret-1" }));
}

#[test]
fn r64_the_service_records_what_it_does_by_itself() {
    let account = Account::new();
    let arn = account.create("a")["ARN"].clone();
    account.ok("DeleteSecret", json!({ "SecretId": "a" }));
    account.ok("RestoreSecret", json!({ "SecretId": "a" }));
    account.ok("DeleteSecret", json!({ "SecretId": "a", "RecoveryWindowInDays": 7 }));
    account.pass(9 * DAY);
    let events = events(&account);
    let own: Vec<&Value> = events.iter().filter(|event| event["eventType"] == "AwsServiceEvent").collect();
    let names: Vec<&str> = own.iter().map(|event| event["eventName"].as_str().unwrap()).collect();
    let (start, cancel) = ("StartSecretVersionDelete", "CancelSecretVersionDelete");
    assert_eq!(names, [start, cancel, start, "EndSecretVersionDelete"]);
    assert!(own.iter().all(|event| event["additionalEventData"]["SecretId"] == arn));
    let deleted = events.iter().find(|event| event["eventName"] == "DeleteSecret").unwrap();
    assert_eq!(deleted["responseElements"]["arn"], arn);
}

#[test]
fn r65_events_tell_who_called_and_which_reply_it_was() {
    let policy = r#"{ "Statement": [{ "Effect": "Allow", "Action": "secretsmanager:ListSecrets", "Resource": "*" }] }"#;
    let arn = "arn:aws:sts::123456789012:assumed-role/vault/pod-1";
    let vault = Principal::new(arn).policy(Policy::parse(policy).unwrap());
    let account = Account::of(Settings::new().principal("AKIDVAULT", vault));
    let request = secrets_manager_simulator::wire::Request::new("ListSecrets", &json!({})).signed_by("AKIDVAULT");
    let reply = account.simulator.handle(&request).unwrap();
    account.call_as("AKIDVAULT", "GetSecretValue", json!({ "SecretId": "a" })).unwrap_err();
    let events = events(&account);
    let (listed, refused) = (&events[0], &events[1]);
    assert_eq!(listed["requestID"], reply.request_id);
    let who = &listed["userIdentity"];
    assert_eq!(
        (&who["type"], &who["arn"], &who["accessKeyId"]),
        (&json!("AssumedRole"), &json!(arn), &json!("AKIDVAULT"))
    );
    let issuer = &who["sessionContext"]["sessionIssuer"];
    assert_eq!(issuer["arn"], "arn:aws:iam::123456789012:role/vault");
    assert_eq!(refused["errorCode"], "AccessDeniedException");
    assert_eq!(listed["eventTime"], "2026-01-01T12:00:00Z");
}

#[test]
fn r66_kms_records_arn_and_version_in_clear() {
    let account = Account::new();
    let arn = account.create("a")["ARN"].clone();
    account.value("a");
    account.pass(Duration::from_secs(300));
    let events = account.simulator.trail();
    let decrypt = events.iter().find(|event| event["eventName"] == "Decrypt").unwrap();
    assert_eq!(decrypt["eventSource"], "kms.amazonaws.com");
    let context = json!({ "SecretARN": arn, "SecretVersionId": token(0) });
    assert_eq!(decrypt["requestParameters"]["encryptionContext"], context);
}
