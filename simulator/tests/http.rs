//! The same service over HTTP, as other processes meet it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use secrets_manager_simulator::http::server::Server;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server that ends with its test.
async fn server() -> (Simulator, SocketAddr) {
    let simulator = Simulator::new(Settings::new());
    let server = Server::bind(simulator.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    tokio::spawn(server.run(std::future::pending()));
    (simulator, address)
}

/// One request on a connection of its own; none where it broke without an answer.
async fn send(address: SocketAddr, line: &str, headers: &str, body: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    stream.write_all((head + body).as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.ok()?;
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().unwrap();
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}

async fn exchange(address: SocketAddr, line: &str, body: &str) -> Option<(u16, Value)> {
    send(address, line, "", body).await
}

async fn call(address: SocketAddr, operation: &str, body: Value) -> Option<(u16, Value)> {
    let scope = "AKIDA/20260101/us-east-1/secretsmanager/aws4_request";
    let headers =
        format!("x-amz-target: secretsmanager.{operation}\r\nauthorization: AWS4-HMAC-SHA256 Credential={scope}\r\n");
    send(address, "POST /", &headers, &body.to_string()).await
}

const TOKEN: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn s5_the_service_answers_over_http() {
    let (_, address) = server().await;
    let made = json!({ "Name": "a", "ClientRequestToken": TOKEN, "SecretString": "x" });
    assert_eq!(call(address, "CreateSecret", made).await.unwrap().0, 200);
    let read = call(address, "GetSecretValue", json!({ "SecretId": "a" })).await.unwrap();
    assert_eq!((read.0, read.1["SecretString"].as_str()), (200, Some("x")));
    let refused = call(address, "GetSecretValue", json!({ "SecretId": "b" })).await.unwrap();
    assert_eq!((refused.0, refused.1["__type"].as_str()), (400, Some("ResourceNotFoundException")));
    assert_eq!(exchange(address, "GET /", "").await.unwrap().0, 405);
    assert_eq!(exchange(address, "POST /", "{}").await.unwrap().1["__type"], "UnknownOperationException");
}

#[tokio::test]
async fn s5_tests_steer_it_below_their_own_path() {
    let (simulator, address) = server().await;
    let made = json!({ "Name": "a", "ClientRequestToken": TOKEN, "SecretString": "x" });
    call(address, "CreateSecret", made).await.unwrap();
    let before = exchange(address, "GET /_simulator/clock", "").await.unwrap().1;
    let after = exchange(address, "POST /_simulator/clock/advance", r#"{ "seconds": 300.5 }"#).await.unwrap().1;
    let passed = after["milliseconds"].as_u64().unwrap() - before["milliseconds"].as_u64().unwrap();
    assert_eq!(passed, 300_500);
    let trail = exchange(address, "GET /_simulator/trail", "").await.unwrap().1;
    assert_eq!(trail.as_array().unwrap().len(), 2);
    let counters = exchange(address, "GET /_simulator/counters", "").await.unwrap().1;
    let secrets = json!({ "a": { "CreateSecret": 1 } });
    let expected = json!({ "operations": { "CreateSecret": 1 }, "secrets": secrets, "refusals": {} });
    assert_eq!(counters, expected);
    let set = exchange(address, "POST /_simulator/switches", r#"{ "version-limit": 3 }"#).await.unwrap();
    assert_eq!((set.0, simulator.switches().version_limit, simulator.switches().label_limit), (200, 3, 20));
    let wrong = exchange(address, "POST /_simulator/switches", r#"{ "no-such-switch": 3 }"#).await.unwrap();
    assert!(wrong.0 == 400 && wrong.1["error"].as_str().unwrap().contains("no-such-switch"));
    assert_eq!(exchange(address, "GET /_simulator/nothing", "").await.unwrap().0, 404);
}

#[tokio::test]
async fn s5_faults_keys_and_principals_can_be_ordered() {
    let (simulator, address) = server().await;
    let fault = r#"{ "failure": "connection-lost", "operation": "CreateSecret", "after-effect": true, "times": 1 }"#;
    assert_eq!(exchange(address, "POST /_simulator/faults", fault).await.unwrap().0, 200);
    let key = r#"{ "id": "key-1", "state": "disabled" }"#;
    assert_eq!(exchange(address, "POST /_simulator/keys", key).await.unwrap().0, 200);
    let made = json!({ "Name": "a", "ClientRequestToken": TOKEN, "SecretString": "x" });
    assert_eq!(call(address, "CreateSecret", made.clone()).await, None, "the connection breaks");
    assert_eq!(call(address, "CreateSecret", made).await.unwrap().0, 200, "and the secret is there");
    let put = |key: &str| json!({ "Name": "b", "ClientRequestToken": TOKEN, "SecretString": "x", "KmsKeyId": key });
    let refused = call(address, "CreateSecret", put("key-1")).await.unwrap();
    assert_eq!(refused.1["__type"], "EncryptionFailure");
    let principal = json!({
        "access-key": "AKIDA", "arn": "arn:aws:iam::123456789012:user/a",
        "policies": [{ "Statement": [{ "Effect": "Allow", "Action": "secretsmanager:Get*", "Resource": "*" }] }],
    });
    assert_eq!(exchange(address, "POST /_simulator/principals", &principal.to_string()).await.unwrap().0, 200);
    assert_eq!(call(address, "GetSecretValue", json!({ "SecretId": "a" })).await.unwrap().0, 200);
    let denied = call(address, "DeleteSecret", json!({ "SecretId": "a" })).await.unwrap();
    assert_eq!(denied.1["__type"], "AccessDeniedException");
    assert_eq!(simulator.counters().total(), 5);
}

#[tokio::test]
async fn s5_only_loopback_is_listened_on() {
    let refused = Server::bind(Simulator::new(Settings::new()), "0.0.0.0:0".parse().unwrap()).await.unwrap_err();
    assert!(refused.to_string().contains("loopback"));
}
