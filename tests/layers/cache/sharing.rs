//! One read for all who ask the same at once.

use std::error::Error as _;
use std::sync::Arc;

use fork::{Fork, WEXITSTATUS, WIFEXITED, fork, waitpid};
use tokenvault::clock::Clock;
use tokenvault::error::{ErrorKind, Result};
use tokenvault::operation::{Answer, Context, Operation, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use super::{LIVES, SECOND, Scene, alice, user};
use crate::going::{Going, now};
use crate::scripted::{NEVER, Step};

type Found = Result<Answer<Option<Arc<OAuthToken>>>>;

fn asked<'a>(scene: &'a Scene, context: &'a Context, id: &'a str) -> Going<'a, Found> {
    Going::begun(scene.cache.find_token_by_id(context, id))
}

#[test]
fn sixty_four_cold_reads_are_one() {
    let scene = Scene::new();
    let (id, context) = (scene.saved_elsewhere(&alice("a1")), Context::new());
    scene.store.next([Step::Waits(SECOND)]);
    let mut reads: Vec<_> = (0..64).map(|_| asked(&scene, &context, &id)).collect();
    scene.time.advance(SECOND);
    for read in &mut reads {
        let answer = read.step().unwrap().unwrap();
        assert_eq!((answer.value.unwrap().id(), answer.source), (Some(id.as_str()), Source::Store));
        assert_eq!(answer.request_ids, ["request"], "by which the store's log knows the one read");
    }
    assert_eq!(scene.store.count(), 1);
    assert_eq!(scene.cache.statistics().misses, 64);
}

#[test]
fn cold_lookups_are_one_and_each_fills_its_own_token() {
    let scene = Scene::new();
    scene.saved_elsewhere(&alice("a1"));
    scene.store.next([Step::Waits(SECOND)]);
    let context = Context::new();
    let find = |mut given: OAuthToken| async {
        assert!(scene.cache.find_token(&context, &mut given).await.unwrap().value);
        given
    };
    let own = |text| user("alice").with(tokenvault::fields::Field::ApiDomain, text);
    let finds: Vec<_> = ["x", "y", "z"].into_iter().map(|text| (text, Going::begun(find(own(text))))).collect();
    scene.time.advance(SECOND);
    for (text, find) in finds {
        let found = find.ended();
        assert_eq!(super::text(&found, tokenvault::fields::Field::ApiDomain).as_deref(), Some(text));
        assert_eq!(super::text(&found, tokenvault::fields::Field::AccessToken).as_deref(), Some("a1"));
    }
    assert_eq!(scene.store.count(), 1);
}

#[test]
fn different_questions_are_not_one() {
    let scene = Scene::new();
    let (id, context) = (scene.saved_elsewhere(&alice("a1")), Context::new());
    scene.store.otherwise(Step::Waits(SECOND));
    let _one = asked(&scene, &context, &id);
    let _other = asked(&scene, &context, "2");
    let mut given = OAuthToken::new().with_id(&id);
    let _find = Going::begun(scene.cache.find_token(&context, &mut given));
    assert_eq!(scene.store.count(), 3);
}

#[test]
fn an_error_is_shared_as_it_is() {
    let scene = Scene::new();
    let context = Context::new();
    scene.store.next([Step::FailsLate(SECOND, ErrorKind::Damaged)]);
    let reads = [(); 3].map(|()| asked(&scene, &context, "1"));
    scene.time.advance(SECOND);
    for (number, read) in reads.into_iter().enumerate() {
        let error = read.ended().unwrap_err();
        assert!(number > 0 || scene.ask("1").is_ok(), "who comes after it begins anew");
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Damaged, Some(Operation::FindTokenById)));
        assert_eq!((error.message(), error.hint()), ("as it was told: Damaged", Some("tell it otherwise")));
        assert_eq!(error.store(), Some("scripted"));
        assert_eq!(error.source().unwrap().to_string(), "the cause");
    }
    assert_eq!(scene.store.count(), 2);
}

#[test]
fn where_the_one_who_reads_gives_up_the_next_takes_over() {
    let scene = Scene::new();
    let (id, names) = (scene.saved_elsewhere(&alice("a1")), ["one", "two", "three"]);
    let contexts = names.map(|name| Context::new().with_principal(name));
    scene.store.next([Step::Waits(NEVER), Step::Waits(NEVER)]);
    let mut reads: Vec<_> = contexts.iter().map(|context| asked(&scene, context, &id)).collect();
    drop(reads.remove(0));
    assert!(reads[0].step().is_none());
    drop(reads.remove(0));
    assert!(reads.remove(0).ended().unwrap().value.is_some());
    let calls = scene.store.calls();
    let principals: Vec<_> = calls.iter().map(|(_, context)| context.principal()).collect();
    assert_eq!(principals, names.map(Some), "each reads in its own name");

    scene.cache.clear();
    scene.store.next([Step::Waits(NEVER)]);
    drop(asked(&scene, &contexts[0], &id));
    scene.time.advance(LIVES);
    assert!(scene.ask(&id).unwrap().value.is_some(), "nobody waits for one that nobody makes");
    assert_eq!(scene.read(&id).1, Source::Cache, "nor is it as old as that one");
}

#[test]
fn each_waits_no_longer_than_its_own_deadline() {
    let scene = Scene::new();
    let (id, patient) = (scene.saved_elsewhere(&alice("a1")), Context::new());
    let until = |seconds| Context::new().with_deadline(scene.time.now().after(seconds * SECOND));
    let [first, second] = [until(1), until(2)];
    scene.store.next([Step::Waits(NEVER), Step::Waits(NEVER)]);
    let mut reads = vec![asked(&scene, &first, &id), asked(&scene, &second, &id), asked(&scene, &patient, &id)];
    for _ in 0..2 {
        scene.time.advance(SECOND);
        let error = reads.remove(0).step().unwrap().unwrap_err();
        assert_eq!((error.kind(), error.store()), (ErrorKind::Busy, Some("scripted")));
        if reads.len() > 1 {
            assert!(reads[0].step().is_none(), "it has a second left");
        }
    }
    assert!(reads.remove(0).ended().unwrap().value.is_some());
    assert_eq!(scene.store.count(), 3);
}

#[test]
fn a_failure_for_want_of_time_is_nobody_elses() {
    let scene = Scene::new();
    let (id, patient) = (scene.saved_elsewhere(&alice("a1")), Context::new());
    let hurried = Context::new().with_deadline(scene.time.now().after(SECOND));
    // The store itself gives up, a moment after the deadline.
    scene.store.next([Step::FailsLate(2 * SECOND, ErrorKind::Busy)]);
    let [first, second] = [&hurried, &patient].map(|context| asked(&scene, context, &id));
    scene.time.advance(2 * SECOND);
    assert_eq!(first.ended().unwrap_err().kind(), ErrorKind::Busy);
    assert!(second.ended().unwrap().value.is_some());
}

#[test]
fn who_comes_after_a_write_does_not_join_a_read_from_before_it() {
    let scene = Scene::new();
    let context = Context::new();
    let id = scene.saved_elsewhere(&alice("a1"));
    scene.store.next([Step::Late(SECOND)]);
    let before = asked(&scene, &context, &id);
    let (_, saved) = scene.save(&alice("a2"));
    assert_eq!(scene.access(&id).0.as_deref(), Some("a2"));

    scene.store.next([Step::Late(SECOND), Step::Done]);
    let mut given = user("alice");
    let earlier = Going::begun(scene.cache.find_token(&context, &mut given));
    now(scene.cache.delete_token(&context, saved.id().unwrap())).unwrap();
    assert!(scene.find(&user("alice")).0.is_none());
    scene.time.advance(SECOND);
    assert!(earlier.ended().unwrap().value && before.ended().unwrap().value.is_some(), "they asked before");
    assert!(scene.find(&user("alice")).0.is_none() && scene.read(&id).0.is_none(), "and put nothing back");
}

#[test]
fn a_forked_process_waits_for_nobody_it_left_behind() {
    let scene = Scene::new();
    let (id, context) = (scene.saved_elsewhere(&alice("a1")), Context::new());
    scene.store.next([Step::Waits(NEVER)]);
    let mut left_behind = asked(&scene, &context, &id);
    match fork().unwrap() {
        Fork::Child => {
            let mut read = Box::pin(scene.cache.find_token_by_id(&context, &id));
            let mut task = std::task::Context::from_waker(std::task::Waker::noop());
            let is_answered = read.as_mut().poll(&mut task).is_ready();
            std::process::exit(i32::from(!is_answered));
        }
        Fork::Parent(child) => {
            let status = waitpid(child).unwrap();
            assert!(WIFEXITED(status) && WEXITSTATUS(status) == 0, "{status}");
        }
    }
    assert!(left_behind.step().is_none());
}
