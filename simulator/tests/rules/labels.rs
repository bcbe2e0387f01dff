//! Staging labels.

use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::switches::Mismatch;
use serde_json::{Value, json};

use crate::account::{Account, token};

fn two_versions() -> Account {
    let account = Account::new();
    account.create("a");
    account.put("a", 1).unwrap();
    account
}

fn shift(account: &Account, label: &str, from: Option<usize>, to: Option<usize>) -> Result<Value, ServiceError> {
    let mut body = json!({ "SecretId": "a", "VersionStage": label });
    if let Some(from) = from {
        body["RemoveFromVersionId"] = token(from).into();
    }
    if let Some(to) = to {
        body["MoveToVersionId"] = token(to).into();
    }
    account.call("UpdateSecretVersionStage", body)
}

#[test]
fn r16_a_new_version_is_current_and_the_one_before_previous() {
    let account = two_versions();
    assert_eq!(account.labels("a"), json!({ token(0): ["AWSPREVIOUS"], token(1): ["AWSCURRENT"] }));
    account.put("a", 2).unwrap();
    assert_eq!(account.labels("a"), json!({ token(1): ["AWSPREVIOUS"], token(2): ["AWSCURRENT"] }));
    assert_eq!(account.value("a"), "value 2");
}

#[test]
fn r17_named_labels_are_exactly_those_and_move_silently() {
    let account = Account::new();
    account.ok("CreateSecret", json!({ "Name": "a", "ClientRequestToken": token(0) }));
    // The first version is current, whatever it is named.
    account.put_labelled("a", 0, &["PENDING"]).unwrap();
    assert_eq!(account.labels("a"), json!({ token(0): ["AWSCURRENT", "PENDING"] }));
    account.put_labelled("a", 1, &["PENDING", "two", "one"]).unwrap();
    assert_eq!(account.labels("a"), json!({ token(0): ["AWSCURRENT"], token(1): ["PENDING", "one", "two"] }));
    account.put_labelled("a", 2, &["AWSCURRENT", "PENDING"]).unwrap();
    let labels = json!({ token(0): ["AWSPREVIOUS"], token(1): ["one", "two"], token(2): ["AWSCURRENT", "PENDING"] });
    assert_eq!(account.labels("a"), labels);
}

#[test]
fn r18_a_label_moves_only_from_where_it_is_said_to_be() {
    let account = two_versions();
    account.put_labelled("a", 2, &["PENDING"]).unwrap();
    let before = account.labels("a");
    for label in ["AWSCURRENT", "PENDING"] {
        let refused = shift(&account, label, None, Some(0)).unwrap_err();
        assert_eq!(refused.code, "InvalidParameterException");
        assert!(refused.message.starts_with("The parameter RemoveFromVersionId can't be empty. Staging label"));
        assert_eq!(shift(&account, label, Some(0), Some(0)).unwrap_err().code, "InvalidParameterException");
        assert_eq!(shift(&account, label, Some(0), None).unwrap_err().code, "InvalidParameterException");
    }
    assert_eq!(shift(&account, "nowhere", Some(0), Some(1)).unwrap_err().code, "InvalidParameterException");
    assert_eq!(shift(&account, "AWSCURRENT", Some(1), Some(9)).unwrap_err().code, "ResourceNotFoundException");
    assert_eq!(shift(&account, "AWSCURRENT", None, None).unwrap_err().code, "InvalidParameterException");
    assert_eq!(account.labels("a"), before, "a refused move changes nothing");
    account.simulator.set(|switches| switches.mismatch = Mismatch::InvalidRequest);
    assert_eq!(shift(&account, "PENDING", Some(0), Some(0)).unwrap_err().code, "InvalidRequestException");
    shift(&account, "PENDING", Some(2), Some(1)).unwrap();
    shift(&account, "new", None, Some(1)).unwrap();
    shift(&account, "new", None, Some(1)).unwrap();
    assert_eq!(account.labels("a"), json!({ token(0): ["AWSPREVIOUS"], token(1): ["AWSCURRENT", "PENDING", "new"] }));
    shift(&account, "new", Some(1), None).unwrap();
    assert_eq!(account.labels("a")[token(1)], json!(["AWSCURRENT", "PENDING"]));
}

#[test]
fn r19_where_current_moves_previous_follows() {
    let account = two_versions();
    account.put_labelled("a", 2, &["PENDING"]).unwrap();
    shift(&account, "AWSCURRENT", Some(1), Some(2)).unwrap();
    // The custom label stays where it was.
    assert_eq!(account.labels("a"), json!({ token(1): ["AWSPREVIOUS"], token(2): ["AWSCURRENT", "PENDING"] }));
    assert_eq!(account.value("a"), "value 2");
    shift(&account, "AWSCURRENT", Some(2), Some(1)).unwrap();
    assert_eq!(account.labels("a"), json!({ token(1): ["AWSCURRENT"], token(2): ["AWSPREVIOUS", "PENDING"] }));
    assert_eq!(account.value("a"), "value 1");
}

#[test]
fn r20_current_cannot_be_taken_off() {
    let account = two_versions();
    let refused = shift(&account, "AWSCURRENT", Some(1), None).unwrap_err();
    assert_eq!(refused.code, "InvalidParameterException");
    assert!(refused.message.contains("can't be completely removed"));
    assert_eq!(account.value("a"), "value 1");
    shift(&account, "AWSPREVIOUS", Some(0), None).unwrap();
    assert_eq!(account.labels("a"), json!({ token(1): ["AWSCURRENT"] }));
}

#[test]
fn r21_a_secret_has_20_labels_at_most() {
    let account = two_versions();
    let labels: Vec<String> = (0..18).map(|number| format!("label {number}")).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    account.put_labelled("a", 2, &labels).unwrap();
    let before = account.labels("a");
    assert_eq!(account.put_labelled("a", 3, &["one more"]).unwrap_err().code, "LimitExceededException");
    assert_eq!(shift(&account, "one more", None, Some(0)).unwrap_err().code, "LimitExceededException");
    assert_eq!((account.labels("a"), account.versions("a").len()), (before, 3));
    account.put("a", 4).unwrap();
    account.put_labelled("a", 5, &["label 0"]).unwrap();
}
