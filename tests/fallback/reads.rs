//! When the copy answers, and when it does not.

use tokenvault::backend::Backend;
use tokenvault::error::ErrorKind;
use tokenvault::identity::RecordName;
use tokenvault::operation::{Context, Source};

use crate::going::{Going, now};
use crate::scene::{AWAY, SECOND, Scene, key, next_of, opened, reader, record};
use crate::scripted::Fate;

/// All there are. The compiler does not say when one is added: the enum is open.
const KINDS: [ErrorKind; 16] = [
    ErrorKind::Ambiguous,
    ErrorKind::Busy,
    ErrorKind::Conflict,
    ErrorKind::Damaged,
    ErrorKind::Gone,
    ErrorKind::Internal,
    ErrorKind::InvalidInput,
    ErrorKind::Io,
    ErrorKind::NotFound,
    ErrorKind::PermissionDenied,
    ErrorKind::QuotaReached,
    ErrorKind::Revoked,
    ErrorKind::StorageFull,
    ErrorKind::Unavailable,
    ErrorKind::Unsupported,
    ErrorKind::WrongKey,
];

#[test]
fn the_copy_answers_while_the_store_is_out_of_reach() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    let versions = vec![alice.version];
    assert_eq!(scene.find("alice").unwrap(), (versions.clone(), Source::Store));
    scene.is_away();
    assert_eq!(scene.read(alice.name).unwrap(), (Some(alice.version), Source::Fallback));
    assert_eq!(scene.find("alice").unwrap(), (versions.clone(), Source::Fallback));
    assert_eq!(scene.list().unwrap(), (versions.clone(), Source::Fallback));
    scene.is_back();
    scene.time.advance(11 * SECOND);
    assert_eq!(scene.read(alice.name).unwrap(), (Some(alice.version), Source::Store));
}

#[test]
fn it_answers_in_no_other_case() {
    let alice = record("alice");
    for kind in KINDS {
        let scene = Scene::with(&alice);
        scene.store.otherwise(Fate::Fails(kind));
        let answers = [
            scene.read(alice.name).map(|answer| answer.1),
            scene.find("alice").map(|answer| answer.1),
            scene.list().map(|answer| answer.1),
        ];
        for answer in answers {
            match kind {
                ErrorKind::Unavailable => assert_eq!(answer.unwrap(), Source::Fallback),
                _ => assert_eq!(answer.unwrap_err().kind(), kind),
            }
        }
    }
}

#[test]
fn whoever_has_not_asked_for_it_gets_no_answer_of_the_copy() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    scene.is_away();
    for _ in 0..2 {
        // The second time within the time that a failure is remembered for.
        let context = Context::new();
        let failed = [
            now(scene.fallback.read(&context, alice.name)).unwrap_err(),
            now(scene.fallback.resolve(&context, &[key("alice")])).unwrap_err(),
            now(scene.fallback.list(&context)).unwrap_err(),
        ];
        assert!(failed.iter().all(|error| error.kind() == ErrorKind::Unavailable), "{failed:?}");
        assert_eq!(scene.read(alice.name).unwrap().1, Source::Fallback);
    }
}

#[test]
fn after_a_refusal_nothing_that_was_read_before_is_answered() {
    let alice = record("alice");
    for kind in [ErrorKind::PermissionDenied, ErrorKind::WrongKey] {
        let scene = Scene::with(&alice);
        scene.store.next([Fate::Fails(kind)]);
        assert_eq!(scene.read(alice.name).unwrap_err().kind(), kind);
        scene.is_away();
        assert_eq!(scene.read(alice.name).unwrap_err().kind(), ErrorKind::Unavailable);
        // Until the right is there again.
        scene.is_back();
        assert_eq!(scene.read(alice.name).unwrap().1, Source::Store);
        scene.is_away();
        assert_eq!(scene.read(alice.name).unwrap().1, Source::Fallback);
    }
}

#[test]
fn the_copy_never_says_that_there_is_none() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    scene.is_away();
    assert_eq!(scene.read(RecordName::random().unwrap()).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(scene.find("bob").unwrap_err().kind(), ErrorKind::Unavailable);
    let empty = Scene::new();
    assert_eq!(empty.list().unwrap(), (Vec::new(), Source::Store));
    empty.is_away();
    assert_eq!(empty.list().unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn what_says_of_which_store_the_copy_is_is_no_record() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    let raw = now(scene.copy.inner.list(&Context::new())).unwrap().value;
    let mark = raw.iter().find(|record| record.name != alice.name).unwrap();
    scene.is_away();
    assert_eq!(scene.read(mark.name).unwrap_err().kind(), ErrorKind::Unavailable);
    let found = now(scene.fallback.resolve(&reader(), &mark.lookup_keys())).unwrap_err();
    assert_eq!(found.kind(), ErrorKind::Unavailable);
    assert_eq!(scene.list().unwrap().0, vec![alice.version]);
}

#[test]
fn a_store_that_does_not_answer_is_not_waited_for() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    scene.store.otherwise(Fate::Late(1000 * SECOND));
    let context = reader();
    let mut going = Going::begun(scene.fallback.read(&context, alice.name));
    scene.time.advance(4 * SECOND);
    assert!(going.step().is_none(), "it may still answer");
    scene.time.advance(SECOND);
    assert_eq!(going.step().unwrap().unwrap().source, Source::Fallback);
    // For a while nobody asks it again.
    scene.store.calls();
    assert_eq!(scene.read(alice.name).unwrap().1, Source::Fallback);
    assert!(scene.store.calls().is_empty());
    // But for what the copy has not, and after that while.
    let unknown = RecordName::random().unwrap();
    let mut going = Going::begun(scene.fallback.read(&context, unknown));
    scene.time.advance(5 * SECOND);
    assert_eq!(going.step().unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    scene.time.advance(10 * SECOND);
    let _waits = Going::begun(scene.fallback.read(&context, alice.name));
}

#[test]
fn a_store_whose_copy_cannot_answer_is_waited_for() {
    let alice = record("alice");
    let scene = Scene::new();
    scene.written_elsewhere(None, Some(&alice));
    scene.store.next([Fate::Late(100 * SECOND)]);
    let context = reader();
    let mut going = Going::begun(scene.fallback.read(&context, alice.name));
    scene.time.advance(100 * SECOND);
    assert_eq!(going.step().unwrap().unwrap().source, Source::Store);
}

#[test]
fn what_a_read_shows_is_in_the_copy() {
    let (alice, bob) = (record("alice"), record("bob"));
    let scene = Scene::with(&alice);
    let newer = next_of(&alice, "alice");
    scene.written_elsewhere(Some(&alice), Some(&newer));
    scene.written_elsewhere(None, Some(&bob));
    assert_eq!(scene.find("alice").unwrap().0, vec![newer.version]);
    assert_eq!(scene.read(bob.name).unwrap().0, Some(bob.version));
    scene.is_away();
    assert_eq!(scene.read(alice.name).unwrap(), (Some(newer.version), Source::Fallback));
    assert_eq!(scene.find("bob").unwrap(), (vec![bob.version], Source::Fallback));
    // And what it shows to be gone is not.
    scene.is_back();
    scene.written_elsewhere(Some(&bob), None);
    scene.time.advance(11 * SECOND);
    assert_eq!(scene.read(bob.name).unwrap().0, None);
    scene.is_away();
    assert_eq!(scene.read(bob.name).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn what_is_not_found_by_a_key_any_more_is_looked_for() {
    let (alice, bob) = (record("alice"), record("bob"));
    let scene = Scene::with(&alice);
    scene.write(None, Some(&bob)).unwrap();
    let married = next_of(&alice, "alice of old");
    scene.written_elsewhere(Some(&alice), Some(&married));
    scene.written_elsewhere(Some(&bob), None);
    assert_eq!(scene.find("alice").unwrap(), (Vec::new(), Source::Store));
    assert_eq!(scene.find("bob").unwrap(), (Vec::new(), Source::Store));
    scene.is_away();
    assert_eq!(scene.find("alice").unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(scene.find("alice of old").unwrap(), (vec![married.version], Source::Fallback));
    assert_eq!(scene.read(bob.name).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn a_copy_of_another_store_answers_nothing_and_a_vault_is_none() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    scene.is_away();
    let other = opened(&scene.time, &scene.store, &scene.copy, "another store").unwrap();
    assert_eq!(now(other.read(&reader(), alice.name)).unwrap_err().kind(), ErrorKind::Unavailable);
    // Nor is anything put into it under the first one's name.
    let bob = record("bob");
    scene.is_back();
    now(other.commit(&Context::new(), crate::scene::commit(None, Some(&bob)))).unwrap();
    scene.is_away();
    assert_eq!(scene.read(bob.name).unwrap_err().kind(), ErrorKind::Unavailable);
    let refused = opened(&scene.time, &scene.copy, &scene.store, "the store").unwrap_err();
    scene.is_back();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    let refused = opened(&scene.time, &scene.copy, &scene.store, "the store").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput, "it holds tokens of its own");
    assert_eq!(now(scene.store.inner.list(&Context::new())).unwrap().value.len(), 2);
}

#[test]
fn a_copy_that_cannot_be_read_changes_nothing_of_what_the_store_answers() {
    let alice = record("alice");
    let scene = Scene::with(&alice);
    for kind in KINDS {
        scene.copy.otherwise(Fate::Fails(kind));
        assert_eq!(scene.read(alice.name).unwrap(), (Some(alice.version), Source::Store), "{kind:?}");
        scene.store.next([AWAY]);
        assert_eq!(scene.read(alice.name).unwrap_err().kind(), ErrorKind::Unavailable, "{kind:?}");
    }
}
