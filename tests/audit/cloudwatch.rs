//! The trail in CloudWatch Logs: no token without its line, within the limits of the service, and in bounded time.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::audit::cloudwatch::CloudWatchLogs;
use tokenvault::audit::recorder::{Mode, Recorder};
use tokenvault::audit::sink::OpenSink;
use tokenvault::audit::verify::{Standing, Verification};
use tokenvault::error::ErrorKind;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;

use crate::logs::{Fault, Logs};
use crate::{context, every_call, kinds, recorder, token, vault, verified};

pub(crate) const GROUP: &str = "/tokenvault/test";
pub(crate) const STREAM: &str = "audit";
/// The time of the recorders' clock.
pub(crate) const NOW: i64 = 1_795_368_000_000;

pub(crate) fn service() -> Logs {
    Logs::with(GROUP, NOW)
}

pub(crate) fn trail(logs: &Logs) -> CloudWatchLogs {
    CloudWatchLogs::new(logs.client(), GROUP, Some(STREAM)).unwrap()
}

pub(crate) fn over(logs: &Logs, mode: Mode) -> Arc<Recorder> {
    recorder(Arc::new(trail(logs)), mode)
}

/// What the service holds, as a reader finds it.
pub(crate) async fn found(logs: &Logs) -> Vec<u8> {
    trail(logs).read(None, None).await.unwrap().into_iter().flat_map(|piece| [piece, b"\n".to_vec()].concat()).collect()
}

pub(crate) fn assert_all_intact(found: &Verification, chains: usize) {
    assert_eq!((found.chains.len(), found.count(Standing::Intact)), (chains, chains), "{found:?}");
    assert!(found.findings.is_empty(), "{found:?}");
}

#[tokio::test]
async fn every_call_is_there_before_it_is_answered_and_the_chain_comes_to_its_end() {
    let logs = service();
    let recorder = over(&logs, Mode::Required);
    let (_, audited) = vault(Arc::clone(&recorder));
    audited.save_token(&context(), &mut token("ada")).await.unwrap();
    assert_eq!(kinds(&logs.bytes()), ["begin", "intent", "call"]);
    assert_eq!(every_call(&audited, &context()).await, [true; 6]);
    assert_eq!(logs.state().groups[GROUP], [STREAM], "made where it was missing");
    recorder.finish().await;
    let bytes = found(&logs).await;
    assert_eq!(kinds(&bytes).last().unwrap(), "end");
    assert_all_intact(&verified(&bytes), 1);
    assert!(!String::from_utf8(bytes).unwrap().contains("canary"));
    // What comes after is another chain.
    audited.get_tokens(&context()).await.unwrap();
    recorder.finish().await;
    assert_all_intact(&verified(&found(&logs).await), 2);
}

#[tokio::test]
async fn a_recorder_that_is_dropped_ends_its_chain_where_the_runtime_goes_on() {
    let logs = service();
    let (_, audited) = vault(over(&logs, Mode::Required));
    audited.get_tokens(&context()).await.unwrap();
    drop(audited);
    while kinds(&logs.bytes()).last().unwrap() != "end" {
        tokio::task::yield_now().await;
    }
    assert_all_intact(&verified(&found(&logs).await), 1);
}

/// Refused for good, or again and again, or without an answer.
#[tokio::test(start_paused = true)]
async fn required_nothing_is_answered_and_nothing_changed_without_its_line() {
    for fault in [Fault::Throttled, Fault::Unavailable, Fault::Denied, Fault::Hang] {
        let logs = service();
        logs.state().always = Some(fault);
        let (plain, audited) = vault(over(&logs, Mode::Required));
        plain.save_token(&Context::new(), &mut token("ada")).await.unwrap();
        let began = tokio::time::Instant::now();
        assert_eq!(every_call(&audited, &context()).await, [false; 6], "{fault:?}");
        assert!(began.elapsed() <= Duration::from_secs(61), "{fault:?}: each within ten seconds");
        assert_eq!(plain.get_tokens(&Context::new()).await.unwrap().value.len(), 1, "{fault:?}");
        let error = audited.get_tokens(&context()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(!format!("{error:?}").contains("canary") || fault == Fault::Denied, "{error:?}");
        logs.let_go();
        assert_eq!(every_call(&audited, &context()).await, [true; 6], "{fault:?} is over");
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let logs = Logs::default();
    let (_, audited) = vault(over(&logs, Mode::Required));
    let error = format!("{:?}", audited.get_tokens(&context()).await.unwrap_err());
    assert!(error.contains(GROUP) && error.contains("no log group"), "{error}");
    let denied = service();
    denied.state().always = Some(Fault::Denied);
    let (_, audited) = vault(over(&denied, Mode::Required));
    let error = format!("{:?}", audited.get_tokens(&context()).await.unwrap_err());
    assert!(error.contains("logs:PutLogEvents"), "{error}");
    let nowhere = CloudWatchLogs::new(service().client(), GROUP, None).unwrap();
    assert_eq!(nowhere.open().unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// Whoever reads the trail is not told that the group is named wrongly.
#[tokio::test(start_paused = true)]
async fn what_a_proxy_answers_is_waited_for_and_is_no_refusal() {
    for status in [302, 403, 404, 407, 429] {
        let logs = service();
        let (_, audited) = vault(over(&logs, Mode::Required));
        logs.state().faults = [Fault::Proxy(status); 5].into();
        audited.get_tokens(&context()).await.unwrap();
        logs.state().always = Some(Fault::Proxy(status));
        let error = trail(&logs).read(None, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{status}: {error:?}");
        let told = format!("{error:?}");
        assert!(told.contains(&format!("HTTP {status}")) && !told.contains("canary"), "{told}");
        assert_eq!(told.contains("something else"), status != 429, "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_waited_for() {
    let logs = service();
    let recorder = over(&logs, Mode::Required);
    let (_, audited) = vault(Arc::clone(&recorder));
    for faults in [vec![Fault::Throttled; 5], vec![Fault::Unavailable, Fault::Throttled], vec![Fault::Hang]] {
        logs.state().faults = faults.into();
        audited.get_tokens(&context()).await.unwrap();
    }
    recorder.finish().await;
    assert_all_intact(&verified(&found(&logs).await), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_was_taken_twice_is_one_line() {
    let logs = service();
    let recorder = over(&logs, Mode::Required);
    let (_, audited) = vault(Arc::clone(&recorder));
    audited.get_tokens(&context()).await.unwrap();
    logs.state().faults = [Fault::AnswerLost].into();
    audited.get_tokens(&context()).await.unwrap();
    recorder.finish().await;
    assert_eq!(logs.state().events.len(), 5, "begin, call, call, the same again, end");
    let bytes = found(&logs).await;
    assert_eq!(kinds(&bytes), ["begin", "call", "call", "end"]);
    assert_all_intact(&verified(&bytes), 1);
}

#[tokio::test]
async fn a_stream_that_was_deleted_is_made_anew() {
    let logs = service();
    let (_, audited) = vault(over(&logs, Mode::Required));
    audited.get_tokens(&context()).await.unwrap();
    logs.state().groups.get_mut(GROUP).unwrap().clear();
    audited.get_tokens(&context()).await.unwrap();
    assert_eq!(logs.count("CreateLogStream"), 2);
}

/// The service drops them and answers 200.
#[tokio::test]
async fn lines_that_the_service_drops_were_not_taken() {
    let hour = 3_600_000;
    for (now, why) in [(NOW - 3 * hour, "two hours ahead"), (NOW + 15 * 24 * hour, "14 days past")] {
        let logs = Logs::with(GROUP, now);
        let (plain, audited) = vault(over(&logs, Mode::Required));
        let error = audited.save_token(&context(), &mut token("ada")).await.unwrap_err();
        assert!(format!("{error:?}").contains(why), "{error:?}");
        assert_eq!(plain.get_tokens(&Context::new()).await.unwrap().value.len(), 0);
    }
}

#[tokio::test]
async fn calls_that_wait_together_share_one_request() {
    let logs = service();
    let recorder = over(&logs, Mode::Required);
    let (_, audited) = vault(Arc::clone(&recorder));
    audited.save_token(&context(), &mut token("ada")).await.unwrap();
    logs.state().faults = [Fault::Hang].into();
    let audited = Arc::new(audited);
    let calls: Vec<_> = (0..500)
        .map(|_| {
            let audited = Arc::clone(&audited);
            tokio::spawn(async move { audited.get_tokens(&context()).await.unwrap().value.len() })
        })
        .collect();
    let before = logs.count("PutLogEvents");
    while logs.count("PutLogEvents") == before {
        tokio::task::yield_now().await;
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    logs.let_go();
    for call in calls {
        assert_eq!(call.await.unwrap(), 1);
    }
    assert!(logs.count("PutLogEvents") - before <= 3, "{} requests", logs.count("PutLogEvents") - before);
    recorder.finish().await;
    assert_all_intact(&verified(&found(&logs).await), 1);
}

/// What the lines of others come to is not decided by who has no patience.
#[tokio::test]
async fn a_call_that_is_broken_off_takes_no_line_of_others_along() {
    let logs = service();
    let recorder = over(&logs, Mode::Required);
    let (_, audited) = vault(Arc::clone(&recorder));
    let audited = Arc::new(audited);
    audited.save_token(&context(), &mut token("ada")).await.unwrap();
    let before = logs.count("PutLogEvents");
    logs.state().faults = [Fault::Hang].into();
    let start = || {
        let audited = Arc::clone(&audited);
        tokio::spawn(async move { audited.get_tokens(&context()).await.map(|found| found.value.len()) })
    };
    let (impatient, patient) = (start(), start());
    while logs.count("PutLogEvents") == before {
        tokio::task::yield_now().await;
    }
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    logs.let_go();
    assert_eq!(patient.await.unwrap().unwrap(), 1);
    recorder.finish().await;
    let bytes = found(&logs).await;
    assert_all_intact(&verified(&bytes), 1);
    let outcomes: Vec<_> = crate::lines(&bytes).into_iter().filter_map(|line| line.outcome).collect();
    // Its line was on its way, or there is one that says that nobody waited.
    assert!(outcomes.len() >= 3, "{outcomes:?}");
}

/// Each call is answered at once, whatever the service does, and what waits for it is bounded.
#[tokio::test(start_paused = true)]
async fn best_effort_waits_for_nothing_and_keeps_a_bounded_number_of_lines() {
    let logs = service();
    logs.state().always = Some(Fault::Hang);
    let recorder = over(&logs, Mode::BestEffort);
    let (_, audited) = vault(Arc::clone(&recorder));
    audited.get_tokens(&context()).await.unwrap();
    while logs.count("PutLogEvents") == 0 {
        tokio::task::yield_now().await;
    }
    let began = tokio::time::Instant::now();
    for _ in 1..60_000 {
        audited.get_tokens(&context()).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    let kept = 60_000 - recorder.lost();
    assert!((20_000..58_000).contains(&kept), "{kept} lines wait, {} are lost", recorder.lost());
    logs.let_go();
    recorder.finish().await;
    let bytes = found(&logs).await;
    assert_all_intact(&verified(&bytes), 1);
    let calls = kinds(&bytes).iter().filter(|kind| *kind == "call").count() as u64;
    assert_eq!(calls, kept, "what waited is there");
    let told = crate::lines(&bytes).iter().filter_map(|line| line.lost).sum::<u64>();
    assert_eq!(told, recorder.lost(), "and a line says how many are not");
}

#[tokio::test(start_paused = true)]
async fn best_effort_counts_what_the_service_did_not_take() {
    let logs = service();
    logs.state().always = Some(Fault::Denied);
    let recorder = over(&logs, Mode::BestEffort);
    let (_, audited) = vault(Arc::clone(&recorder));
    assert_eq!(every_call(&audited, &context()).await, [true; 6]);
    recorder.finish().await;
    assert_eq!(recorder.lost(), 6);
    logs.let_go();
    audited.get_tokens(&context()).await.unwrap();
    recorder.finish().await;
    let told = crate::lines(&found(&logs).await)[0].lost;
    assert_eq!(told, Some(6), "the next chain says how many");
}

/// Whoever opens a runtime for each call leaves no writer behind that others would wait for.
#[test]
fn a_runtime_that_ends_takes_no_later_call_along() {
    let logs = service();
    let recorder = over(&logs, Mode::Required);
    let (_, audited) = vault(Arc::clone(&recorder));
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    logs.state().faults = [Fault::Hang].into();
    let first = runtime();
    first.block_on(async {
        let cx = Context::new();
        tokio::time::timeout(Duration::from_secs(1), audited.get_tokens(&cx)).await.unwrap_err();
    });
    drop(first);
    runtime().block_on(async { audited.get_tokens(&context()).await.unwrap() });
    let bytes = logs.bytes();
    assert_eq!(kinds(&bytes), ["begin", "call"]);
}
