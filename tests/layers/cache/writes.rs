//! What is answered after a write.

use tokenvault::error::ErrorKind::{self, Gone, InvalidInput, Unavailable};
use tokenvault::fields::Field::{AccessToken, ApiDomain, ClientId, RefreshToken, UserName};
use tokenvault::operation::{Context, Source};
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;

use super::{LIVES, SECOND, Scene, alice, of, text, user};
use crate::going::{Going, now};
use crate::scripted::{NEVER, Step};

fn by_refresh(refresh: &str) -> OAuthToken {
    OAuthToken::new().with(RefreshToken, refresh)
}

/// The token of alice, as it was read by id and found by user.
fn warm() -> (Scene, String) {
    let scene = Scene::new();
    let id = scene.saved_elsewhere(&alice("a1"));
    scene.read(&id);
    scene.find(&user("alice"));
    scene.find(&by_refresh("refresh of alice"));
    scene.find(&OAuthToken::new().with_id(&id));
    scene.store.count();
    (scene, id)
}

fn found_access(scene: &Scene, given: &OAuthToken) -> Option<String> {
    scene.find(given).0.and_then(|found| text(&found, AccessToken))
}

#[test]
fn a_save_is_seen_by_every_question_whichever_way_the_token_was_named() {
    for way in 0..3 {
        let (scene, id) = warm();
        let a2 = match way {
            0 => OAuthToken::clone(&scene.read(&id).0.unwrap()).with(AccessToken, "a2"),
            1 => OAuthToken::new().with_id(&id).with(AccessToken, "a2"),
            _ => alice("a2"),
        };
        assert_eq!(scene.save(&a2).0, Outcome::Updated);
        assert_eq!(scene.access(&id), (Some("a2".to_owned()), Source::Cache));
        for given in [user("alice"), by_refresh("refresh of alice"), OAuthToken::new().with_id(&id)] {
            assert_eq!(found_access(&scene, &given).as_deref(), Some("a2"));
        }
        scene.time.advance(LIVES);
        assert_eq!(scene.read(&id).1, Source::Store, "it has a time to live like any other");
    }
}

#[test]
fn a_save_that_was_overtaken_answers_what_is_stored() {
    let (scene, id) = warm();
    let held = OAuthToken::clone(&scene.read(&id).0.unwrap()).with(AccessToken, "late");
    scene.saved_elsewhere(&alice("a2"));
    assert_eq!(scene.save(&held).0, Outcome::Superseded);
    assert_eq!(scene.access(&id).0.as_deref(), Some("a2"));
}

#[test]
fn a_new_token_is_found_where_there_was_none_or_another() {
    let (scene, _) = warm();
    let seven = OAuthToken::new().with_id("7");
    assert!(scene.find(&user("bob")).0.is_none() && scene.read("7").0.is_none() && scene.find(&seven).0.is_none());
    scene.save(&of("bob", "b1").with_id("7"));
    assert_eq!(found_access(&scene, &user("bob")).as_deref(), Some("b1"));
    assert_eq!(scene.access("7").0.as_deref(), Some("b1"));
    assert_eq!(found_access(&scene, &seven).as_deref(), Some("b1"));

    // The one saved last, of two clients of one user.
    assert_eq!(scene.find(&user("alice")).1, Source::Cache, "nothing of hers was written");
    scene.save(&alice("other").with(ClientId, "other app"));
    assert_eq!(found_access(&scene, &user("alice")).as_deref(), Some("other"));
}

#[test]
fn two_records_that_began_with_one_refresh_token_are_told_apart_by_the_last_save() {
    let scene = Scene::new();
    let [one, other] = ["alice", "bob"].map(|user| of(user, user).with(RefreshToken, "first"));
    let rotated = OAuthToken::new().with(RefreshToken, "second").with(AccessToken, "rotated");
    let id = scene.save(&one).1.id().unwrap().to_owned();
    // A rotation: the record is found by the first refresh token all the same, which its fields hold no more.
    let held = OAuthToken::clone(&scene.read(&id).0.unwrap());
    scene.save(&held.with(RefreshToken, "second").with(AccessToken, "rotated"));
    scene.save(&other);
    assert_eq!(found_access(&scene, &by_refresh("first")).as_deref(), Some("bob"));
    scene.save(&rotated.clone().with_id(&id).with(ApiDomain, "d"));
    assert_eq!(found_access(&scene, &by_refresh("first")).as_deref(), Some("rotated"));
}

#[test]
fn a_save_that_names_a_rotated_token_by_its_first_refresh_token_is_of_that_token() {
    let (scene, id) = warm();
    let held = OAuthToken::clone(&scene.read(&id).0.unwrap());
    scene.save(&held.with(RefreshToken, "second").with(AccessToken, "rotated"));
    scene.store.next([Step::Lost(Unavailable)]);
    let mut again = by_refresh("refresh of alice").with(ApiDomain, "d");
    now(scene.cache.save_token(&Context::new(), &mut again)).unwrap_err();
    let (token, source) = scene.read(&id);
    assert_eq!((text(&token.unwrap(), ApiDomain).as_deref(), source), (Some("d"), Source::Store));
}

#[test]
fn a_write_that_may_have_been_done_leaves_nothing_that_it_may_have_changed() {
    for way in 0..4 {
        let (scene, id) = warm();
        let bob = scene.saved_elsewhere(&of("bob", "b1"));
        scene.read(&bob);
        scene.find(&user("carol"));
        let held = OAuthToken::clone(&scene.read(&id).0.unwrap());
        scene.store.next([Step::Lost(Unavailable)]);
        let mut a2 = match way {
            0 => held.with(AccessToken, "a2"),
            1 => OAuthToken::new().with_id(&id).with(AccessToken, "a2"),
            2 => alice("a2"),
            _ => by_refresh("refresh of alice").with(ClientId, "app").with(AccessToken, "a2"),
        };
        now(scene.cache.save_token(&Context::new(), &mut a2)).unwrap_err();
        assert_eq!(scene.access(&id), (Some("a2".to_owned()), Source::Store), "way {way}");
        for given in [user("alice"), by_refresh("refresh of alice")] {
            assert_eq!(found_access(&scene, &given).as_deref(), Some("a2"), "way {way}");
        }
        assert_eq!(scene.read(&bob).1, Source::Cache, "another's token has nothing to do with it");
        assert_eq!(scene.find(&user("carol")).1, Source::Store, "it could have been hers");
    }
}

#[test]
fn a_delete_that_may_have_been_done_leaves_nothing_of_its_token() {
    let (scene, id) = warm();
    scene.store.next([Step::Lost(Unavailable)]);
    now(scene.cache.delete_token(&Context::new(), &id)).unwrap_err();
    assert!(scene.read(&id).0.is_none() && scene.find(&user("alice")).0.is_none());

    let (scene, id) = warm();
    scene.store.next([Step::Lost(Unavailable)]);
    now(scene.cache.delete_tokens(&Context::new())).unwrap_err();
    assert!(scene.read(&id).0.is_none() && scene.find(&user("alice")).0.is_none());

    let (scene, id) = warm();
    assert_eq!(now(scene.cache.delete_tokens(&Context::new())).unwrap().value, 1);
    assert!(scene.read(&id).0.is_none() && scene.find(&user("alice")).0.is_none());
}

#[test]
fn a_log_out_by_somebody_else_is_seen_once_a_save_has_met_it() {
    let (scene, id) = warm();
    let mut held = OAuthToken::clone(&scene.read(&id).0.unwrap()).with(AccessToken, "a2");
    now(scene.vault.delete_token(&Context::new(), &id)).unwrap();
    let error = now(scene.cache.save_token(&Context::new(), &mut held)).unwrap_err();
    assert_eq!(error.kind(), Gone);
    assert!(scene.read(&id).0.is_none() && scene.find(&user("alice")).0.is_none());
}

#[test]
fn a_write_that_was_refused_takes_nothing_away() {
    let (scene, id) = warm();
    for (kind, mut given) in [
        (InvalidInput, of("bob", "b1").with_id(&id)),
        (InvalidInput, OAuthToken::new().with_id("7").with(ApiDomain, "d")),
    ] {
        assert_eq!(now(scene.cache.save_token(&Context::new(), &mut given)).unwrap_err().kind(), kind);
    }
    assert!(!now(scene.cache.delete_token(&Context::new(), "unknown")).unwrap().value);
    assert_eq!((scene.read(&id).1, scene.find(&user("alice")).1), (Source::Cache, Source::Cache));

    scene.saved_elsewhere(&alice("a2").with(ClientId, "other app"));
    let mut ambiguous = user("alice").with(RefreshToken, "unknown").with(UserName, "alice");
    let error = now(scene.cache.save_token(&Context::new(), &mut ambiguous)).unwrap_err();
    assert_eq!((error.kind(), scene.read(&id).1), (ErrorKind::Ambiguous, Source::Cache));
}

#[test]
fn a_write_that_is_dropped_half_way_leaves_nothing_that_it_may_have_changed() {
    for step in [Step::Late(NEVER), Step::Waits(NEVER)] {
        let is_done = matches!(step, Step::Late(_));
        let (scene, id) = warm();
        let context = Context::new();
        let mut a2 = alice("a2");
        scene.store.next([step]);
        drop(Going::begun(scene.cache.save_token(&context, &mut a2)));
        let expected = if is_done { "a2" } else { "a1" };
        assert_eq!(scene.access(&id), (Some(expected.to_owned()), Source::Store));
        assert_eq!(found_access(&scene, &user("alice")).as_deref(), Some(expected));
        scene.store.next([step]);
        drop(Going::begun(scene.cache.delete_token(&context, &id)));
        assert_eq!(scene.read(&id).0.is_none(), is_done);
        scene.store.next([step]);
        drop(Going::begun(scene.cache.delete_tokens(&context)));
        assert_eq!(scene.read(&id).0.is_none(), is_done);
    }
}

#[test]
fn a_read_from_before_a_write_puts_nothing_back() {
    for step in [Step::Done, Step::Lost(Unavailable)] {
        let (scene, id) = warm();
        let context = Context::new();
        scene.time.advance(LIVES);
        scene.store.next([Step::Late(SECOND), step]);
        let read = Going::begun(scene.cache.find_token_by_id(&context, &id));
        let _ = now(scene.cache.save_token(&context, &mut alice("a2")));
        scene.time.advance(SECOND);
        read.ended().unwrap();
        assert_eq!(scene.access(&id).0.as_deref(), Some("a2"));
    }
}

#[test]
fn of_two_saves_the_one_that_is_told_last_need_not_be_the_last() {
    let (scene, id) = warm();
    let context = Context::new();
    let (mut a2, mut a3) = (alice("a2"), alice("a3"));
    scene.store.next([Step::Late(2 * SECOND), Step::Late(SECOND)]);
    let earlier = Going::begun(scene.cache.save_token(&context, &mut a2));
    let later = Going::begun(scene.cache.save_token(&context, &mut a3));
    scene.time.advance(SECOND);
    later.ended().unwrap();
    assert_eq!(scene.access(&id).0.as_deref(), Some("a3"));
    scene.time.advance(SECOND);
    earlier.ended().unwrap();
    assert_eq!(scene.access(&id).0.as_deref(), Some("a3"));
}

#[test]
fn what_others_write_past_the_cache_can_be_made_to_be_seen() {
    let (scene, id) = warm();
    scene.saved_elsewhere(&alice("a2"));
    assert_eq!(scene.access(&id).0.as_deref(), Some("a1"));
    scene.cache.clear();
    assert_eq!(scene.access(&id).0.as_deref(), Some("a2"));

    let context = Context::new();
    scene.cache.clear();
    scene.store.next([Step::Late(SECOND)]);
    let read = Going::begun(scene.cache.find_token_by_id(&context, &id));
    scene.saved_elsewhere(&alice("a3"));
    scene.cache.clear();
    scene.time.advance(SECOND);
    read.ended().unwrap();
    assert_eq!(scene.access(&id).0.as_deref(), Some("a3"), "a read from before puts nothing back");
}

#[test]
fn who_knows_of_a_write_by_another_process_sees_it() {
    let (scene, id) = warm();
    let (usual, knowing) = (Context::new(), Context::new().past_memory());
    scene.time.advance(LIVES);
    scene.store.next([Step::Late(SECOND)]);
    let earlier = Going::begun(scene.cache.find_token_by_id(&usual, &id));
    scene.saved_elsewhere(&alice("a2"));
    let answer = now(scene.cache.find_token_by_id(&knowing, &id)).unwrap();
    assert_eq!(text(&answer.value.unwrap(), AccessToken).as_deref(), Some("a2"));
    scene.time.advance(SECOND);
    earlier.ended().unwrap();
    assert_eq!(scene.access(&id), (Some("a2".to_owned()), Source::Cache));
    scene.saved_elsewhere(&alice("a3"));
    let mut found = user("alice");
    assert!(now(scene.cache.find_token(&knowing, &mut found)).unwrap().value);
    let answer = now(scene.cache.find_token_by_id(&knowing, &id)).unwrap();
    for token in [&found, &*answer.value.unwrap()] {
        assert_eq!(text(token, AccessToken).as_deref(), Some("a3"));
    }
}
