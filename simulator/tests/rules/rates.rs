//! Rates.

use std::time::Duration;

use serde_json::json;

use crate::account::{Account, token};

fn burst(account: &Account, calls: usize, mut call: impl FnMut(&Account, usize) -> bool) -> usize {
    (0..calls).filter(|number| call(account, *number)).count()
}

#[test]
fn r60_the_51st_write_in_a_second_is_throttled() {
    let account = Account::with(|switches| switches.throttle = true);
    for name in ["a", "b", "c"] {
        account.create(name);
    }
    // Put, Update and label moves of all secrets share one bucket.
    let name = |number: usize| ["a", "b", "c"][number % 3];
    let passed = burst(&account, 60, |account, number| account.put(name(number), number / 3 + 1).is_ok());
    assert_eq!(passed, 50);
    let refused = account
        .refused("UpdateSecret", json!({ "SecretId": "a", "ClientRequestToken": token(77), "Description": "x" }));
    assert_eq!(
        (refused.code.as_ref(), refused.message.as_str(), refused.status),
        ("ThrottlingException", "Rate exceeded", 400)
    );
    // Other groups have buckets of their own.
    account.value("a");
    account.create("d");
    account.pass(Duration::from_millis(200));
    assert_eq!(burst(&account, 20, |account, number| account.put("d", number + 1).is_ok()), 10);
    account.pass(Duration::from_secs(60));
    assert_eq!(burst(&account, 99, |account, number| account.put("b", 100 + number).is_ok()), 50, "a second's worth");
}

#[test]
fn r60_each_group_has_its_documented_rate() {
    let account = Account::with(|switches| switches.throttle = true);
    account.create("a");
    let get = |account: &Account, _| account.call("GetSecretValue", json!({ "SecretId": "a" })).is_ok();
    assert_eq!(burst(&account, 10_010, get), 10_000);
    let batch = |account: &Account, _| account.call("BatchGetSecretValue", json!({ "SecretIdList": ["a"] })).is_ok();
    assert_eq!(burst(&account, 110, batch), 100);
    let list = |account: &Account, number: usize| match number % 2 {
        0 => account.call("ListSecrets", json!({})).is_ok(),
        _ => account.call("ListSecretVersionIds", json!({ "SecretId": "a" })).is_ok(),
    };
    assert_eq!(burst(&account, 60, list), 50);
    let create = |account: &Account, number| {
        account.call("CreateSecret", json!({ "Name": format!("s{number}"), "ClientRequestToken": token(0) })).is_ok()
    };
    assert_eq!(burst(&account, 60, create), 49);
}

#[test]
fn r60_without_the_switch_nothing_is_throttled() {
    let account = Account::new();
    assert_eq!(burst(&account, 200, |account, _| account.call("ListSecrets", json!({})).is_ok()), 200);
}
