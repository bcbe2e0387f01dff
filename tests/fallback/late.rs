//! Answers of the store that come after something else was written: they must not go over it in the copy.

use tokenvault::backend::Backend;
use tokenvault::error::ErrorKind;
use tokenvault::operation::{Context, Source};

use crate::going::{Going, now};
use crate::scene::{LONGEST, SECOND, Scene, key, next_of, reader, record};
use crate::scripted::Fate;

const LATE: Fate = Fate::Late(SECOND);

#[test]
fn a_late_read_undoes_no_write() {
    for by_another in [false, true] {
        let (alice, bob) = (record("alice"), record("bob"));
        let scene = Scene::with(&alice);
        let other = scene.another();
        let writer = if by_another { &other } else { &scene };
        // Bob's is one that the copy does not have.
        scene.written_elsewhere(None, Some(&bob));
        scene.store.next([LATE, LATE, LATE]);
        let context = reader();
        let keys = [key("bob")];
        let mut reads = [
            Going::begun(scene.fallback.read(&context, alice.name)),
            Going::begun(scene.fallback.read(&context, bob.name)),
        ];
        let mut find = Going::begun(scene.fallback.resolve(&context, &keys));
        let newer = next_of(&alice, "alice");
        writer.write(Some(&alice), Some(&newer)).unwrap();
        writer.write(Some(&bob), None).unwrap();
        scene.time.advance(SECOND);
        assert!(reads.iter_mut().all(|read| read.step().unwrap().unwrap().value.is_some()), "as it was");
        assert_eq!(find.step().unwrap().unwrap().value.records.len(), 1, "as it was");
        scene.is_away();
        assert_eq!(scene.read(alice.name).unwrap(), (Some(newer.version), Source::Fallback));
        assert_eq!(scene.read(bob.name).unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(scene.find("bob").unwrap_err().kind(), ErrorKind::Unavailable);
    }
}

#[test]
fn a_late_list_undoes_no_write() {
    let [alice, bob, carol, dora] = ["alice", "bob", "carol", "dora"].map(record);
    let scene = Scene::with(&alice);
    for known in [&bob, &carol] {
        scene.write(None, Some(known)).unwrap();
    }
    // Dora's is one that the copy does not have.
    scene.written_elsewhere(None, Some(&dora));
    let writer = scene.another();
    scene.time.advance(SECOND);
    scene.store.next([LATE]);
    let context = Context::new();
    let mut list = Going::begun(scene.fallback.list(&context));
    let (newer, eve) = (next_of(&alice, "alice"), record("eve"));
    writer.write(Some(&alice), Some(&newer)).unwrap();
    writer.write(Some(&bob), None).unwrap();
    writer.write(Some(&dora), None).unwrap();
    writer.write(None, Some(&eve)).unwrap();
    scene.written_elsewhere(Some(&carol), None);
    scene.time.advance(SECOND);
    assert_eq!(list.step().unwrap().unwrap().value.len(), 4, "as it was");
    scene.is_away();
    let mut expected = vec![newer.version, carol.version, eve.version];
    expected.sort_unstable();
    assert_eq!(scene.list().unwrap(), (expected, Source::Fallback));
    // It counts as of its beginning.
    scene.time.advance(LONGEST - SECOND);
    assert_eq!(scene.read(alice.name).unwrap().1, Source::Fallback);
    scene.time.advance(SECOND);
    assert_eq!(scene.read(alice.name).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn a_list_from_before_everything_was_deleted_fills_no_copy() {
    let alice = record("alice");
    for is_listed_between in [false, true] {
        let scene = Scene::with(&alice);
        let writer = scene.another();
        scene.store.next([LATE]);
        let context = Context::new();
        let mut list = Going::begun(scene.fallback.list(&context));
        now(writer.fallback.clear(&context)).unwrap();
        if is_listed_between {
            // The copy is begun anew meanwhile.
            writer.read(alice.name).unwrap();
        }
        scene.time.advance(SECOND);
        assert_eq!(list.step().unwrap().unwrap().value.len(), 1, "as it was");
        scene.is_away();
        assert_eq!(scene.read(alice.name).unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(scene.list().unwrap_err().kind(), ErrorKind::Unavailable);
    }
}

#[test]
fn a_list_from_before_another_that_is_complete_changes_nothing() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    let other = scene.another();
    let context = Context::new();
    scene.time.advance(SECOND);
    scene.store.next([Fate::Late(3 * SECOND)]);
    let mut list = Going::begun(scene.fallback.list(&context));
    // Deleted, and forgotten as such.
    other.write(Some(&alice), None).unwrap();
    scene.time.advance(SECOND);
    other.list().unwrap();
    scene.time.advance(2 * SECOND);
    assert_eq!(list.step().unwrap().unwrap().value.len(), 1, "as it was");
    scene.is_away();
    assert_eq!(scene.read(alice.name).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn a_writer_that_comes_to_the_copy_after_it_was_completed_brings_nothing_back() {
    let alice = record("alice");
    let scene = Scene::new();
    let other = scene.another();
    let context = Context::new();
    scene.store.next([LATE]);
    let mut write = Going::begun(scene.fallback.commit(&context, crate::scene::commit(None, Some(&alice))));
    other.write(Some(&alice), None).unwrap();
    other.list().unwrap();
    scene.time.advance(SECOND);
    write.step().unwrap().unwrap();
    scene.is_away();
    assert_eq!(scene.read(alice.name).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn a_list_goes_on_where_others_keep_writing() {
    let [alice, bob] = ["alice", "bob"].map(record);
    let scene = Scene::with(&alice);
    scene.written_elsewhere(None, Some(&bob));
    let context = Context::new();
    scene.store.next([LATE]);
    let mut list = Going::begun(scene.fallback.list(&context));
    let mut held = alice;
    for _ in 0..50 {
        let newer = next_of(&held, "alice");
        scene.write(Some(&held), Some(&newer)).unwrap();
        held = newer;
    }
    scene.time.advance(SECOND);
    list.step().unwrap().unwrap();
    scene.is_away();
    assert_eq!(scene.read(bob.name).unwrap().1, Source::Fallback);
    assert_eq!(scene.read(held.name).unwrap(), (Some(held.version), Source::Fallback));
}

#[test]
fn a_late_read_brings_nothing_back_that_is_forgotten_as_deleted() {
    let (alice, bob) = (record("alice"), record("bob"));
    let scene = Scene::with(&alice);
    let other = scene.another();
    scene.written_elsewhere(None, Some(&bob));
    scene.store.next([LATE]);
    let context = reader();
    let mut read = Going::begun(scene.fallback.read(&context, bob.name));
    other.write(Some(&bob), None).unwrap();
    other.list().unwrap();
    scene.time.advance(SECOND);
    assert!(read.step().unwrap().unwrap().value.is_some(), "as it was");
    scene.is_away();
    assert_eq!(scene.read(bob.name).unwrap_err().kind(), ErrorKind::Unavailable);
}

/// A service may still show for a while what was deleted.
#[test]
fn a_store_that_shows_what_was_deleted_brings_nothing_back() {
    for is_listed_meanwhile in [false, true] {
        let (alice, bob) = (record("alice"), record("bob"));
        let scene = Scene::with(&alice);
        scene.write(None, Some(&bob)).unwrap();
        let context = Context::new();
        if is_listed_meanwhile {
            scene.store.next([LATE]);
        }
        let mut list = is_listed_meanwhile.then(|| Going::begun(scene.fallback.list(&context)));
        scene.write(Some(&bob), None).unwrap();
        scene.time.advance(SECOND);
        if let Some(list) = &mut list {
            list.step().unwrap().unwrap();
        }
        scene.written_elsewhere(None, Some(&bob));
        assert_eq!(scene.read(bob.name).unwrap().0, Some(bob.version), "as the store shows it");
        scene.is_away();
        assert_eq!(scene.read(bob.name).unwrap_err().kind(), ErrorKind::Unavailable);
    }
}
