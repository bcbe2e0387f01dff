//! What is kept, how long, and that nothing of it stays.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokenvault::backend::{Change, Commit};
use tokenvault::clock::Clock;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::identity::{Lineage, RecordName, Version};
use tokenvault::operation::{Context, Source};
use tokenvault::record::{Record, Writer};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use super::{LIVES, MARGIN, SECOND, Scene, alice, of, text, user};
use crate::going::now;
use crate::scripted::Step;

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn a_token_is_read_once_in_its_time_to_live() {
    let scene = Scene::new();
    let id = scene.saved_elsewhere(&alice("a1"));
    for ask in [
        |scene: &Scene, id: &str| scene.access(id),
        |scene: &Scene, _: &str| {
            let (found, source) = scene.find(&user("alice"));
            (found.and_then(|found| text(&found, Field::AccessToken)), source)
        },
    ] {
        let a1 = Some("a1".to_owned());
        assert_eq!(ask(&scene, &id), (a1.clone(), Source::Store));
        scene.time.advance(LIVES - MILLI);
        assert_eq!(ask(&scene, &id), (a1.clone(), Source::Cache));
        assert_eq!(scene.store.count(), 1);
        scene.time.advance(MILLI);
        assert_eq!(ask(&scene, &id), (a1, Source::Store));
        assert_eq!(scene.store.count(), 1);
    }
}

#[test]
fn the_age_of_an_answer_begins_with_its_read() {
    let scene = Scene::new();
    let id = scene.saved_elsewhere(&alice("a1"));
    scene.store.next([Step::Late(LIVES / 2)]);
    let context = Context::new();
    let read = crate::going::Going::begun(scene.cache.find_token_by_id(&context, &id));
    scene.time.advance(LIVES / 2);
    assert!(read.ended().unwrap().value.is_some());
    scene.time.advance(LIVES / 2);
    assert_eq!(scene.read(&id).1, Source::Store);
}

#[test]
fn that_there_is_none_is_known_for_a_moment() {
    let scene = Scene::new();
    for _ in 0..2 {
        assert_eq!((scene.access("1").0, scene.find(&user("alice")).0.is_some()), (None, false));
    }
    assert_eq!(scene.store.count(), 2);
    scene.saved_elsewhere(&alice("a1").with_id("1"));
    scene.time.advance(5 * SECOND - MILLI);
    assert_eq!((scene.access("1").1, scene.find(&user("alice")).1), (Source::Cache, Source::Cache));
    scene.time.advance(MILLI);
    assert_eq!(scene.access("1").0.as_deref(), Some("a1"));
    assert!(scene.find(&user("alice")).0.is_some());
}

#[test]
fn a_token_is_not_answered_within_the_margin_of_its_expiry() {
    let scene = Scene::new();
    let ends = scene.time.millis_in(30 * SECOND);
    let id = scene.saved_elsewhere(&alice("a1").with(Field::ExpiresIn, &ends));
    scene.read(&id);
    scene.time.advance(30 * SECOND - MARGIN - MILLI);
    assert_eq!(scene.read(&id).1, Source::Cache);
    scene.time.advance(MILLI);
    let (token, source) = scene.read(&id);
    assert_eq!(source, Source::Store);
    let held = Arc::downgrade(&token.unwrap());
    assert_eq!((scene.read(&id).1, held.strong_count()), (Source::Store, 0), "nor is it kept");
}

#[test]
fn a_clock_that_is_set_back_makes_nothing_young_again() {
    let scene = Scene::new();
    let id = scene.saved_elsewhere(&alice("a1"));
    scene.read(&id);
    scene.time.set_back(SECOND);
    assert_eq!((scene.read(&id).1, scene.read(&id).1), (Source::Store, Source::Cache));
}

#[test]
fn there_is_room_for_so_many_and_the_least_used_go() {
    let scene = Scene::with(|options| options.capacity = 16);
    let ids: Vec<String> = (0..40).map(|number| scene.saved_elsewhere(&of(&number.to_string(), "a"))).collect();
    let held: Vec<Weak<OAuthToken>> = ids[1..16].iter().map(|id| Arc::downgrade(&scene.read(id).0.unwrap())).collect();
    let first = Arc::downgrade(&scene.read(&ids[0]).0.unwrap());
    assert!(held.iter().chain([&first]).all(|token| token.strong_count() == 1));
    for id in &ids[16..] {
        scene.read(&ids[0]);
        scene.read(id);
        assert!(scene.cache.statistics().entries <= 16);
    }
    assert_eq!(scene.read(&ids[0]).1, Source::Cache, "it was in use");
    assert_eq!(first.strong_count(), 1);
    assert!(held.iter().all(|token| token.strong_count() == 0), "what had to go is not held");
    assert_eq!(scene.read(&ids[39]).1, Source::Cache, "the newest is there");
}

#[test]
fn without_room_nothing_is_kept() {
    let scene = Scene::with(|options| options.capacity = 0);
    let id = scene.save(&alice("a1")).1.id().unwrap().to_owned();
    assert_eq!((scene.read(&id).1, scene.read(&id).1), (Source::Store, Source::Store));
    assert_eq!(scene.cache.statistics().entries, 0);
}

#[test]
fn what_is_too_old_goes_when_others_come() {
    let scene = Scene::new();
    let [one, other] = ["alice", "bob"].map(|user| scene.saved_elsewhere(&of(user, "a")));
    let old = Arc::downgrade(&scene.read(&one).0.unwrap());
    scene.time.advance(LIVES + Duration::from_mins(15) - MILLI);
    scene.read(&other);
    assert_eq!(old.strong_count(), 1, "it could still be needed");
    scene.time.advance(20 * SECOND);
    scene.find(&user("bob"));
    assert_eq!(old.strong_count(), 0);
}

#[test]
fn a_delete_leaves_nothing_behind() {
    let scene = Scene::new();
    let (_, saved) = scene.save(&alice("a1"));
    let id = saved.id().unwrap();
    let held = [scene.read(id).0.unwrap(), scene.ask(id).unwrap().value.unwrap()].map(|token| Arc::downgrade(&token));
    assert!(held.iter().all(|token| token.strong_count() == 1));
    scene.find(&user("alice"));
    now(scene.cache.delete_token(&Context::new(), id)).unwrap();
    assert!(held.iter().all(|token| token.strong_count() == 0));
    assert_eq!(scene.cache.statistics().entries, 0);
}

#[test]
fn what_no_store_could_hold_is_asked_for_and_not_kept() {
    let scene = Scene::new();
    for id in ["", "\0", "1\n", &"x".repeat(100_000)] {
        assert!(scene.read(id).0.is_none());
        assert_eq!((scene.read(id).1, scene.cache.statistics().entries), (Source::Store, 0));
    }
}

#[test]
fn what_came_from_elsewhere_is_not_kept() {
    let scene = Scene::new();
    let id = scene.saved_elsewhere(&alice("a1"));
    scene.store.next([Step::From(Source::Fallback), Step::From(Source::Fallback)]);
    for _ in 0..2 {
        assert_eq!(scene.ask(&id).unwrap().source, Source::Fallback);
    }
    assert_eq!((scene.read(&id).1, scene.read(&id).1), (Source::Store, Source::Cache));
}

/// A record with two brought ids, as an import makes it.
fn with_two_ids(scene: &Scene) -> RecordName {
    let name = RecordName::random().unwrap();
    let (version, lineage) = (Version::first().unwrap(), Lineage::first().unwrap());
    let (fields, ids) = (Arc::new(alice("a1").fields().clone()), vec![Arc::from("1"), Arc::from("2")]);
    let at = scene.time.now();
    let (first_refresh, writer) = (None, Writer::Import);
    let record = Record {
        name,
        version,
        fields,
        ids,
        adopted: Vec::new(),
        lineage,
        first_refresh,
        created_at: at,
        saved_at: at,
        writer,
        longest_life: None,
        lease: None,
    };
    let changes = vec![Change { name, expected: None, value: Some(Arc::new(record)) }];
    now(scene.backend.commit(&Context::new(), Commit { changes, claims: Vec::new() })).unwrap();
    name
}

#[test]
fn each_id_is_handed_out_as_it_was_asked_for_and_a_write_by_one_is_seen_by_all() {
    let scene = Scene::new();
    let name = with_two_ids(&scene).to_string();
    let ids = ["1", "2", &name];
    for source in [Source::Store, Source::Cache] {
        for id in ids {
            let (token, from) = scene.read(id);
            assert_eq!((token.unwrap().id(), from), (Some(id), source));
        }
    }
    let held = scene.read("2").0.unwrap();
    scene.save(&OAuthToken::clone(&held).with(Field::AccessToken, "a2"));
    for id in ids {
        let (token, from) = scene.read(id);
        let token = token.unwrap();
        assert_eq!((token.id(), text(&token, Field::AccessToken).as_deref()), (Some(id), Some("a2")));
        assert_eq!(from, Source::Cache, "what was just written need not be read");
    }
    assert!(now(scene.cache.delete_token(&Context::new(), "1")).unwrap().value);
    assert!(ids.iter().all(|id| scene.read(id).0.is_none()));

    let name = with_two_ids(&scene).to_string();
    scene.time.advance(LIVES);
    scene.read("2");
    assert!(now(scene.cache.delete_token(&Context::new(), "1")).unwrap().value);
    assert!(["2", &name].iter().all(|id| scene.read(id).0.is_none()), "by an id that was not asked for before");

    let name = with_two_ids(&scene).to_string();
    scene.time.advance(LIVES);
    scene.read("2");
    scene.store.next([Step::Lost(ErrorKind::Unavailable)]);
    now(scene.cache.delete_token(&Context::new(), &name)).unwrap_err();
    assert!(scene.read("2").0.is_none(), "by its name, although nobody knows whether it was done");
}

#[test]
fn a_find_fills_a_token_as_the_vault_does() {
    let scene = Scene::new();
    scene.saved_elsewhere(&alice("a1").with(Field::ApiDomain, "d"));
    for source in [Source::Store, Source::Cache] {
        let (found, from) = scene.find(&user("alice").with(Field::AccessToken, "own"));
        let found = found.unwrap();
        assert_eq!(from, source);
        assert_eq!(text(&found, Field::AccessToken).as_deref(), Some("own"), "what is given stays");
        assert_eq!(text(&found, Field::ApiDomain).as_deref(), Some("d"));
        assert!(found.id().is_some());
    }
    // A change of what was handed out still counts as one after another find, which is answered from memory.
    let changed = scene.find(&user("alice")).0.unwrap().with(Field::AccessToken, "a2");
    let changed = changed.with_id("");
    scene.find(&changed);
    let (again, source) = scene.find(&changed);
    assert_eq!(source, Source::Cache);
    scene.save(&again.unwrap());
    assert_eq!(text(&scene.find(&user("alice")).0.unwrap(), Field::AccessToken).as_deref(), Some("a2"));
}

#[test]
fn every_find_is_counted_once_and_no_text_is_shown() {
    let scene = Scene::new();
    let id = scene.saved_elsewhere(&of("canary-user", "canary-access").with_id("canary-id"));
    scene.read(&id);
    scene.read(&id);
    scene.find(&user("canary-user"));
    scene.find(&user("nobody"));
    scene.find(&user("nobody"));
    let counted = scene.cache.statistics();
    assert_eq!((counted.hits, counted.misses, counted.stale_answers, counted.entries), (2, 3, 0, 3));
    let shown = format!("{:?} {:#?} {}", scene.cache, scene.cache, scene.cache);
    assert!(!shown.contains("canary") && shown.contains("hits: 2"), "{shown}");
    assert!(shown.ends_with("cache(scripted)"), "{shown}");
}
