//! The trail in CloudWatch Logs as it is read: all pages of it, from many processes, each chain in its order.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::audit::cloudwatch::CloudWatchLogs;
use tokenvault::audit::recorder::{Mode, Recorder};
use tokenvault::audit::sink::OpenSink;
use tokenvault::clock::Timestamp;
use tokenvault::error::ErrorKind;
use tokenvault::store::TokenStore;

use crate::cloudwatch::{GROUP, NOW, STREAM, assert_all_intact, found, over, service, trail};
use crate::logs::Fault;
use crate::{clock, context, every_call, keys, options, token, vault, verified};

/// Two and a half thousand lines of 4 KB, and twelve thousand short ones.
#[tokio::test]
async fn what_is_more_than_one_request_may_hold_goes_in_several() {
    for (count, length) in [(2500, 4000), (12_000, 70)] {
        let logs = service();
        let start = r#"{"v":1,"time":"2026-11-22T17:20:00.000Z","kind":"call","x":""#;
        let line = format!("{start}{}\"}}\n", "x".repeat(length - start.len() - 3));
        trail(&logs).open().unwrap().write(line.repeat(count).as_bytes(), Timestamp::default()).await.unwrap();
        assert_eq!(logs.state().events.len(), count);
        assert!(logs.count("PutLogEvents") > 2);
    }
}

#[tokio::test]
async fn several_processes_share_a_stream() {
    let logs = service();
    let running: Vec<_> = (0..8)
        .map(|_| {
            let recorder = Arc::new(Recorder::new(Arc::new(trail(&logs)), keys(), options(Mode::Required, clock())));
            tokio::spawn(async move {
                let (_, audited) = vault(Arc::clone(&recorder));
                for _ in 0..20 {
                    assert_eq!(every_call(&audited, &context()).await, [true; 6]);
                }
                recorder.finish().await;
            })
        })
        .collect();
    for process in running {
        process.await.unwrap();
    }
    // The service promises no order among events of one millisecond.
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::Rng::with_seed(seed).shuffle(&mut logs.state().events);
    assert_all_intact(&verified(&found(&logs).await), 8);
    assert_eq!(logs.state().groups[GROUP], [STREAM], "one of them has made it");
}

#[tokio::test]
async fn all_pages_are_read_and_only_the_time_that_is_asked_for() {
    let logs = service();
    let recorder = over(&logs, Mode::Required);
    let (_, audited) = vault(Arc::clone(&recorder));
    for _ in 0..10 {
        audited.get_tokens(&context()).await.unwrap();
    }
    recorder.finish().await;
    let whole = found(&logs).await;
    logs.state().page = Some(3);
    assert_eq!(found(&logs).await, whole);
    // What another program has written to the group, and what its stream's platform has put before a line.
    let mut shipped = logs.state().events[0].clone();
    shipped.stream = "other".to_owned();
    let strange = crate::logs::Event { message: "START RequestId: 1".to_owned(), ..shipped.clone() };
    logs.state().events.push(strange);
    assert_eq!(found(&logs).await, whole);
    let all = CloudWatchLogs::new(logs.client(), GROUP, None).unwrap();
    shipped.message = format!("2026-11-22T17:20:00.000Z INFO {}", shipped.message);
    logs.state().events.push(shipped);
    assert_eq!(all.read(None, None).await.unwrap().len(), 12, "the shipped line is one that is there");

    let hour = 3_600_000;
    let at = |millis: i64| Some(Timestamp::from_millis(u64::try_from(millis).unwrap()));
    assert_eq!(trail(&logs).read(at(NOW + 1), None).await.unwrap().len(), 0);
    assert_eq!(trail(&logs).read(at(NOW), at(NOW + 1)).await.unwrap().len(), 12);
    assert_eq!(trail(&logs).read(None, at(NOW - 2 * hour)).await.unwrap().len(), 0);
    let error = CloudWatchLogs::new(logs.client(), "/other", None).unwrap().read(None, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("/other"), "{error}");
}

/// The service took nothing for hours, and a save under a lease went on meanwhile.
#[tokio::test]
async fn what_was_kept_for_hours_is_found_at_its_own_time() {
    let (logs, clock) = (service(), clock());
    let recorder =
        Arc::new(Recorder::new(Arc::new(trail(&logs)), keys(), options(Mode::Required, Arc::clone(&clock) as _)));
    let (_, audited) = vault(Arc::clone(&recorder));
    logs.state().always = Some(Fault::Denied);
    audited.save_token(&context().under_lease(), &mut token("ada")).await.unwrap();
    logs.let_go();
    clock.advance(Duration::from_mins(150));
    logs.state().now = NOW + 150 * 60_000;
    audited.get_tokens(&context()).await.unwrap();
    recorder.finish().await;
    let until = Timestamp::from_millis(u64::try_from(NOW + 1).unwrap());
    let early = trail(&logs).read(None, Some(until)).await.unwrap();
    let early = String::from_utf8(early.concat()).unwrap();
    assert!(early.contains(r#""kind":"call","operation":"save_token""#), "{early}");
    assert_all_intact(&verified(&found(&logs).await), 1);
}
