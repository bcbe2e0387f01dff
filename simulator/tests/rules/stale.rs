//! Reads that lag behind writes.

use std::collections::BTreeSet;
use std::time::Duration;

use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::{Staleness, Switches};
use serde_json::{Value, json};

use crate::account::{Account, token};

fn account(staleness: Staleness, seed: u64) -> Account {
    let switches = Switches {
        staleness,
        read_lag: Duration::from_secs(10),
        list_lag: Duration::from_secs(300),
        ..Switches::default()
    };
    Account::of(Settings::new().seed(seed).switches(switches))
}

/// What a read shows: the value, or nothing.
fn shown(account: &Account) -> String {
    let read = account.call("GetSecretValue", json!({ "SecretId": "a" }));
    read.map_or_else(|_| "nothing".to_owned(), |read| read["SecretString"].as_str().unwrap().to_owned())
}

fn listed(account: &Account) -> bool {
    !account.ok("ListSecrets", json!({}))["SecretList"].as_array().unwrap().is_empty()
}

#[test]
fn r58_a_read_may_be_stale_within_the_bound_and_never_beyond() {
    for staleness in [Staleness::Lagging, Staleness::Adversarial] {
        let account = account(staleness, 5);
        account.create("a");
        account.pass(Duration::from_secs(60));
        account.put("a", 1).unwrap();
        account.pass(Duration::from_secs(4));
        account.put("a", 2).unwrap();
        account.pass(Duration::from_secs(4));
        let seen: BTreeSet<String> = (0..200).map(|_| shown(&account)).collect();
        assert_eq!(seen, BTreeSet::from(["value 0", "value 1", "value 2"].map(str::to_owned)), "{staleness:?}");
        account.pass(Duration::from_secs(3));
        let seen: BTreeSet<String> = (0..200).map(|_| shown(&account)).collect();
        assert_eq!(seen, BTreeSet::from(["value 1", "value 2"].map(str::to_owned)), "{staleness:?}");
        account.pass(Duration::from_secs(11));
        assert!((0..200).all(|_| shown(&account) == "value 2"), "{staleness:?}");
    }
}

#[test]
fn r58_the_stalest_read_is_exactly_as_old_as_the_bound() {
    let account = account(Staleness::Stalest, 0);
    account.create("a");
    assert_eq!(shown(&account), "nothing", "a secret just made may not be found");
    account.pass(Duration::from_secs(10));
    assert_eq!(shown(&account), "nothing");
    account.pass(Duration::from_millis(1));
    assert_eq!(shown(&account), "value 0");
    account.put("a", 1).unwrap();
    account.ok("DeleteSecret", json!({ "SecretId": "a" }));
    assert_eq!(shown(&account), "value 0");
    let described = account.ok("DescribeSecret", json!({ "SecretId": "a" }));
    assert_eq!(
        (described.get("DeletedDate"), &described["VersionIdsToStages"]),
        (None, &json!({ token(0): ["AWSCURRENT"] }))
    );
    // By its id, the new version is not there either.
    let by_id = account.call("GetSecretValue", json!({ "SecretId": "a", "VersionId": token(1) }));
    assert_eq!(by_id.unwrap_err().code, "ResourceNotFoundException");
    account.pass(Duration::from_millis(10_001));
    assert_eq!(account.code("GetSecretValue", json!({ "SecretId": "a" })), "InvalidRequestException");
}

#[test]
fn r58_writes_always_meet_the_present_state() {
    let account = account(Staleness::Stalest, 0);
    account.create("a");
    account.put("a", 1).unwrap();
    account.put("a", 1).unwrap();
    let other = json!({ "SecretId": "a", "ClientRequestToken": token(1), "SecretString": "other" });
    assert_eq!(account.code("PutSecretValue", other), "ResourceExistsException");
    let shift = json!({
        "SecretId": "a", "VersionStage": "AWSCURRENT", "RemoveFromVersionId": token(1), "MoveToVersionId": token(0)
    });
    account.ok("UpdateSecretVersionStage", shift);
}

#[test]
fn r58_without_the_switch_every_read_is_fresh() {
    let account = account(Staleness::Off, 0);
    account.create("a");
    for number in 1..50 {
        account.put("a", number).unwrap();
        assert_eq!(shown(&account), format!("value {number}"));
        assert!(listed(&account));
    }
}

#[test]
fn r59_a_listing_may_be_five_minutes_old() {
    let account = account(Staleness::Stalest, 0);
    account.create("a");
    account.pass(Duration::from_secs(300));
    assert_eq!(shown(&account), "value 0");
    assert!(!listed(&account));
    account.pass(Duration::from_millis(1));
    assert!(listed(&account));
    account.ok("DeleteSecret", json!({ "SecretId": "a", "ForceDeleteWithoutRecovery": true }));
    account.pass(Duration::from_secs(200));
    assert_eq!(account.code("DescribeSecret", json!({ "SecretId": "a" })), "ResourceNotFoundException");
    assert!(listed(&account), "a deleted secret may still be listed");
    account.pass(Duration::from_secs(301));
    assert!(!listed(&account));
}

#[test]
fn r59_adversarial_listings_mix_the_ages_of_secrets() {
    let account = account(Staleness::Adversarial, 1);
    let names: Vec<String> = (0..8).map(|number| format!("secret-{number}")).collect();
    for name in &names {
        account.create(name);
    }
    let seen: BTreeSet<Vec<bool>> = (0..50)
        .map(|_| {
            let page: Value = account.ok("ListSecrets", json!({}));
            let listed: Vec<&str> =
                page["SecretList"].as_array().unwrap().iter().map(|entry| entry["Name"].as_str().unwrap()).collect();
            names.iter().map(|name| listed.contains(&name.as_str())).collect()
        })
        .collect();
    assert!(seen.len() > 25, "{} different listings", seen.len());
}
