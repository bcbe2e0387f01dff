//! An account to call, and what the tests look for in replies.

use std::time::Duration;

use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use secrets_manager_simulator::switches::Switches;
use secrets_manager_simulator::wire::Request;
use serde_json::{Value, json};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) struct Account {
    pub(crate) simulator: Simulator,
}

impl Account {
    pub(crate) fn new() -> Self {
        Self::of(Settings::new())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Switches)) -> Self {
        let account = Self::new();
        account.simulator.set(change);
        account
    }

    pub(crate) fn of(settings: Settings) -> Self {
        Self { simulator: Simulator::new(settings) }
    }

    pub(crate) fn call(&self, operation: &str, body: Value) -> Result<Value, ServiceError> {
        self.simulator.handle(&Request::new(operation, &body)).unwrap().json()
    }

    pub(crate) fn call_as(&self, access_key: &str, operation: &str, body: Value) -> Result<Value, ServiceError> {
        self.simulator.handle(&Request::new(operation, &body).signed_by(access_key)).unwrap().json()
    }

    pub(crate) fn ok(&self, operation: &str, body: Value) -> Value {
        self.call(operation, body.clone()).unwrap_or_else(|error| panic!("{operation} {body}: {error}"))
    }

    /// The code of the refusal.
    pub(crate) fn code(&self, operation: &str, body: Value) -> String {
        self.refused(operation, body).code.into_owned()
    }

    pub(crate) fn refused(&self, operation: &str, body: Value) -> ServiceError {
        self.call(operation, body.clone()).expect_err(&format!("{operation} {body}"))
    }

    /// A new secret; its first version is `token(0)`.
    pub(crate) fn create(&self, name: &str) -> Value {
        self.ok("CreateSecret", json!({ "Name": name, "ClientRequestToken": token(0), "SecretString": "value 0" }))
    }

    /// The version `token(number)`.
    pub(crate) fn put(&self, name: &str, number: usize) -> Result<Value, ServiceError> {
        let value = format!("value {number}");
        let body = json!({ "SecretId": name, "ClientRequestToken": token(number), "SecretString": value });
        self.call("PutSecretValue", body)
    }

    pub(crate) fn put_labelled(&self, name: &str, number: usize, labels: &[&str]) -> Result<Value, ServiceError> {
        let value = format!("value {number}");
        let token = token(number);
        let body =
            json!({ "SecretId": name, "ClientRequestToken": token, "SecretString": value, "VersionStages": labels });
        self.call("PutSecretValue", body)
    }

    /// The current value.
    pub(crate) fn value(&self, name: &str) -> String {
        self.ok("GetSecretValue", json!({ "SecretId": name }))["SecretString"].as_str().unwrap().to_owned()
    }

    /// Labels by version, as DescribeSecret shows them.
    pub(crate) fn labels(&self, name: &str) -> Value {
        self.ok("DescribeSecret", json!({ "SecretId": name }))["VersionIdsToStages"].clone()
    }

    /// All versions there are.
    pub(crate) fn versions(&self, name: &str) -> Vec<String> {
        let pages = self.pages("ListSecretVersionIds", json!({ "SecretId": name, "IncludeDeprecated": true }));
        let versions = pages.iter().flat_map(|page| page["Versions"].as_array().unwrap());
        versions.map(|version| version["VersionId"].as_str().unwrap().to_owned()).collect()
    }

    /// All pages of a listing.
    pub(crate) fn pages(&self, operation: &str, mut body: Value) -> Vec<Value> {
        let mut pages = Vec::new();
        loop {
            let page = self.ok(operation, body.clone());
            let next = page.get("NextToken").cloned();
            pages.push(page);
            assert!(pages.len() < 1000, "a listing without an end");
            match next {
                Some(token) => body["NextToken"] = token,
                None => return pages,
            }
        }
    }

    /// How many entries each page of a listing has.
    pub(crate) fn sizes(&self, operation: &str, body: Value, entries: &str) -> Vec<usize> {
        self.pages(operation, body).iter().map(|page| page[entries].as_array().unwrap().len()).collect()
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.simulator.clock().advance(time);
    }
}

/// A ClientRequestToken.
pub(crate) fn token(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}
