//! Deletion, restoring, and names that stay taken.

use std::time::Duration;

use serde_json::json;

use crate::account::{Account, DAY, token};

const MARKED: &str = "You can't perform this operation on the secret because it was marked for deletion.";

fn scheduled(days: i64) -> Account {
    let account = Account::new();
    account.create("a");
    account.put("a", 1).unwrap();
    account.ok("DeleteSecret", json!({ "SecretId": "a", "RecoveryWindowInDays": days }));
    account
}

#[test]
fn r28_the_window_is_7_to_30_days() {
    let account = Account::new();
    account.create("a");
    for days in [-1, 0, 6, 31] {
        let body = json!({ "SecretId": "a", "RecoveryWindowInDays": days });
        assert_eq!(account.code("DeleteSecret", body), "InvalidParameterException");
    }
    let both = json!({ "SecretId": "a", "RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": true });
    assert_eq!(account.code("DeleteSecret", both), "InvalidParameterException");
    let due = account.simulator.clock().now().after(30 * DAY).as_millis();
    let deleted = account.ok("DeleteSecret", json!({ "SecretId": "a" }));
    assert_eq!(deleted["DeletionDate"].to_string(), format!("{}.0", due / 1000));
}

#[test]
fn r29_what_is_scheduled_for_deletion_can_only_be_looked_at() {
    let account = scheduled(7);
    let calls = [
        ("GetSecretValue", json!({ "SecretId": "a" })),
        ("PutSecretValue", json!({ "SecretId": "a", "ClientRequestToken": token(2), "SecretString": "x" })),
        ("UpdateSecret", json!({ "SecretId": "a", "ClientRequestToken": token(7), "Description": "x" })),
        ("UpdateSecretVersionStage", json!({ "SecretId": "a", "VersionStage": "x", "MoveToVersionId": token(1) })),
        ("TagResource", json!({ "SecretId": "a", "Tags": [{ "Key": "k", "Value": "v" }] })),
        ("UntagResource", json!({ "SecretId": "a", "TagKeys": ["k"] })),
        ("PutResourcePolicy", json!({ "SecretId": "a", "ResourcePolicy": r#"{ "Statement": [] }"# })),
        ("GetResourcePolicy", json!({ "SecretId": "a" })),
        ("DeleteResourcePolicy", json!({ "SecretId": "a" })),
    ];
    for (operation, body) in calls {
        let refused = account.refused(operation, body);
        assert_eq!((refused.code.as_ref(), refused.message.as_str()), ("InvalidRequestException", MARKED));
    }
    let shown = account.ok("DescribeSecret", json!({ "SecretId": "a" }));
    assert!(shown["DeletedDate"].is_number());
    assert_eq!(account.versions("a").len(), 2);
}

#[test]
fn r30_the_name_of_a_scheduled_secret_stays_taken() {
    let account = scheduled(7);
    // Even a repetition of the call that made it.
    let refused = account
        .refused("CreateSecret", json!({ "Name": "a", "ClientRequestToken": token(0), "SecretString": "value 0" }));
    let text = "You can't create this secret because a secret with this name is already scheduled for deletion.";
    assert_eq!((refused.code.as_ref(), refused.message.as_str()), ("InvalidRequestException", text));
}

#[test]
fn r31_a_forced_deletion_takes_its_time() {
    let account = Account::new();
    account.create("a");
    account.ok("DeleteSecret", json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true }));
    let mut seen = Vec::new();
    let mut seconds = 0;
    let freed = loop {
        match account
            .call("CreateSecret", json!({ "Name": "a", "ClientRequestToken": token(9), "SecretString": "new" }))
        {
            Ok(_) => break seconds,
            Err(refused) => {
                assert_eq!(refused.code, "InvalidRequestException");
                if seen.last() != Some(&refused.message) {
                    seen.push(refused.message);
                }
            }
        }
        account.pass(Duration::from_secs(1));
        seconds += 1;
    };
    assert!((1..=150).contains(&freed), "{freed} s");
    assert!(seen[0].ends_with("already scheduled for deletion."));
    assert!(seen.get(1).is_none_or(|second| second.ends_with("because it was deleted.")), "{seen:?}");
}

#[test]
fn r31_both_messages_of_a_forced_deletion_occur() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let account = Account::of(secrets_manager_simulator::settings::Settings::new().seed(seed));
        account.create("a");
        account.ok("DeleteSecret", json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true }));
        for _ in 0..150 {
            let body = json!({ "Name": "a", "ClientRequestToken": token(9), "SecretString": "new" });
            seen.extend(account.call("CreateSecret", body).err().map(|refused| refused.message));
            account.pass(Duration::from_secs(1));
        }
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn r32_a_forced_deletion_of_nothing_succeeds() {
    let account = Account::new();
    account.ok("DeleteSecret", json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true }));
    assert_eq!(account.code("DeleteSecret", json!({ "SecretId": "a" })), "ResourceNotFoundException");
    account.create("a");
}

#[test]
fn r33_a_scheduled_secret_is_restored_as_it_was() {
    let account = scheduled(7);
    account.pass(6 * DAY);
    account.ok("RestoreSecret", json!({ "SecretId": "a" }));
    account.pass(60 * DAY);
    assert_eq!(account.value("a"), "value 1");
    assert_eq!(account.ok("DescribeSecret", json!({ "SecretId": "a" })).get("DeletedDate"), None);
    account.ok("RestoreSecret", json!({ "SecretId": "a" }));
    account.ok("DeleteSecret", json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true }));
    assert_eq!(account.code("RestoreSecret", json!({ "SecretId": "a" })), "InvalidRequestException");
}

#[test]
fn r34_a_secret_goes_some_time_after_its_window() {
    let account = scheduled(7);
    account.pass(7 * DAY - Duration::from_secs(1));
    account.ok("DescribeSecret", json!({ "SecretId": "a" }));
    account.pass(DAY + Duration::from_secs(1));
    assert_eq!(account.code("DescribeSecret", json!({ "SecretId": "a" })), "ResourceNotFoundException");
    assert_eq!(account.code("RestoreSecret", json!({ "SecretId": "a" })), "ResourceNotFoundException");
    account.pass(Duration::from_secs(600));
    account.create("a");
}

#[test]
fn r35_a_name_used_again_has_another_arn() {
    let account = Account::new();
    let first = account.create("a")["ARN"].clone();
    account.ok("DeleteSecret", json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true }));
    account.pass(Duration::from_secs(600));
    let second = account.create("a")["ARN"].clone();
    assert_ne!(first, second);
    assert_eq!(account.code("GetSecretValue", json!({ "SecretId": first })), "ResourceNotFoundException");
    account.ok("GetSecretValue", json!({ "SecretId": second }));
}

#[test]
fn r36_a_second_deletion_has_to_be_forced() {
    let account = scheduled(7);
    let refused = account.refused("DeleteSecret", json!({ "SecretId": "a" }));
    assert_eq!(refused.code, "InvalidRequestException");
    account.ok("DeleteSecret", json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true }));
    account.ok("DeleteSecret", json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true }));
    // Repeating it puts nothing off.
    let deleted = account.simulator.secret("a").unwrap().deleted;
    account.pass(Duration::from_millis(1));
    account.ok("DeleteSecret", json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true }));
    assert_eq!(account.simulator.secret("a").unwrap().deleted, deleted);
    // The end of the first, longer window is no end of whatever has the name later.
    for _ in 0..24 {
        account.ok("DeleteSecret", json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true }));
        account.pass(Duration::from_secs(5));
    }
    assert_eq!(account.code("DescribeSecret", json!({ "SecretId": "a" })), "ResourceNotFoundException");
    account.pass(Duration::from_secs(600));
    account.create("a");
    account.pass(20 * DAY);
    assert_eq!(account.value("a"), "value 0");
}

#[test]
fn r37_secrets_are_found_by_name_whole_and_partial_arn() {
    let account = Account::new();
    let arn = account.create("a/b")["ARN"].as_str().unwrap().to_owned();
    let (partial, _) = arn.rsplit_once('-').unwrap();
    for id in ["a/b", &arn, partial] {
        assert_eq!(account.value(id), "value 0");
    }
    let refused = account.refused("GetSecretValue", json!({ "SecretId": format!("{partial}-AAAAAA") }));
    assert_eq!(refused.code, "ResourceNotFoundException");
    assert_eq!(refused.message, "Secrets Manager can't find the specified secret.");
    // A partial ARN of such a name looks like a whole one of another.
    let arn = account.create("name-a1b2c3")["ARN"].as_str().unwrap().to_owned();
    let (partial, _) = arn.rsplit_once('-').unwrap();
    assert_eq!(account.code("GetSecretValue", json!({ "SecretId": partial })), "ResourceNotFoundException");
    assert_eq!(account.value(&arn), "value 0");
    assert_eq!(account.value("name-a1b2c3"), "value 0");
}
