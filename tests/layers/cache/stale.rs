//! What is answered while the store is out of reach.

use std::time::Duration;

use tokenvault::clock::Clock;
use tokenvault::error::ErrorKind::{self, Busy, Damaged, PermissionDenied, Unavailable, WrongKey};
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;

use super::{LIVES, MARGIN, SECOND, Scene, alice, of, user};
use crate::going::{Going, now};
use crate::scripted::{NEVER, Step};

const MILLI: Duration = Duration::from_millis(1);
const STALE: Duration = Duration::from_mins(15);
const MEMORY: Duration = Duration::from_secs(5);

/// Alice's and Bob's tokens past their time to live.
fn grown_old() -> (Scene, [String; 2]) {
    let scene = Scene::new();
    let ids = ["alice", "bob"].map(|user| scene.saved_elsewhere(&of(user, "a1")));
    ids.iter().for_each(|id| drop(scene.read(id)));
    scene.find(&user("alice"));
    scene.time.advance(LIVES);
    scene.store.count();
    (scene, ids)
}

#[test]
fn while_the_store_fails_the_old_token_is_answered_and_says_so() {
    for kind in [Unavailable, Busy] {
        let (scene, [id, other]) = grown_old();
        scene.store.otherwise(Step::Fails(kind));
        assert_eq!(scene.access(&id), (Some("a1".to_owned()), Source::StaleCache));
        assert_eq!(scene.store.count(), 1);
        for _ in 0..3 {
            assert_eq!((scene.read(&id).1, scene.read(&other).1), (Source::StaleCache, Source::StaleCache));
            let (found, source) = scene.find(&user("alice"));
            assert!(found.is_some() && source == Source::StaleCache);
        }
        assert_eq!((scene.store.count(), scene.cache.statistics().stale_answers), (0, 10), "without asking again");
        scene.time.advance(MEMORY);
        assert_eq!((scene.read(&id).1, scene.store.count()), (Source::StaleCache, 1), "but for a moment only");
    }
}

#[test]
fn the_first_waits_for_so_long_and_the_others_not_at_all() {
    let (scene, [id, other]) = grown_old();
    let context = Context::new();
    scene.store.otherwise(Step::Waits(NEVER));
    let mut reads: Vec<_> = (0..8).map(|_| Going::begun(scene.cache.find_token_by_id(&context, &id))).collect();
    scene.time.advance(SECOND - MILLI);
    assert!(reads.iter_mut().all(|read| read.step().is_none()));
    scene.time.advance(MILLI);
    for read in reads {
        assert_eq!(read.ended().unwrap().source, Source::StaleCache);
    }
    assert_eq!((scene.read(&id).1, scene.read(&other).1), (Source::StaleCache, Source::StaleCache));
    assert_eq!(scene.store.count(), 1);
}

#[test]
fn while_one_asks_whether_it_is_over_nobody_else_waits() {
    let (scene, [id, other]) = grown_old();
    let context = Context::new();
    scene.store.otherwise(Step::Fails(Unavailable));
    scene.read(&id);
    scene.time.advance(MEMORY);
    scene.store.otherwise(Step::Waits(NEVER));
    scene.store.count();
    let read = Going::begun(scene.cache.find_token_by_id(&context, &id));
    assert_eq!((scene.read(&id).1, scene.read(&other).1), (Source::StaleCache, Source::StaleCache));
    assert_eq!(scene.store.count(), 1);
    scene.time.advance(SECOND);
    assert_eq!(read.ended().unwrap().source, Source::StaleCache);

    // The same where only this one had failed.
    let (scene, [id, _]) = grown_old();
    scene.store.next([Step::Fails(Unavailable)]);
    scene.read(&id);
    scene.read("unknown");
    scene.time.advance(MEMORY);
    scene.store.otherwise(Step::Waits(NEVER));
    let _read = Going::begun(scene.cache.find_token_by_id(&context, &id));
    assert_eq!(scene.read(&id).1, Source::StaleCache);
}

#[test]
fn who_takes_a_read_over_does_not_begin_to_wait_anew() {
    let (scene, [id, _]) = grown_old();
    let context = Context::new();
    scene.store.otherwise(Step::Waits(NEVER));
    let [first, mut next] = [(); 2].map(|()| Going::begun(scene.cache.find_token_by_id(&context, &id)));
    scene.time.advance(SECOND / 2);
    drop(first);
    assert!(next.step().is_none());
    scene.time.advance(SECOND / 2);
    assert_eq!(next.ended().unwrap().source, Source::StaleCache);
}

#[test]
fn an_answer_in_time_is_the_new_one() {
    let (scene, [id, _]) = grown_old();
    let context = Context::new();
    scene.saved_elsewhere(&alice("a2"));
    scene.store.next([Step::Waits(SECOND / 2)]);
    let read = Going::begun(scene.cache.find_token_by_id(&context, &id));
    scene.time.advance(SECOND / 2);
    let answer = read.ended().unwrap();
    assert_eq!(
        (super::text(&answer.value.unwrap(), Field::AccessToken).unwrap(), answer.source),
        ("a2".to_owned(), Source::Store)
    );
}

#[test]
fn any_answer_of_the_store_ends_the_failure_for_others() {
    let (scene, [id, other]) = grown_old();
    scene.store.next([Step::Fails(Unavailable)]);
    assert_eq!((scene.read(&id).1, scene.read(&other).1), (Source::StaleCache, Source::StaleCache));
    scene.read("unknown");
    assert_eq!(scene.read(&other).1, Source::Store);
    assert_eq!(scene.read(&id).1, Source::StaleCache, "it was this one that failed");

    let (scene, [id, other]) = grown_old();
    scene.store.next([Step::Fails(Unavailable)]);
    scene.read(&id);
    scene.save(&of("carol", "a1"));
    assert_eq!(scene.read(&other).1, Source::Store);
}

#[test]
fn a_deadline_before_that_is_kept_with_the_old_token() {
    let (scene, [id, _]) = grown_old();
    let context = Context::new().with_deadline(scene.time.now().after(SECOND / 2));
    scene.store.otherwise(Step::Waits(NEVER));
    let read = Going::begun(scene.cache.find_token_by_id(&context, &id));
    scene.time.advance(SECOND / 2);
    assert_eq!(read.ended().unwrap().source, Source::StaleCache);
}

#[test]
fn no_answer_is_older_than_it_may_be() {
    let (scene, [id, _]) = grown_old();
    scene.store.otherwise(Step::Fails(Unavailable));
    scene.time.advance(STALE - MILLI);
    assert_eq!(scene.read(&id).1, Source::StaleCache);
    scene.time.advance(MILLI);
    assert_eq!(scene.failed(&id).kind(), Unavailable);
}

#[test]
fn an_expired_token_is_not_answered_whatever_happens() {
    let scene = Scene::new();
    let ends = scene.time.millis_in(LIVES + MARGIN + SECOND);
    let id = scene.saved_elsewhere(&alice("a1").with(Field::ExpiresIn, &ends));
    scene.read(&id);
    scene.time.advance(LIVES);
    scene.store.otherwise(Step::Fails(Unavailable));
    assert_eq!(scene.read(&id).1, Source::StaleCache);
    scene.time.advance(SECOND);
    assert_eq!(scene.failed(&id).kind(), Unavailable);

    // Nor where it expires while the store is waited for.
    let scene = Scene::new();
    let ends = scene.time.millis_in(LIVES + MARGIN + SECOND / 2);
    let id = scene.saved_elsewhere(&alice("a1").with(Field::ExpiresIn, &ends));
    scene.read(&id);
    scene.time.advance(LIVES);
    scene.store.next([Step::FailsLate(2 * SECOND, Unavailable)]);
    let context = Context::new();
    let mut read = Going::begun(scene.cache.find_token_by_id(&context, &id));
    scene.time.advance(SECOND);
    assert!(read.step().is_none(), "there is nothing else to wait for");
    scene.time.advance(SECOND);
    assert_eq!(read.ended().unwrap_err().kind(), Unavailable);
}

#[test]
fn that_there_was_none_is_not_answered_for_a_failing_store() {
    let scene = Scene::new();
    scene.read("1");
    scene.time.advance(5 * SECOND);
    scene.store.otherwise(Step::Fails(Unavailable));
    assert_eq!(scene.failed("1").kind(), Unavailable);
}

#[test]
fn an_answer_that_is_not_kept_takes_the_old_one_with_it() {
    let (scene, [id, _]) = grown_old();
    scene.store.next([Step::From(Source::Fallback), Step::Fails(Unavailable)]);
    assert_eq!(scene.ask(&id).unwrap().source, Source::Fallback);
    assert_eq!(scene.failed(&id).kind(), Unavailable, "something newer was answered since");
}

fn forgotten(kind: ErrorKind) -> Scene {
    let (scene, [id, _]) = grown_old();
    scene.store.next([Step::Fails(kind)]);
    scene.store.otherwise(Step::Fails(Unavailable));
    assert_eq!(scene.failed(&id).kind(), kind);
    assert_eq!(scene.failed(&id).kind(), Unavailable);
    let mut given = user("alice");
    let error = now(scene.cache.find_token(&Context::new(), &mut given)).unwrap_err();
    assert_eq!(error.kind(), Unavailable, "nor by another question");
    scene
}

#[test]
fn after_a_failure_that_does_not_pass_the_token_is_forgotten() {
    for kind in [Damaged, ErrorKind::Unsupported, ErrorKind::Io, ErrorKind::QuotaReached] {
        assert_eq!(forgotten(kind).cache.statistics().entries, 1);
    }
}

#[test]
fn after_a_refusal_nothing_from_before_is_answered_past_its_time() {
    for kind in [PermissionDenied, WrongKey] {
        let scene = forgotten(kind);
        let all = now(scene.vault.get_tokens(&Context::new())).unwrap().value;
        let id = all[1].id().unwrap().to_owned();
        assert_eq!(scene.failed(&id).kind(), Unavailable);
        scene.store.next([Step::Done]);
        scene.time.advance(MEMORY);
        assert_eq!(scene.read(&id).1, Source::Store, "once it may be read again, all is as it was");
        scene.time.advance(LIVES);
        assert_eq!(scene.read(&id).1, Source::StaleCache);
    }
    let (scene, [id, _]) = grown_old();
    scene.store.next([Step::Fails(PermissionDenied)]);
    assert!(now(scene.cache.get_tokens(&Context::new())).is_err());
    scene.store.otherwise(Step::Fails(Unavailable));
    assert_eq!(scene.failed(&id).kind(), Unavailable, "whatever was refused");
}

#[test]
fn a_failure_in_the_future_is_none() {
    let (scene, [id, other]) = grown_old();
    scene.time.advance(10 * SECOND);
    scene.store.next([Step::Fails(Unavailable)]);
    assert_eq!(scene.read(&id).1, Source::StaleCache);
    scene.time.set_back(SECOND);
    assert_eq!((scene.read(&id).1, scene.read(&other).1), (Source::Store, Source::Store));
}

#[test]
fn a_clock_that_is_set_back_bridges_nothing() {
    let (scene, [id, _]) = grown_old();
    scene.time.set_back(LIVES + SECOND);
    scene.store.otherwise(Step::Fails(Unavailable));
    assert_eq!(scene.failed(&id).kind(), Unavailable);
}

#[test]
fn an_old_token_that_a_write_takes_away_is_not_answered_for_it() {
    let (scene, [id, _]) = grown_old();
    let context = Context::new();
    scene.store.next([Step::Waits(NEVER), Step::Done]);
    let mut read = Going::begun(scene.cache.find_token_by_id(&context, &id));
    assert!(now(scene.cache.delete_token(&context, &id)).unwrap().value);
    scene.time.advance(SECOND);
    assert!(read.step().is_none(), "it has nothing to answer with");
    scene.store.otherwise(Step::Fails(Unavailable));
    assert_eq!(scene.failed(&id).kind(), Unavailable);
}
