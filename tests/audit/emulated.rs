//! The trail in the CloudWatch Logs of emulators: what stands in for it here is of our own making.

use std::sync::Arc;

use aws_sdk_cloudwatchlogs::config::retry::RetryConfig;
use aws_sdk_cloudwatchlogs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatchlogs::{Client, Config};
use tokenvault::audit::cloudwatch::CloudWatchLogs;
use tokenvault::audit::recorder::{Mode, Recorder, RecorderOptions};
use tokenvault::audit::verify::Standing;
use tokenvault::error::ErrorKind;
use tokenvault::store::TokenStore;

use crate::emulator::{ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY};
use crate::{context, every_call, keys, kinds, vault, verified};

fn client(endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "tests"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

async fn is_written_read_and_whole(endpoint: String) {
    let (client, group) = (client(&endpoint), format!("/tokenvault/test-{:016x}", fastrand::u64(..)));
    let trail = || CloudWatchLogs::new(client.clone(), &group, Some("audit")).unwrap();
    // By the system's clock: the service refuses what is long past.
    let recorder = || Arc::new(Recorder::new(Arc::new(trail()), keys(), RecorderOptions::default()));
    assert_eq!(recorder().mode(), Mode::Required);
    let (_, without_group) = vault(recorder());
    let error = without_group.get_tokens(&context()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && format!("{error:?}").contains(&group), "{error:?}");

    client.create_log_group().log_group_name(&group).send().await.unwrap();
    for _ in 0..2 {
        let recorder = recorder();
        let (_, audited) = vault(Arc::clone(&recorder));
        for _ in 0..10 {
            assert_eq!(every_call(&audited, &context()).await, [true; 6]);
        }
        recorder.finish().await;
    }
    let pieces = trail().read(None, None).await.unwrap();
    let bytes: Vec<u8> = pieces.into_iter().flat_map(|piece| [piece, b"\n".to_vec()].concat()).collect();
    let found = verified(&bytes);
    assert_eq!((found.chains.len(), found.count(Standing::Intact)), (2, 2), "{found:?}");
    assert_eq!(kinds(&bytes).iter().filter(|kind| *kind == "call").count(), 120);
}

mod localstack {
    #[tokio::test]
    async fn a_trail_is_written_read_and_whole() {
        super::is_written_read_and_whole(crate::emulator::localstack::endpoint()).await;
    }
}

mod moto {
    #[tokio::test]
    async fn a_trail_is_written_read_and_whole() {
        super::is_written_read_and_whole(crate::emulator::moto::endpoint()).await;
    }
}
