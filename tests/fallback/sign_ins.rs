//! Sign-ins that wait in the process, and what becomes of their users' tokens elsewhere meanwhile.

use std::sync::Arc;

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::going::now;
use crate::journal::graves::Graves;
use crate::process::{Process, WHILE, access, alice, of, refreshed};
use crate::scene::{SECOND, Scene};
use crate::scripted::Fate;

#[test]
fn a_sign_in_that_was_kept_gives_way_to_a_newer_one() {
    for (is_newer, stands) in [(false, "kept"), (true, "there")] {
        let (process, _) = Process::with_alice();
        process.scene.is_away();
        let there = || {
            process.scene.time.advance(SECOND);
            let again = alice("there", 61).with(Field::RefreshToken, "refresh token of there");
            process.saved_elsewhere(&again);
            process.scene.time.advance(SECOND);
        };
        if !is_newer {
            there();
        }
        process.save_in_vain(&alice("kept", 60).with(Field::RefreshToken, "refresh token of kept"));
        if is_newer {
            there();
        }
        process.scene.is_back();
        process.scene.time.advance(WHILE);
        process.find(&OAuthToken::new().with(Field::UserName, "alice")).unwrap();
        assert_eq!((process.stored(), process.layer.unsaved()), (vec![stands.to_owned()], 0));
    }
    // What says nothing of a sign-in is none.
    let (process, first) = Process::with_alice();
    process.scene.is_away();
    process.save_in_vain(&OAuthToken::new().with(Field::UserName, "alice").with(Field::ApiDomain, "eu"));
    process.scene.time.advance(SECOND);
    process.saved_elsewhere(&refreshed(&first, "second", 120));
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    let (found, _) = process.by_id(first.id().unwrap()).unwrap();
    let found = found.unwrap();
    assert_eq!((access(&found), found.fields().text(Field::ApiDomain)), ("second".to_owned(), Some("eu")));
}

#[test]
fn a_sign_in_that_was_kept_stands_beside_a_refresh_of_the_older_one() {
    let (process, first) = Process::with_alice();
    process.scene.is_away();
    process.save_in_vain(&alice("kept", 60).with(Field::RefreshToken, "refresh token of kept"));
    process.scene.time.advance(SECOND);
    process.saved_elsewhere(&refreshed(&first, "there", 300));
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    process.by_id(first.id().unwrap()).unwrap();
    assert_eq!((process.stored(), process.layer.unsaved()), (vec!["kept".to_owned()], 0));
}

#[test]
fn a_refresh_token_that_was_rotated_while_its_sign_in_was_kept_is_saved() {
    // The user is new; is known; and is known, with a refresh elsewhere after both.
    for (user, is_refreshed_there) in [("bob", false), ("alice", false), ("alice", true)] {
        let (process, first) = Process::with_alice();
        process.scene.is_away();
        process.save_in_vain(&of(user, "one", 60).with(Field::RefreshToken, "refresh token of one"));
        let (one, _) = process.find(&OAuthToken::new().with(Field::UserName, user)).unwrap();
        process.scene.time.advance(SECOND);
        process.save_in_vain(&refreshed(&one.unwrap(), "two", 120).with(Field::RefreshToken, "rotated"));
        process.scene.time.advance(SECOND);
        if is_refreshed_there {
            process.saved_elsewhere(&refreshed(&first, "there", 300));
        }
        process.scene.is_back();
        process.scene.time.advance(WHILE);
        let (two, _) = process.find(&OAuthToken::new().with(Field::UserName, user)).unwrap();
        let two = two.unwrap();
        assert_eq!((access(&two), two.fields().text(Field::RefreshToken)), ("two".to_owned(), Some("rotated")));
        assert_eq!((process.stored().len(), process.layer.unsaved()), (if user == "bob" { 2 } else { 1 }, 0));
    }
}

/// The answer of the first was lost: it is there, and refreshed there before both are tried again.
#[test]
fn the_newer_of_two_sign_ins_of_a_new_user_stands_beside_a_refresh_of_the_older_one() {
    let process = Process::new();
    process.scene.store.commits(Some(Fate::Lost(ErrorKind::Unavailable)));
    process.save_in_vain(&of("bob", "one", 60).with(Field::RefreshToken, "refresh token of one"));
    process.scene.store.commits(None);
    let there = now(process.plain.get_tokens(&Context::new())).unwrap().value.pop().unwrap();
    process.scene.is_away();
    process.scene.time.advance(SECOND);
    process.save_in_vain(&of("bob", "two", 120).with(Field::RefreshToken, "refresh token of two"));
    process.scene.time.advance(SECOND);
    process.saved_elsewhere(&refreshed(&there, "there", 300));
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    let (found, _) = process.find(&OAuthToken::new().with(Field::UserName, "bob")).unwrap();
    assert_eq!(access(&found.unwrap()), "two");
    assert_eq!((process.stored(), process.layer.unsaved()), (vec!["two".to_owned()], 0));
}

#[test]
fn of_two_that_were_kept_a_newer_sign_in_elsewhere_ends_both() {
    let (process, _) = Process::with_alice();
    process.scene.is_away();
    for access in ["one", "two"] {
        process.save_in_vain(&alice(access, 60).with(Field::RefreshToken, &format!("refresh token of {access}")));
        process.scene.time.advance(SECOND);
    }
    process.saved_elsewhere(&alice("there", 61).with(Field::RefreshToken, "refresh token of there"));
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    process.find(&OAuthToken::new().with(Field::UserName, "alice")).unwrap();
    assert_eq!((process.stored(), process.layer.unsaved()), (vec!["there".to_owned()], 0));
}

#[test]
fn a_log_out_elsewhere_ends_a_sign_in_of_its_user_that_is_kept() {
    let (process, first) = Process::with_alice();
    process.scene.is_away();
    process.save_in_vain(&alice("kept", 60).with(Field::RefreshToken, "refresh token of kept"));
    now(process.plain.delete_token(&Context::new(), first.id().unwrap())).unwrap();
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    now(process.layer.get_tokens(&Context::new())).unwrap();
    assert_eq!((process.stored(), process.layer.unsaved()), (Vec::<String>::new(), 0));
}

#[test]
fn a_sign_in_that_took_effect_unheard_is_refreshed_or_ended_by_others() {
    for is_ended in [false, true] {
        let process = Process::in_scene(Scene::over(Arc::new(Graves::default())));
        process.scene.store.next([Fate::Done, Fate::Done, Fate::Lost(ErrorKind::Unavailable)]);
        process.save_in_vain(&of("bob", "bob's", 60));
        let stored = now(process.plain.get_tokens(&Context::new())).unwrap().value;
        let bob = OAuthToken::clone(&stored[0]);
        process.scene.time.advance(SECOND);
        match is_ended {
            true => drop(now(process.plain.delete_token(&Context::new(), bob.id().unwrap())).unwrap()),
            false => drop(process.saved_elsewhere(&refreshed(&bob, "next", 120).with(Field::RefreshToken, "rotated"))),
        }
        process.scene.time.advance(WHILE);
        now(process.layer.get_tokens(&Context::new())).unwrap();
        let expected: &[&str] = if is_ended { &[] } else { &["next"] };
        assert_eq!(
            (process.stored().as_slice(), process.layer.unsaved()),
            (&expected.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..], 0)
        );
    }
}

#[test]
fn a_log_out_takes_a_sign_in_of_its_user_that_is_kept() {
    let (process, first) = Process::with_alice();
    process.scene.is_away();
    process.save_in_vain(&alice("late", 120).with(Field::RefreshToken, "another refresh token"));
    process.save_in_vain(&of("bob", "bob's", 60));
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    // Whatever saves them is refused for now.
    process.scene.store.next([Fate::Fails(ErrorKind::QuotaReached), Fate::Fails(ErrorKind::QuotaReached)]);
    assert!(now(process.layer.delete_token(&Context::new(), first.id().unwrap())).unwrap().value);
    assert_eq!(process.layer.unsaved(), 1);
    now(process.layer.get_tokens(&Context::new())).unwrap();
    assert_eq!(process.stored(), ["bob's"]);
}
