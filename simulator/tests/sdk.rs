//! The AWS SDK's own client over the simulator, without a socket.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use aws_sdk_secretsmanager::operation::RequestId;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;

fn client(simulator: &Simulator, access_key: &str) -> Client {
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(access_key, "secret", None, None, "test"))
        .http_client(simulator.http_client())
        .sleep_impl(simulator.sleep_impl())
        .time_source(simulator.time_source());
    Client::from_conf(config.build())
}

#[tokio::test]
async fn s6_values_are_stored_and_read_back() {
    let simulator = Simulator::new(Settings::new());
    let client = client(&simulator, "AKIDALICE");
    let made = client.create_secret().name("a/b").secret_string("first").send().await.unwrap();
    assert!(made.request_id().is_some());
    client.put_secret_value().secret_id("a/b").secret_string("second").send().await.unwrap();
    let read = client.get_secret_value().secret_id(made.arn().unwrap()).send().await.unwrap();
    assert_eq!(read.secret_string(), Some("second"));
    let before = client.get_secret_value().secret_id("a/b").version_id(made.version_id().unwrap());
    assert_eq!(before.send().await.unwrap().version_stages(), ["AWSPREVIOUS"]);
    assert_eq!(simulator.counters().of(Operation::GetSecretValue), 2);
}

#[tokio::test]
async fn s6_refusals_have_code_and_text() {
    let simulator = Simulator::new(Settings::new());
    let refused = client(&simulator, "AKIDALICE").get_secret_value().secret_id("nothing").send().await.unwrap_err();
    let refused = refused.into_service_error();
    assert!(refused.is_resource_not_found_exception());
    assert_eq!(refused.message(), Some("Secrets Manager can't find the specified secret."));
}

#[tokio::test]
async fn s6_the_sdk_retries_by_the_virtual_clock() {
    let simulator = Simulator::new(Settings::new());
    let client = client(&simulator, "AKIDALICE");
    let before = simulator.clock().now();
    simulator.inject(Fault::new(Failure::ConnectionLost).on(Operation::CreateSecret).after_effect().times(1));
    simulator.inject(Fault::new(Failure::Throttled).on(Operation::CreateSecret).times(1));
    client.create_secret().name("a").secret_string("x").send().await.unwrap();
    assert_eq!(simulator.counters().of(Operation::CreateSecret), 3);
    assert!(simulator.clock().now() > before, "the waits between the attempts passed");
    // The SDK repeats its token: the lost attempt and its repetition are one version.
    assert_eq!(simulator.secret("a").unwrap().versions.len(), 1);
}

#[tokio::test]
async fn s6_time_outs_and_lost_connections_reach_the_caller() {
    let simulator = Simulator::new(Settings::new());
    let client = client(&simulator, "AKIDALICE");
    simulator.inject(Fault::new(Failure::TimedOut));
    let error = client.list_secrets().send().await.unwrap_err();
    assert!(error.to_string().contains("dispatch failure") || error.to_string().contains("timed out"), "{error}");
    assert_eq!(simulator.counters().total(), 3, "three attempts");
}
