//! Waiting for others, and for each other.

use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{self, Waker};
use std::time::Duration;

use crate::backend::file::disk::{Disk, LockKind};
use crate::backend::file::tests::scene::{PATH, Process, Scene, block_on, token};
use crate::backend::file::tests::sim_world::{Step, Verdict};
use crate::error::{ErrorKind, Result};
use crate::operation::Context;
use crate::store::TokenStore;

#[test]
fn a_lock_that_is_held_for_too_long_is_busy_at_once_where_nobody_waits() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let process = scene.open(&world.process()).unwrap();
    let other = world.process().open(Path::new(PATH)).unwrap();
    assert!(other.try_lock(LockKind::Exclusive).unwrap());
    type Act<'a> = &'a dyn Fn(&Process) -> Result<()>;
    let acts: [Act<'_>; 4] =
        [&|process| process.save("a", "2"), &Process::clear, &|process| process.rotate().map(drop), &|process| {
            process.backup("/sim/backup.tv").map(drop)
        }];
    for act in acts {
        let error = act(&process).unwrap_err();
        assert!(error.kind() == ErrorKind::Busy && error.hint().is_some(), "{error:?}");
    }
    assert_eq!(process.contents().unwrap().len(), 1, "nobody has written, so reading needs no lock");
    assert_eq!(world.names(), ["vault.tv"]);
    other.unlock().unwrap();
    process.save("a", "3").unwrap();
}

#[test]
fn whoever_waits_in_line_does_not_wait_again_for_each_before_him() {
    const IN_LINE: usize = 12;
    let mut scene = Scene::new();
    scene.lock_wait = Duration::from_millis(40);
    let world = scene.world(&["a"]);
    let process = scene.open(&world.process()).unwrap();
    let other = world.process().open(Path::new(PATH)).unwrap();
    assert!(other.try_lock(LockKind::Exclusive).unwrap());
    let (tries, all_in_line) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(2)));
    let (counted, begin) = (Arc::clone(&tries), Arc::clone(&all_in_line));
    process.disk.on_each_call(move |_, step| {
        if step == Step::Lock && counted.fetch_add(1, Ordering::SeqCst) == 0 {
            begin.wait();
        }
        Verdict::Go
    });
    let cx = Context::new();
    let mut line: Vec<_> = (0..IN_LINE).map(|_| Box::pin(process.file.rotate_key(&cx))).collect();
    for waiting in &mut line {
        assert!(is_pending(waiting.as_mut()));
    }
    all_in_line.wait();
    for waiting in line {
        assert_eq!(block_on(waiting).unwrap_err().kind(), ErrorKind::Busy);
    }
    // The first waits for 40 ms: six pauses that double, seven of 5 ms. For the others that was long enough.
    let tries = tries.load(Ordering::SeqCst);
    assert!(tries <= 14 + IN_LINE, "{tries} tries");
}

#[test]
fn commits_that_wait_together_are_never_a_rewrite() {
    const IN_LINE: usize = 30;
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let process = scene.open(&world.process()).unwrap();
    process.save("a", "2").unwrap();
    let before = process.verify().unwrap();
    let (long, mut is_first, gate) = ("x".repeat(3000), true, Arc::new(Barrier::new(2)));
    let syncing = Arc::clone(&gate);
    process.disk.on_each_call(move |_, step| {
        // The first commit becomes durable when all others are in line.
        if step == Step::Sync && std::mem::take(&mut is_first) {
            syncing.wait();
            syncing.wait();
        }
        Verdict::Go
    });
    let cx = Context::new();
    let mut tokens: Vec<_> = (0..IN_LINE).map(|number| token(&number.to_string(), &long)).collect();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| process.save("first", &long));
        gate.wait();
        let mut line: Vec<_> = tokens.iter_mut().map(|token| process.vault.save_token(&cx, token)).collect();
        for waiting in &mut line {
            assert!(is_pending(waiting.as_mut()));
        }
        gate.wait();
        first.join().unwrap().unwrap();
        for waiting in line {
            block_on(waiting).unwrap();
        }
    });
    let after = process.verify().unwrap();
    assert_eq!((after.generation, after.records), (before.generation, IN_LINE + 2));
    assert!(after.frames < before.frames + 10, "and they share frames: {after:?}");
}

fn is_pending<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> bool {
    future.poll(&mut task::Context::from_waker(Waker::noop())).is_pending()
}
