//! Replies as they are on the wire, and GetRandomPassword.

use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use secrets_manager_simulator::wire::Request;
use serde_json::{Value, json};

use crate::account::Account;

#[test]
fn r10_an_unsigned_request_is_refused() {
    let request = Request { authorization: None, ..Request::new("ListSecrets", &json!({})) };
    let reply = Simulator::new(Settings::new()).handle(&request).unwrap();
    assert_eq!(reply.json().unwrap_err().code, "MissingAuthenticationTokenException");
}

#[test]
fn r67_a_refusal_is_http_400_with_type_and_message() {
    let simulator = Simulator::new(Settings::new());
    let reply = simulator.handle(&Request::new("DescribeSecret", &json!({ "SecretId": "nothing" }))).unwrap();
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let expected = json!({
        "__type": "ResourceNotFoundException", "Message": "Secrets Manager can't find the specified secret."
    });
    assert_eq!((reply.status, body), (400, expected));
    for body in ["", "[]", "{", "\"x\""] {
        let request = Request { body: body.into(), ..Request::new("DescribeSecret", &json!({})) };
        let refused = simulator.handle(&request).unwrap().json().unwrap_err();
        let expected = if body.is_empty() { "ValidationException" } else { "SerializationException" };
        assert_eq!(refused.code, expected, "{body}");
    }
    let wrong = Request::new("DescribeSecret", &json!({ "SecretId": 5 }));
    assert_eq!(simulator.handle(&wrong).unwrap().json().unwrap_err().code, "SerializationException");
}

#[test]
fn r67_times_are_seconds_with_milliseconds() {
    let account = Account::new();
    account.pass(std::time::Duration::from_millis(7));
    account.create("a");
    let shown = account.ok("DescribeSecret", json!({ "SecretId": "a" }));
    assert_eq!(shown["CreatedDate"].to_string(), "1767268800.007");
}

#[test]
fn r70_a_reply_tells_the_services_time() {
    let account = Account::new();
    account.pass(std::time::Duration::from_millis(61_007));
    let reply = account.simulator.handle(&Request::new("ListSecrets", &json!({}))).unwrap();
    assert_eq!((reply.status, reply.date_header().as_str()), (200, "Thu, 01 Jan 2026 12:01:01 GMT"));
}

#[test]
fn r68_passwords_hold_what_is_asked_for() {
    let account = Account::new();
    let password = |body: Value| account.ok("GetRandomPassword", body)["RandomPassword"].as_str().unwrap().to_owned();
    let made = password(json!({}));
    assert_eq!(made.len(), 32);
    assert_ne!(made, password(json!({})));
    for has in [char::is_uppercase, char::is_lowercase, |letter: char| letter.is_ascii_digit()] {
        assert!(made.chars().any(has), "{made}");
    }
    let digits = json!({
        "PasswordLength": 4096, "ExcludePunctuation": true, "ExcludeUppercase": true, "ExcludeLowercase": true,
        "ExcludeCharacters": "0123",
    });
    let made = password(digits);
    assert_eq!(made.len(), 4096);
    assert!(made.chars().all(|letter| ('4'..='9').contains(&letter)));
    assert_eq!(account.code("GetRandomPassword", json!({ "PasswordLength": 4097 })), "ValidationException");
    assert_eq!(account.code("GetRandomPassword", json!({ "PasswordLength": 3 })), "InvalidParameterException");
    assert_eq!(password(json!({ "PasswordLength": 3, "RequireEachIncludedType": false })).len(), 3);
}
