//! Lines that are not taken while the calls go on: each is kept, or the trail says how many are missing.

use std::sync::Arc;

use tokenvault::audit::recorder::{Mode, Recorder};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokio::runtime::{Builder, Runtime};

use crate::scripted::{Act, Scripted};
use crate::{context, kinds, lines, recorder, token, vault, verified};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// How many lines the trail says are missing.
fn told(sink: &Scripted) -> u64 {
    lines(&sink.bytes()).iter().filter_map(|line| line.lost).sum()
}

/// Begins a write that does not end, under somebody's call.
async fn hang(sink: &Scripted, recorder: &Arc<Recorder>) {
    sink.set(Act::Hang);
    let (_, audited) = vault(Arc::clone(recorder));
    tokio::spawn(async move { audited.get_tokens(&context()).await.map(drop) });
    sink.arrived.notified().await;
    sink.set(Act::Take);
}

/// The service is slow, and more waits for it than may.
#[tokio::test]
async fn what_there_was_no_room_for_is_told() {
    let sink = Scripted::distant();
    let recorder = recorder(Arc::new(sink.clone()), Mode::BestEffort);
    hang(&sink, &recorder).await;
    let (_, audited) = vault(Arc::clone(&recorder));
    let long = "x".repeat(300);
    let cx = Context::new().with_principal(&*long).with_caller(&*long);
    for _ in 0..14_000 {
        audited.get_tokens(&cx).await.unwrap();
    }
    let lost = recorder.lost();
    assert!((1..8_000).contains(&lost), "{lost} lost");
    sink.release.notify_one();
    recorder.finish().await;
    let calls = kinds(&sink.bytes()).iter().filter(|kind| *kind == "call").count() as u64;
    assert_eq!((calls + lost, told(&sink)), (14_001, lost));
    audited.get_tokens(&cx).await.unwrap();
    recorder.finish().await;
    assert_eq!(told(&sink), lost, "no line says it again");
    let found = verified(&sink.bytes());
    assert_eq!((found.findings, found.chains.iter().map(|chain| chain.lost).sum::<u64>()), (Vec::new(), lost));
}

/// Lines come while a write is under way, and who finishes gets the sink before the task that would write them.
#[tokio::test]
async fn who_finishes_has_the_last_line() {
    let sink = Scripted::distant();
    let recorder = recorder(Arc::new(sink.clone()), Mode::BestEffort);
    hang(&sink, &recorder).await;
    let (_, audited) = vault(Arc::clone(&recorder));
    audited.get_tokens(&context()).await.unwrap();
    tokio::join!(recorder.finish(), async { sink.release.notify_one() });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(kinds(&sink.bytes()), ["begin", "call", "call", "end"]);
    assert_eq!(sink.told.lock().unwrap().writes, 3, "nothing is written that says nothing");
}

/// A runtime ends under a write: what it was about to write, and what waited behind it.
#[test]
fn what_was_broken_off_with_its_runtime_is_told() {
    let sink = Scripted::distant();
    let recorder = recorder(Arc::new(sink.clone()), Mode::BestEffort);
    let (_, audited) = vault(Arc::clone(&recorder));
    let first = runtime();
    first.block_on(async {
        hang(&sink, &recorder).await;
        for _ in 0..2 {
            audited.get_tokens(&context()).await.unwrap();
        }
    });
    drop(first);
    assert_eq!((recorder.lost(), kinds(&sink.bytes())), (3, Vec::new()));
    runtime().block_on(async {
        audited.get_tokens(&context()).await.unwrap();
        recorder.finish().await;
    });
    assert_eq!(kinds(&sink.bytes()), ["begin", "call", "end"]);
    assert_eq!(lines(&sink.bytes())[0].lost, Some(3));
}

/// The lines of a save under a lease go before those of every later call, also where their runtime has ended.
#[test]
fn what_is_kept_outlives_a_runtime() {
    for is_writing in [true, false] {
        let sink = Scripted::distant();
        let recorder = recorder(Arc::new(sink.clone()), Mode::Required);
        let (_, audited) = vault(Arc::clone(&recorder));
        let first = runtime();
        first.block_on(async {
            if is_writing {
                hang(&sink, &recorder).await;
            } else {
                sink.set(Act::Hang);
            }
            let (cx, mut given) = (context().under_lease(), token("ada"));
            // Its two lines wait, and then nobody waits for them.
            let saving = audited.save_token(&cx, &mut given);
            assert!(tokio::time::timeout(std::time::Duration::ZERO, saving).await.is_err());
        });
        drop(first);
        sink.set(Act::Take);
        runtime().block_on(async {
            audited.get_tokens(&context()).await.unwrap();
            recorder.finish().await;
        });
        let all = lines(&sink.bytes());
        let saves = all.iter().filter(|line| line.operation.as_deref() == Some("save_token"));
        let saves: Vec<&str> = saves.map(|line| line.kind.as_str()).collect();
        assert_eq!(saves[..2], ["intent", "call"], "writing: {is_writing}");
        assert!(!verified(&sink.bytes()).is_broken());
    }
}
