//! A copy that does not take what was written.

use std::sync::Arc;

use tokenvault::backend::Backend;
use tokenvault::error::ErrorKind;
use tokenvault::operation::{Context, Source};
use tokenvault::record::Record;

use crate::going::now;
use crate::scene::{LONGEST, Scene, next_of, opened, record};
use crate::scripted::Fate;

/// What a copy does that fails: before or after the effect.
const FAILURES: [Fate; 4] = [
    Fate::Fails(ErrorKind::Io),
    Fate::Lost(ErrorKind::Io),
    Fate::Fails(ErrorKind::StorageFull),
    Fate::Lost(ErrorKind::Unavailable),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    Update,
    Delete,
    Clear,
}

const WRITES: [Write; 3] = [Write::Update, Write::Delete, Write::Clear];

struct Broken {
    scene: Scene,
    write: Write,
    alice: Arc<Record>,
    newer: Arc<Record>,
    is_done: bool,
    said: String,
}

/// A copy fails from its call `at` on, for `count` calls. `None` where there was no such call.
fn broken(write: Write, at: usize, count: usize, failure: Fate) -> Option<Broken> {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    let newer = next_of(&alice, "alice");
    scene.copy.calls();
    scene.copy.next(std::iter::repeat_n(Fate::Done, at).chain(std::iter::repeat_n(failure, count)));
    let done = match write {
        Write::Update => scene.write(Some(&alice), Some(&newer)),
        Write::Delete => scene.write(Some(&alice), None),
        Write::Clear => now(scene.fallback.clear(&Context::new())).map(drop),
    };
    let said = format!("{write:?}, from call {at} for {count}, {failure:?}: {done:?}");
    if let Err(error) = &done {
        assert_eq!(error.kind(), ErrorKind::Io, "{said}");
        assert!(error.hint().is_some_and(|hint| hint.contains("scripted")), "{said}");
    }
    let was_touched = scene.copy.calls().len() > at;
    was_touched.then_some(Broken { scene, write, alice, newer, is_done: done.is_ok(), said })
}

impl Broken {
    /// In this process, whatever became of the write; in another, if it was acknowledged.
    fn check_meanwhile(&self) {
        let Self { scene, said, .. } = self;
        scene.is_away();
        let another = self.is_done.then(|| {
            scene.copy.next([]);
            scene.another()
        });
        for scene in [Some(scene), another.as_ref()].into_iter().flatten() {
            match scene.read(self.alice.name) {
                Ok((version, source)) => {
                    assert_eq!((version, source), (Some(self.newer.version), Source::Fallback), "{said}");
                    assert_eq!(self.write, Write::Update, "{said}");
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{said}"),
            }
        }
    }

    /// Once it can be written again, it is a copy again.
    fn check_after(&self) {
        let Self { scene, said, .. } = self;
        scene.copy.next([]);
        scene.is_back();
        scene.time.advance(LONGEST);
        let bob = record("bob");
        scene.write(None, Some(&bob)).unwrap();
        scene.read(bob.name).unwrap();
        scene.is_away();
        assert_eq!(scene.read(bob.name).unwrap().1, Source::Fallback, "{said}");
        let expected = (self.write == Write::Update).then_some(self.newer.version);
        assert_eq!(scene.read(self.alice.name).ok().and_then(|answer| answer.0), expected, "{said}");
    }
}

#[test]
fn an_older_state_is_never_served_after_the_write_is_answered() {
    for write in WRITES {
        for failure in FAILURES {
            for count in [1, 2, 3, 100] {
                let mut at = 0;
                while let Some(broken) = broken(write, at, count, failure) {
                    broken.check_meanwhile();
                    broken.check_after();
                    at += 1;
                }
                let least = if write == Write::Clear { 1 } else { 3 };
                assert!(at >= least, "{write:?}: the copy is looked at and written, {at} calls");
            }
        }
    }
}

#[test]
fn what_could_not_even_be_emptied_is_said_at_each_write_and_no_read_is_refused() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    scene.copy.otherwise(Fate::Fails(ErrorKind::StorageFull));
    let mut held = alice;
    for _ in 0..3 {
        let newer = next_of(&held, "alice");
        assert_eq!(scene.write(Some(&held), Some(&newer)).unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(scene.read(held.name).unwrap(), (Some(newer.version), Source::Store), "the store has it");
        held = newer;
    }
}

#[test]
fn a_read_that_the_copy_does_not_take_is_answered_and_nothing_older_after_it() {
    let alice = record("alice");
    for failure in FAILURES {
        for (count, at) in [1, 100].into_iter().flat_map(|count| (0..8).map(move |at| (count, at))) {
            for how in 0..3 {
                let scene = Scene::with(&alice);
                let newer = next_of(&alice, "alice");
                scene.written_elsewhere(Some(&alice), Some(&newer));
                scene.copy.next(std::iter::repeat_n(Fate::Done, at).chain(std::iter::repeat_n(failure, count)));
                let shown = match how {
                    0 => scene.read(alice.name).map(|answer| (vec![answer.0.unwrap()], answer.1)),
                    1 => scene.find("alice"),
                    _ => scene.list(),
                };
                assert_eq!(shown.unwrap(), (vec![newer.version], Source::Store));
                scene.is_away();
                match scene.read(alice.name) {
                    Ok(answer) => assert_eq!(answer, (Some(newer.version), Source::Fallback), "{failure:?} at {at}"),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable),
                }
            }
        }
    }
}

#[test]
fn a_copy_that_cannot_be_written_is_taken_away_where_that_can_be_done() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let alice = record("alice");
    for can_remove in [true, false] {
        let scene = Scene::with(&alice);
        let removed = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&removed);
        let remove = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            if can_remove { Ok(()) } else { Err(std::io::ErrorKind::ReadOnlyFilesystem.into()) }
        };
        let fallback = opened(&scene.time, &scene.store, &scene.copy, "the store").unwrap();
        let fallback = Arc::new(Arc::into_inner(fallback).unwrap().with_last_resort(remove));
        scene.copy.otherwise(Fate::Fails(ErrorKind::StorageFull));
        let newer = next_of(&alice, "alice");
        let written = now(fallback.commit(&Context::new(), crate::scene::commit(Some(&alice), Some(&newer))));
        assert_eq!(written.is_ok(), can_remove);
        assert!(removed.load(Ordering::SeqCst) >= 1);
        scene.is_away();
        let context = crate::scene::reader();
        assert_eq!(now(fallback.read(&context, alice.name)).unwrap_err().kind(), ErrorKind::Unavailable);
    }
}
