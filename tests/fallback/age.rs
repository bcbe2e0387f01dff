//! How old the copy may be, and how it is kept from growing old.

use std::time::Duration;

use tokenvault::error::ErrorKind;
use tokenvault::operation::Source;

use crate::scene::{AWAY, LONGEST, SECOND, Scene, next_of, record};

const TICK: Duration = Duration::from_micros(1);

#[test]
fn a_copy_older_than_the_age_answers_nothing() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    scene.is_away();
    scene.time.advance(LONGEST);
    assert_eq!(scene.read(alice.name).unwrap().1, Source::Fallback);
    scene.time.advance(TICK);
    for _ in 0..2 {
        assert_eq!(scene.read(alice.name).unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(scene.find("alice").unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(scene.list().unwrap_err().kind(), ErrorKind::Unavailable);
    }
    // Nor in another process.
    assert_eq!(scene.another().read(alice.name).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn reads_and_writes_of_one_token_do_not_make_the_others_younger() {
    let (alice, bob) = (record("alice"), record("bob"));
    let scene = Scene::with(&alice);
    scene.write(None, Some(&bob)).unwrap();
    scene.time.advance(LONGEST);
    // The list that would complete the copy fails.
    scene.store.next([crate::scripted::Fate::Done, AWAY]);
    assert_eq!(scene.read(bob.name).unwrap().1, Source::Store);
    scene.write(Some(&bob), Some(&next_of(&bob, "bob"))).unwrap();
    scene.time.advance(TICK);
    scene.is_away();
    assert_eq!(scene.read(alice.name).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn the_age_is_counted_from_before_the_store_was_listed() {
    let alice = record("alice");
    let scene = Scene::new();
    scene.written_elsewhere(None, Some(&alice));
    scene.store.next([crate::scripted::Fate::Done, crate::scripted::Fate::Late(100 * SECOND)]);
    let context = crate::scene::reader();
    let read = tokenvault::backend::Backend::read(&*scene.fallback, &context, alice.name);
    let mut going = crate::going::Going::begun(read);
    scene.time.advance(100 * SECOND);
    assert!(going.step().is_some());
    scene.is_away();
    scene.time.advance(LONGEST - 100 * SECOND);
    assert_eq!(scene.read(alice.name).unwrap().1, Source::Fallback);
    scene.time.advance(TICK);
    assert_eq!(scene.read(alice.name).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn a_copy_from_the_future_answers_nothing() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    scene.is_away();
    scene.time.set_back(TICK);
    assert_eq!(scene.read(alice.name).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn the_store_is_listed_when_that_is_due_and_not_before() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    assert_eq!(scene.store.calls(), ["read", "list"]);
    let reads = |count: usize| (0..count).for_each(|_| _ = scene.read(alice.name).unwrap());
    reads(100);
    assert_eq!(scene.store.calls(), vec!["read"; 100]);
    scene.time.advance(Duration::from_mins(15) + TICK);
    reads(2);
    assert_eq!(scene.store.calls(), ["read", "list", "read"]);
    // Where that fails, it is not tried again at every read.
    scene.time.advance(Duration::from_mins(15) + TICK);
    scene.store.next([crate::scripted::Fate::Done, AWAY]);
    reads(50);
    assert_eq!(scene.store.calls().iter().filter(|call| **call == "list").count(), 1);
    scene.time.advance(Duration::from_secs(90));
    reads(50);
    assert_eq!(scene.store.calls().iter().filter(|call| **call == "list").count(), 1);
    // A caller's own list serves as well.
    scene.time.advance(Duration::from_mins(14));
    scene.list().unwrap();
    scene.store.calls();
    scene.time.advance(Duration::from_mins(14));
    reads(1);
    assert_eq!(scene.store.calls(), ["read"]);
}

#[test]
fn what_others_made_and_deleted_is_in_the_copy_once_it_is_completed() {
    let (alice, bob, carol) = (record("alice"), record("bob"), record("carol"));
    let scene = Scene::with(&alice);
    scene.write(None, Some(&carol)).unwrap();
    scene.written_elsewhere(Some(&alice), None);
    scene.written_elsewhere(None, Some(&bob));
    scene.time.advance(Duration::from_mins(15) + TICK);
    scene.read(carol.name).unwrap();
    scene.is_away();
    let mut expected = vec![bob.version, carol.version];
    expected.sort_unstable();
    assert_eq!(scene.list().unwrap(), (expected, Source::Fallback));
    assert_eq!(scene.read(alice.name).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn who_takes_no_answer_of_the_copy_pays_for_no_list() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    scene.time.advance(LONGEST);
    scene.store.calls();
    let context = tokenvault::operation::Context::new().under_lease();
    let read = tokenvault::backend::Backend::read(&*scene.fallback, &context, alice.name);
    crate::going::now(read).unwrap();
    assert_eq!(scene.store.calls(), ["read"]);
    scene.read(alice.name).unwrap();
    assert_eq!(scene.store.calls(), ["read", "list"]);
}
