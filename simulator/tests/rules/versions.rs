//! Versions: how many, how long, and how they are shown.

use std::time::Duration;

use serde_json::json;

use crate::account::{Account, DAY, token};

#[test]
fn r22_the_101st_version_within_a_day_is_refused() {
    let account = Account::new();
    account.create("a");
    for number in 1..100 {
        account.put("a", number).unwrap();
    }
    let refused = account.put("a", 100).unwrap_err();
    assert_eq!((refused.code.as_ref(), refused.status), ("LimitExceededException", 400));
    assert_eq!((account.value("a").as_str(), account.versions("a").len()), ("value 99", 100));
    account.pass(DAY - Duration::from_secs(1));
    assert!(account.put("a", 100).is_err(), "none is a day old");
    account.pass(Duration::from_secs(1));
    account.put("a", 100).unwrap();
    let versions = account.versions("a");
    assert_eq!((versions.len(), versions.contains(&token(0)), versions.contains(&token(1))), (100, false, true));
    assert_eq!(
        account.code("GetSecretValue", json!({ "SecretId": "a", "VersionId": token(0) })),
        "ResourceNotFoundException"
    );
}

#[test]
fn r22_labelled_versions_are_never_removed() {
    let account = Account::new();
    account.create("a");
    account.put_labelled("a", 1, &["KEPT"]).unwrap();
    for number in 2..100 {
        account.put("a", number).unwrap();
    }
    account.pass(DAY * 400);
    // All but the labelled one are old enough to go; after as many writes only young ones are left.
    let written = (100..300).take_while(|number| account.put("a", *number).is_ok()).count();
    assert_eq!(written, 99);
    let versions = account.versions("a");
    assert_eq!((versions.len(), versions.contains(&token(1)), versions.contains(&token(2))), (100, true, false));
}

#[test]
fn r22_a_write_every_14_4_minutes_is_sustained_and_faster_is_not() {
    let refused_after = |pause: u64| {
        let account = Account::new();
        account.create("a");
        (1..1000).find(|number| {
            account.pass(Duration::from_secs(pause));
            account.put("a", *number).is_err()
        })
    };
    assert_eq!(refused_after(864), None);
    assert!(refused_after(600).is_some_and(|number| number <= 102), "{:?}", refused_after(600));
}

#[test]
fn r23_a_read_names_a_version_by_id_or_label() {
    let account = Account::new();
    account.create("a");
    account.put("a", 1).unwrap();
    let read = |more: serde_json::Value| {
        let mut body = json!({ "SecretId": "a" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        account.call("GetSecretValue", body)
    };
    assert_eq!(read(json!({ "VersionId": token(0) })).unwrap()["SecretString"], "value 0");
    assert_eq!(read(json!({ "VersionStage": "AWSPREVIOUS" })).unwrap()["SecretString"], "value 0");
    assert_eq!(read(json!({ "VersionId": token(1), "VersionStage": "AWSCURRENT" })).unwrap()["VersionId"], token(1));
    let refused = read(json!({ "VersionId": token(0), "VersionStage": "AWSCURRENT" })).unwrap_err();
    assert_eq!(refused.code, "InvalidRequestException");
    assert_eq!(refused.message, "You provided a VersionStage that is not associated to the provided VersionId.");
    let refused = read(json!({ "VersionStage": "NONE" })).unwrap_err();
    assert_eq!(refused.code, "ResourceNotFoundException");
    assert_eq!(refused.message, "Secrets Manager can't find the specified secret value for staging label: NONE");
    let refused = read(json!({ "VersionId": token(9) })).unwrap_err();
    let text = format!("Secrets Manager can't find the specified secret value for VersionId: {}", token(9));
    assert_eq!((refused.code.as_ref(), refused.message), ("ResourceNotFoundException", text));
}

#[test]
fn r24_a_secret_without_a_value_has_no_version() {
    let account = Account::new();
    account.ok("CreateSecret", json!({ "Name": "a", "ClientRequestToken": token(0) }));
    let shown = account.ok("DescribeSecret", json!({ "SecretId": "a" }));
    assert_eq!(shown.get("VersionIdsToStages"), None);
    let refused = account.refused("GetSecretValue", json!({ "SecretId": "a" }));
    assert_eq!(refused.code, "ResourceNotFoundException");
    assert_eq!(refused.message, "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT");
    assert_eq!(account.put("a", 1).unwrap()["VersionStages"], json!(["AWSCURRENT"]));
}

#[test]
fn r25_unlabelled_versions_are_listed_only_on_request() {
    let account = Account::new();
    account.create("a");
    account.put("a", 1).unwrap();
    account.put("a", 2).unwrap();
    assert_eq!(account.labels("a").as_object().unwrap().len(), 2);
    let listed = account.ok("ListSecretVersionIds", json!({ "SecretId": "a" }));
    let listed = listed["Versions"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0]["KmsKeyIds"], json!(["DefaultEncryptionKey"]));
    assert_eq!(account.versions("a"), [token(0), token(1), token(2)]);
    let unlabelled = account.ok("ListSecretVersionIds", json!({ "SecretId": "a", "IncludeDeprecated": true }));
    assert_eq!(unlabelled["Versions"][0].get("VersionStages"), None);
    // It stays readable by its id.
    let read = account.ok("GetSecretValue", json!({ "SecretId": "a", "VersionId": token(0) }));
    assert_eq!((&read["SecretString"], &read["VersionStages"]), (&json!("value 0"), &json!([])));
}

#[test]
fn r26_an_update_without_a_value_makes_no_version() {
    let account = Account::new();
    account.create("a");
    let body = json!({ "SecretId": "a", "Description": "new", "ClientRequestToken": token(1) });
    assert_eq!(account.ok("UpdateSecret", body).get("VersionId"), None);
    assert_eq!(account.versions("a"), [token(0)]);
    assert_eq!(account.ok("DescribeSecret", json!({ "SecretId": "a" }))["Description"], "new");
}

#[test]
fn r27_the_last_read_is_known_by_its_day() {
    let account = Account::new();
    account.create("a");
    let shown = || account.ok("DescribeSecret", json!({ "SecretId": "a" }));
    assert_eq!(shown().get("LastAccessedDate"), None);
    account.pass(DAY + Duration::from_secs(4321));
    account.value("a");
    let accessed = shown()["LastAccessedDate"].as_f64().unwrap();
    assert_eq!(accessed % 86_400.0, 0.0);
    let changed = shown()["LastChangedDate"].as_f64().unwrap();
    assert!(accessed > changed, "a read changes nothing but that day");
    let versions = account.ok("ListSecretVersionIds", json!({ "SecretId": "a" }));
    assert_eq!(versions["Versions"][0]["LastAccessedDate"], accessed);
}
