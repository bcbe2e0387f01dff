//! Where a line is not taken: required, and nothing leaves; best effort, and it is counted.

use std::sync::Arc;

use tokenvault::audit::recorder::Mode;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::scripted::{Act, Scripted};
use crate::{context, every_call, kinds, lines, recorder, token, vault, verified};

const FAILURES: [Act; 4] = [Act::Full, Act::Gone, Act::Short(17), Act::Short(0)];

/// A sink that cannot be opened, or takes nothing.
fn broken() -> Vec<Scripted> {
    let unopened = Scripted::default();
    unopened.told.lock().unwrap().cannot_open = true;
    FAILURES.into_iter().map(Scripted::always).chain([unopened]).collect()
}

#[tokio::test]
async fn required_nothing_is_answered_and_nothing_changed_without_its_line() {
    for sink in broken() {
        let (plain, audited) = vault(recorder(Arc::new(sink), Mode::Required));
        let mut there = token("ada");
        plain.save_token(&Context::new(), &mut there).await.unwrap();
        let before = plain.get_tokens(&Context::new()).await.unwrap().value;
        assert_eq!(every_call(&audited, &context()).await, [false; 6]);
        let after = plain.get_tokens(&Context::new()).await.unwrap().value;
        assert_eq!(after.len(), 1, "neither saved twice nor deleted");
        assert_eq!(after[0].get(Field::AccessToken), before[0].get(Field::AccessToken));
    }
}

#[tokio::test]
async fn required_a_token_that_is_withheld_is_not_left_in_the_callers_hands() {
    let (plain, audited) = vault(recorder(Arc::new(Scripted::always(Act::Full)), Mode::Required));
    plain.save_token(&Context::new(), &mut token("ada")).await.unwrap();
    let mut wanted = OAuthToken::new().with(Field::UserName, "ada");
    let error = audited.find_token(&context(), &mut wanted).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("there is no answer") && error.hint().is_some(), "{error}");
    assert_eq!((wanted.id(), wanted.get(Field::AccessToken)), (None, None));
}

/// The intent is taken, the change is made, and then there is no room for the line that says so.
#[tokio::test]
async fn required_a_change_that_was_made_says_so_where_its_line_is_refused() {
    for failure in FAILURES {
        // A sink that is gone is tried once more.
        let sink = Scripted::then(&[Act::Take, failure.clone(), failure.clone()]);
        let (plain, audited) = vault(recorder(Arc::new(sink.clone()), Mode::Required));
        let mut given = token("ada");
        let error = audited.save_token(&context(), &mut given).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{failure:?}");
        assert!(error.message().starts_with("this was done, but"), "{error}");
        assert_eq!(given.id(), None, "it is as it was given");
        assert_eq!(plain.get_tokens(&Context::new()).await.unwrap().value.len(), 1, "it was done");
        let taken: Vec<u8> = sink.bytes().split_inclusive(|byte| *byte == b'\n').take(2).flatten().copied().collect();
        assert_eq!(kinds(&taken), ["begin", "intent"]);
    }
}

#[tokio::test]
async fn best_effort_goes_on_and_counts() {
    for sink in broken() {
        let recorder = recorder(Arc::new(sink.clone()), Mode::BestEffort);
        let (_, audited) = vault(Arc::clone(&recorder));
        assert_eq!(every_call(&audited, &context()).await, [true; 6]);
        assert_eq!(recorder.lost(), 6);
        sink.set(Act::Take);
        sink.told.lock().unwrap().cannot_open = false;
        audited.get_tokens(&context()).await.unwrap();
        drop(audited);
        drop(recorder);
        let bytes = sink.bytes();
        let whole = bytes.split(|byte| *byte == b'\n').rev().take(4).collect::<Vec<_>>();
        let told = lines(&whole.into_iter().rev().collect::<Vec<_>>().join(&b'\n'));
        assert_eq!((told[0].kind.as_str(), told[0].lost), ("begin", Some(6)));
        assert!(!verified(&bytes).is_broken(), "{:?}", verified(&bytes).findings);
    }
}

/// Until the sink has taken the line, there is no answer; and a token that was found is not in the caller's hands either.
#[tokio::test]
async fn required_a_slow_sink_is_waited_for() {
    let sink = Scripted::always(Act::Hang);
    let (plain, audited) = vault(recorder(Arc::new(sink.clone()), Mode::Required));
    plain.save_token(&Context::new(), &mut token("ada")).await.unwrap();
    let audited = Arc::new(audited);
    let asking = tokio::spawn({
        let audited = Arc::clone(&audited);
        async move {
            let mut wanted = OAuthToken::new().with(Field::UserName, "ada");
            audited.find_token(&context(), &mut wanted).await.map(|_| wanted)
        }
    });
    sink.arrived.notified().await;
    assert!(!asking.is_finished() && sink.bytes().is_empty());
    sink.release.notify_one();
    let found = asking.await.unwrap().unwrap();
    assert!(found.get(Field::AccessToken).is_some());
    assert_eq!(kinds(&sink.bytes()), ["begin", "call"]);
}

/// While one write is under way, others wait; then one write takes the lines of all of them.
#[tokio::test]
async fn calls_that_wait_together_share_a_write() {
    let sink = Scripted::then(&[Act::Hang]);
    let (_, audited) = vault(recorder(Arc::new(sink.clone()), Mode::Required));
    let audited = Arc::new(audited);
    let ask = || {
        let audited = Arc::clone(&audited);
        tokio::spawn(async move { audited.get_tokens(&context()).await.map(drop) })
    };
    let first = ask();
    sink.arrived.notified().await;
    let others: Vec<_> = std::iter::repeat_with(ask).take(20).collect();
    // They run until they wait: on one thread, each gets its turn before this task goes on.
    tokio::task::yield_now().await;
    sink.release.notify_one();
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(sink.told.lock().unwrap().writes, 2);
    drop(audited);
    assert_eq!(kinds(&sink.bytes()).iter().filter(|kind| *kind == "call").count(), 21);
    assert_eq!(verified(&sink.bytes()).findings, []);
}

/// All that waited for a write that failed are told so.
#[tokio::test]
async fn a_write_that_fails_fails_for_all_that_share_it() {
    let sink = Scripted::then(&[Act::Hang, Act::Full]);
    let (_, audited) = vault(recorder(Arc::new(sink.clone()), Mode::Required));
    let audited = Arc::new(audited);
    let ask = || {
        let audited = Arc::clone(&audited);
        tokio::spawn(async move { audited.get_tokens(&context()).await.is_ok() })
    };
    let first = ask();
    sink.arrived.notified().await;
    let others: Vec<_> = std::iter::repeat_with(ask).take(5).collect();
    tokio::task::yield_now().await;
    sink.release.notify_one();
    assert!(first.await.unwrap());
    for other in others {
        assert!(!other.await.unwrap());
    }
    audited.get_tokens(&context()).await.unwrap();
    drop(audited);
    let found = verified(&sink.bytes());
    assert!(!found.is_broken() && found.chains.len() == 2, "after a failure another chain begins: {found:?}");
    assert_eq!(lines(&sink.bytes()).iter().filter_map(|line| line.lost).sum::<u64>(), 5);
}

/// The caller of a save gives up while its intent is under way, or while the save itself is.
#[tokio::test]
async fn a_call_that_nobody_waits_for_leaves_a_line() {
    use std::future::Future;
    use std::task::{Context as Poll, Waker};

    let sink = Scripted::default();
    let recorder = recorder(Arc::new(sink.clone()), Mode::Required);
    let cx = context();
    let mut asking = Box::pin(recorder.record(
        (&cx, tokenvault::operation::Operation::RotateKey, tokenvault::audit::facts::Subject::All),
        async |_| std::future::pending::<tokenvault::error::Result<()>>().await,
        tokenvault::audit::facts::facts_of,
    ));
    assert!(asking.as_mut().poll(&mut Poll::from_waker(Waker::noop())).is_pending());
    drop(asking);
    let told = lines(&sink.bytes());
    let shown: Vec<_> = told.iter().map(|line| (line.kind.as_str(), line.outcome.as_deref())).collect();
    assert_eq!(shown, [("begin", None), ("intent", None), ("call", Some("unknown"))]);
    assert!(told[1].change.is_some() && told[1].change == told[2].change);
}

#[tokio::test]
async fn a_sink_that_went_away_is_opened_again_within_the_call() {
    let sink = Scripted::then(&[Act::Take, Act::Gone, Act::Take]);
    let (_, audited) = vault(recorder(Arc::new(sink.clone()), Mode::Required));
    audited.get_tokens(&context()).await.unwrap();
    audited.get_tokens(&context()).await.unwrap();
    assert_eq!(sink.told.lock().unwrap().opened, 2);
    assert_eq!(kinds(&sink.bytes()), ["begin", "call", "begin", "call"]);
    assert!(lines(&sink.bytes())[2].before.is_some(), "the new chain names the last line of the old one");
}

/// Requests to a service are named, however many there were and however the call ended.
#[tokio::test]
async fn the_requests_of_a_call_that_failed_are_named_too() {
    use tokenvault::audit::facts::{Subject, facts_of};
    use tokenvault::error::Error;
    use tokenvault::operation::Operation;

    let sink = Scripted::default();
    let recorder = recorder(Arc::new(sink.clone()), Mode::Required);
    let cx = context();
    let work = async |cx: &Context| {
        (0..70).for_each(|number| cx.requests().unwrap().add(&format!("request {number}")));
        Err::<(), _>(Error::new(ErrorKind::Busy, "not now"))
    };
    recorder.record((&cx, Operation::Verify, Subject::All), work, facts_of).await.unwrap_err();
    let told = lines(&sink.bytes());
    let counts: Vec<_> = told.iter().map(|line| (line.kind.as_str(), line.requests.len())).collect();
    assert_eq!(counts, [("begin", 0), ("requests", 32), ("requests", 6), ("call", 32)]);
    let mut named: Vec<_> = told.iter().flat_map(|line| line.requests.clone()).collect();
    named.sort();
    named.dedup();
    assert_eq!(named.len(), 70);
    assert_eq!((told[3].outcome.as_deref(), told[3].error.as_deref()), (Some("failed"), Some("busy")));
}
