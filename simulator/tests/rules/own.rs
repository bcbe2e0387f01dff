//! What the simulator promises for itself: the same again for the same seed, gates, faults, counters.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::{Failure, Phase, Verdict};
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::{Lost, Simulator};
use secrets_manager_simulator::switches::{Staleness, Switches};
use secrets_manager_simulator::turnstile::Turnstile;
use secrets_manager_simulator::wire::{Request, Response};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::account::{Account, token};

/// A life of calls: every reply, and the trail at its end.
fn life(seed: u64) -> String {
    let account = Account::of(Settings::new().seed(seed).switches(Switches::strict()));
    account.simulator.inject(Fault::new(Failure::InternalServiceError).percent(20));
    let mut said = String::new();
    for number in 0..200 {
        account.pass(Duration::from_secs(7));
        let name = format!("secret-{}", number % 7);
        let answers = [
            account.call("CreateSecret", json!({ "Name": name, "ClientRequestToken": token(0) })),
            account.put(&name, number),
            account.call("ListSecrets", json!({ "MaxResults": 3 })),
            account.call("GetSecretValue", json!({ "SecretId": name })),
        ];
        said.push_str(&format!("{answers:?}\n"));
    }
    account.pass(Duration::from_secs(300));
    said + &serde_json::to_string(&account.simulator.trail()).unwrap()
}

#[test]
fn s1_the_same_seed_and_calls_give_the_same_answers() {
    assert_eq!(life(1), life(1));
    assert_ne!(life(1), life(2));
}

#[test]
fn s2_faults_strike_before_or_after_the_effect() {
    let account = Account::new();
    account.create("a");
    let request = |number: usize| {
        let body =
            json!({ "SecretId": "a", "ClientRequestToken": token(number), "SecretString": format!("value {number}") });
        account.simulator.handle(&Request::new("PutSecretValue", &body))
    };
    account.simulator.inject(Fault::new(Failure::ConnectionLost).on(Operation::PutSecretValue).times(1));
    assert_eq!(request(1), Err(Lost::Connection));
    assert_eq!(account.value("a"), "value 0");
    let after = Fault::new(Failure::TimedOut).on_writes().of_secret("a").after_effect();
    account.simulator.inject(after.skip(1).times(1));
    request(1).unwrap().json().unwrap();
    assert_eq!(request(2), Err(Lost::TimedOut));
    assert_eq!(account.value("a"), "value 2");
    account.simulator.inject(Fault::new(Failure::Throttled).on_writes().times(1));
    assert_eq!(account.value("a"), "value 2", "reads are not concerned");
    assert_eq!(request(2).unwrap().json().unwrap_err().code, "ThrottlingException");
    // The retry under the same token does nothing more.
    request(2).unwrap().json().unwrap();
    assert_eq!(account.versions("a").len(), 3);
    let errors = [
        (Failure::InternalServiceError, "InternalServiceError", 500),
        (Failure::Throttled, "ThrottlingException", 400),
        (Failure::Refused(ServiceError::new("DecryptionFailure", "x")), "DecryptionFailure", 400),
    ];
    for (failure, code, status) in errors {
        account.simulator.inject(Fault::new(failure).on(Operation::GetSecretValue));
        let refused = account.refused("GetSecretValue", json!({ "SecretId": "a" }));
        assert_eq!((refused.code.as_ref(), refused.status), (code, status));
        account.simulator.clear_faults();
    }
    let chance = Fault::new(Failure::Throttled).on(Operation::ListSecrets).percent(30);
    account.simulator.inject(chance);
    let failed = (0..1000).filter(|_| account.call("ListSecrets", json!({})).is_err()).count();
    assert!((200..400).contains(&failed), "{failed} of 1000");
}

type Calling = JoinHandle<Result<Response, Lost>>;

/// A put by one client, in a task of its own.
fn put(simulator: &Simulator, access_key: &str, number: usize, value: &str) -> Calling {
    let simulator = simulator.clone();
    let body = json!({ "SecretId": "a", "ClientRequestToken": token(number), "SecretString": value });
    let request = Request::new("PutSecretValue", &body).signed_by(access_key);
    tokio::spawn(async move { simulator.call(&request).await })
}

fn gated() -> (Account, Turnstile) {
    let turnstile = Turnstile::new();
    let account = Account::of(Settings::new().gate(Arc::new(turnstile.clone())));
    turnstile.open();
    account.create("a");
    turnstile.close();
    (account, turnstile)
}

/// Two clients put the same token: all six orders of their phases, each with one winner.
#[tokio::test]
async fn s3_a_gate_lets_a_test_choose_the_interleaving() {
    let orders = ["aabb", "abab", "abba", "baab", "baba", "bbaa"];
    for order in orders {
        let (account, turnstile) = gated();
        let (a, b) = (put(&account.simulator, "A", 1, "of a"), put(&account.simulator, "B", 1, "of b"));
        for client in order.chars() {
            turnstile.holds(1).await;
            let key = client.to_string().to_uppercase();
            let (call, phase) = loop {
                let waiting = turnstile.waiting();
                match waiting.into_iter().find(|(call, _)| call.access_key == key) {
                    Some(found) => break found,
                    None => tokio::task::yield_now().await,
                }
            };
            assert!(turnstile.release(call.number, phase, Verdict::Go));
        }
        let (a, b) = (a.await.unwrap().unwrap().json(), b.await.unwrap().unwrap().json());
        // Whoever is let through its first gate first has its effect first.
        assert_eq!((a.is_ok(), b.is_ok()), (order.starts_with('a'), order.starts_with('b')), "{order}");
        turnstile.open();
        assert_eq!(account.value("a"), if order.starts_with('a') { "of a" } else { "of b" });
    }
}

#[tokio::test]
async fn s3_a_gate_fails_calls_and_outlives_dropped_clients() {
    let (account, turnstile) = gated();
    let first = put(&account.simulator, "A", 1, "one");
    turnstile.holds(1).await;
    let (call, phase) = turnstile.waiting().remove(0);
    assert_eq!((call.operation, call.secret.as_deref(), phase), (Operation::PutSecretValue, Some("a"), Phase::Before));
    turnstile.release(call.number, phase, Verdict::Go);
    turnstile.holds(1).await;
    assert_eq!(turnstile.waiting()[0].1, Phase::After);
    // The client dies between effect and answer.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert!(turnstile.waiting().is_empty());
    let second = put(&account.simulator, "B", 2, "two");
    turnstile.holds(1).await;
    let (call, phase) = turnstile.waiting().remove(0);
    assert!(!turnstile.release(call.number, Phase::After, Verdict::Go));
    turnstile.release(call.number, phase, Verdict::Fail(Failure::ConnectionLost));
    assert_eq!(second.await.unwrap(), Err(Lost::Connection));
    turnstile.open();
    assert_eq!(account.value("a"), "one");
}

#[tokio::test]
async fn s3_a_gate_chooses_how_stale_a_read_is() {
    let turnstile = Turnstile::new();
    let switches = Switches { staleness: Staleness::Lagging, ..Switches::default() };
    let account = Account::of(Settings::new().switches(switches).gate(Arc::new(turnstile.clone())));
    turnstile.open();
    account.create("a");
    account.pass(Duration::from_secs(3600));
    account.put("a", 1).unwrap();
    account.put("a", 2).unwrap();
    turnstile.close();
    for (back, expected) in [(0, "value 2"), (1, "value 1"), (2, "value 0"), (9, "value 0")] {
        let simulator = account.simulator.clone();
        let reading =
            tokio::spawn(
                async move { simulator.call(&Request::new("GetSecretValue", &json!({ "SecretId": "a" }))).await },
            );
        turnstile.holds(1).await;
        let (call, phase) = turnstile.waiting().remove(0);
        turnstile.release(call.number, phase, Verdict::Stale(back));
        turnstile.holds(1).await;
        turnstile.release(call.number, Phase::After, Verdict::Go);
        assert_eq!(reading.await.unwrap().unwrap().json().unwrap()["SecretString"], expected);
    }
}

#[test]
fn s4_calls_are_counted_by_operation_and_secret() {
    let account = Account::new();
    account.create("a");
    account.put("a", 1).unwrap();
    account.value("a");
    account.value("a");
    account.code("GetSecretValue", json!({ "SecretId": "b" }));
    let counters = account.simulator.counters();
    assert_eq!((counters.of(Operation::GetSecretValue), counters.total()), (3, 5));
    assert_eq!(counters.of_secret("a", Operation::GetSecretValue), 2);
    assert_eq!(counters.of_secret("a", Operation::CreateSecret), 1);
    assert_eq!(counters.of_secret("b", Operation::PutSecretValue), 0);
    assert_eq!(counters.operations().map(|(_, count)| count).sum::<u64>(), 5);
    assert_eq!(counters.secrets().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn s4_refusals_are_counted_by_their_code() {
    let account = Account::new();
    account.create("a");
    for _ in 0..2 {
        account.code("GetSecretValue", json!({ "SecretId": "b" }));
    }
    account.simulator.inject(Fault::new(Failure::Throttled).times(1));
    account.code("GetSecretValue", json!({ "SecretId": "a" }));
    account.code("CancelRotateSecret", json!({ "SecretId": "a" }));
    let counters = account.simulator.counters();
    assert_eq!(counters.refused("ResourceNotFoundException"), 2);
    assert_eq!(counters.refused("ThrottlingException"), 1, "a planned one, too");
    assert_eq!(counters.refused("LimitExceededException"), 0);
    assert_eq!(counters.refusals().map(|(_, count)| count).sum::<u64>(), 4, "what is not simulated, too");
}

#[test]
fn s4_a_test_sees_what_no_client_can() {
    let account = Account::with(|switches| switches.staleness = Staleness::Stalest);
    account.create("a");
    account.put("a", 1).unwrap();
    account.put("a", 2).unwrap();
    let before = account.simulator.counters();
    let seen = account.simulator.secret("a").unwrap();
    assert_eq!(
        seen.versions.iter().map(|version| version.id.clone()).collect::<Vec<_>>(),
        [token(0), token(1), token(2)]
    );
    assert_eq!(seen.labelled("AWSCURRENT").unwrap().value, b"value 2");
    assert!(!format!("{seen:?}").contains("value 2"));
    assert_eq!(account.simulator.names(), ["a"]);
    assert_eq!(account.simulator.secret("b"), None);
    assert_eq!(account.simulator.counters(), before);
}

#[tokio::test]
async fn s3_clients_have_gates_of_their_own() {
    let account = Account::new();
    account.create("a");
    let turnstile = Turnstile::new();
    let held = put(&account.simulator.gated(Arc::new(turnstile.clone())), "A", 1, "held");
    turnstile.holds(1).await;
    account.put("a", 2).unwrap();
    turnstile.open();
    held.await.unwrap().unwrap().json().unwrap();
    assert_eq!(account.value("a"), "held");
    let gated = account.simulator.gated(Arc::new(Turnstile::new()));
    assert_eq!(gated.ungated().handle(&Request::new("ListSecrets", &json!({}))).unwrap().status, 200);
}
