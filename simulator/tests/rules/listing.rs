//! ListSecrets: pages, filters, order.

use std::time::Duration;

use secrets_manager_simulator::settings::Settings;
use serde_json::{Value, json};

use crate::account::{Account, token};

fn names(page: &Value) -> Vec<String> {
    let entries = page["SecretList"].as_array().unwrap().iter();
    entries.map(|entry| entry["Name"].as_str().unwrap().to_owned()).collect()
}

/// Every name, and how many pages it took.
fn all(account: &Account, body: Value) -> (Vec<String>, usize) {
    let pages = account.pages("ListSecrets", body);
    (pages.iter().flat_map(names).collect(), pages.len())
}

fn filtered(account: &Account, filters: Value) -> Vec<String> {
    all(account, json!({ "Filters": filters, "SortBy": "name" })).0
}

#[test]
fn r38_pages_lead_on_by_token_and_may_be_empty() {
    let account = Account::of(Settings::new().seed(3));
    let expected: Vec<String> = (0..45).map(|number| format!("secret-{number:02}")).collect();
    for name in &expected {
        account.create(name);
        account.pass(Duration::from_secs(1));
    }
    assert_eq!(all(&account, json!({ "MaxResults": 10 })), (expected.clone(), 5));
    assert_eq!(all(&account, json!({ "MaxResults": 45 })), (expected.clone(), 1));
    account.simulator.set(|switches| switches.empty_pages = 50);
    let (found, pages) = all(&account, json!({ "MaxResults": 10 }));
    assert!(found == expected && pages > 5, "{pages} pages");
    account.simulator.set(|switches| switches.empty_pages = 100);
    let first = account.ok("ListSecrets", json!({}));
    assert!(names(&first).is_empty() && first["NextToken"].is_string());
    // No two empty pages follow each other: a listing comes to its end.
    assert_eq!(all(&account, json!({ "MaxResults": 10 })), (expected.clone(), 10));
    account.simulator.set(|switches| switches.empty_pages = 0);
    let page = account.ok("ListSecrets", json!({ "MaxResults": 10 }));
    let token = page["NextToken"].as_str().unwrap();
    for wrong in [
        json!({ "NextToken": "nonsense" }),
        json!({ "NextToken": format!("{token}A") }),
        json!({ "NextToken": token, "SortBy": "name" }),
        json!({ "NextToken": token, "IncludePlannedDeletion": true }),
    ] {
        assert_eq!(account.code("ListSecrets", wrong.clone()), "InvalidNextTokenException", "{wrong}");
    }
    let other_operation = json!({ "SecretId": "secret-00", "NextToken": token });
    assert_eq!(account.code("ListSecretVersionIds", other_operation), "InvalidNextTokenException");
}

#[test]
fn r38_versions_come_in_pages_too() {
    let account = Account::new();
    account.create("a");
    for number in 1..25 {
        account.put("a", number).unwrap();
    }
    let body = json!({ "SecretId": "a", "IncludeDeprecated": true, "MaxResults": 10 });
    assert_eq!(account.sizes("ListSecretVersionIds", body, "Versions"), [10, 10, 5]);
}

fn tagged(account: &Account, name: &str, description: &str, tags: Value) {
    let token = token(0);
    let body = json!({
        "Name": name, "ClientRequestToken": token, "SecretString": "x", "Description": description, "Tags": tags
    });
    account.ok("CreateSecret", body);
}

#[test]
fn r39_filters_are_prefixes_joined_by_and() {
    let account = Account::new();
    tagged(&account, "acme/one", "Token of Acme", json!([{ "Key": "tenant", "Value": "acme" }]));
    tagged(&account, "acme/two", "other", json!([{ "Key": "tenant", "Value": "acme-corp" }]));
    let decoy = json!([{ "Key": "tenant", "Value": "other" }, { "Key": "owner", "Value": "acme" }]);
    tagged(&account, "Beta/one", "token", decoy);
    let one = |key: &str, values: Value| filtered(&account, json!([{ "Key": key, "Values": values }]));
    assert_eq!(one("name", json!(["acme/"])), ["acme/one", "acme/two"]);
    assert_eq!(one("name", json!(["beta"])), [""; 0]);
    assert_eq!(one("name", json!(["Beta", "acme/t"])), ["Beta/one", "acme/two"]);
    assert_eq!(one("name", json!(["!acme/o"])), ["Beta/one", "acme/two"]);
    assert_eq!(one("description", json!(["TOKEN"])), ["Beta/one", "acme/one"]);
    assert_eq!(one("tag-key", json!(["Tenant"])), [""; 0]);
    assert_eq!(one("primary-region", json!(["us-"])).len(), 3);
    assert_eq!(one("all", json!(["CORP"])), ["acme/two"]);
    assert_eq!(one("all", json!(["one acm"])), ["Beta/one", "acme/one"]);
    // Key and value are independent, and values are prefixes: the decoys are found as well.
    let both = json!([{ "Key": "tag-key", "Values": ["tenant"] }, { "Key": "tag-value", "Values": ["acme"] }]);
    assert_eq!(filtered(&account, both), ["Beta/one", "acme/one", "acme/two"]);
    let unknown = json!({ "Filters": [{ "Key": "colour", "Values": ["red"] }] });
    assert!(account.call("ListSecrets", unknown).is_err());
}

#[test]
fn r40_listings_are_sorted_as_asked() {
    let account = Account::new();
    for name in ["c", "a", "b"] {
        account.create(name);
        account.pass(Duration::from_secs(1));
    }
    account.put("c", 1).unwrap();
    let sorted = |by: &str, order: &str| all(&account, json!({ "SortBy": by, "SortOrder": order, "MaxResults": 1 })).0;
    assert_eq!(all(&account, json!({})).0, ["c", "a", "b"]);
    assert_eq!(sorted("created-date", "desc"), ["b", "a", "c"]);
    assert_eq!(sorted("name", "asc"), ["a", "b", "c"]);
    assert_eq!(sorted("name", "desc"), ["c", "b", "a"]);
    assert_eq!(sorted("last-changed-date", "asc"), ["a", "b", "c"]);
    account.value("b");
    assert_eq!(sorted("last-accessed-date", "desc"), ["b", "c", "a"]);
}

#[test]
fn r41_scheduled_secrets_are_listed_on_request() {
    let account = Account::new();
    account.create("a");
    account.create("b");
    account.ok("DeleteSecret", json!({ "SecretId": "a" }));
    assert_eq!(all(&account, json!({})).0, ["b"]);
    let with = account.ok("ListSecrets", json!({ "IncludePlannedDeletion": true }));
    assert_eq!(names(&with), ["a", "b"]);
    assert!(with["SecretList"][0]["DeletedDate"].is_number());
    assert_eq!(with["SecretList"][1]["SecretVersionsToStages"], json!({ token(0): ["AWSCURRENT"] }));
    assert_eq!(with["SecretList"][1].get("SecretString"), None);
}
