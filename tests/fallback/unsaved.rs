//! What could not be saved is used, and saved later.

use std::sync::Arc;

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::secret::SecretText;
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;

use crate::going::now;
use crate::journal::graves::Graves;
use crate::process::{Process, WHILE, access, alice, of, refreshed};
use crate::scene::{AWAY, SECOND, Scene};
use crate::scripted::Fate;

#[test]
fn what_could_not_be_saved_is_used_and_saved_later() {
    let (process, first) = Process::with_alice();
    let id = first.id().unwrap();
    process.scene.is_away();
    let error = process.save_in_vain(&refreshed(&first, "second", 120));
    assert!(error.hint().unwrap().contains("kept in this process"), "{error:?}");
    assert_eq!(process.layer.unsaved(), 1);
    for given in [OAuthToken::new().with(Field::UserName, "alice"), OAuthToken::new().with_id(id)] {
        let (found, source) = process.find(&given).unwrap();
        assert_eq!((access(&found.unwrap()), source), ("second".to_owned(), Source::Fallback));
    }
    let (found, source) = process.by_id(id).unwrap();
    assert_eq!((access(&found.unwrap()), source), ("second".to_owned(), Source::Fallback));
    assert_eq!(process.stored(), ["first"]);
    // Any operation saves it, once the failure is not young any more.
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    let (found, source) = process.by_id(id).unwrap();
    assert_eq!((access(&found.unwrap()), source), ("second".to_owned(), Source::Store));
    assert_eq!((process.stored(), process.layer.unsaved()), (vec!["second".to_owned()], 0));
}

#[test]
fn every_operation_tries_again() {
    type Call = fn(&Process, &OAuthToken);
    let calls: [Call; 7] = [
        |process, alice| drop(process.by_id(alice.id().unwrap())),
        |process, alice| drop(process.find(&alice.detached())),
        |process, _| drop(now(process.layer.get_tokens(&Context::new()))),
        |process, _| drop(process.save(&mut of("bob", "bob's", 60))),
        |process, _| drop(now(process.layer.delete_token(&Context::new(), "nobody's"))),
        |process, _| drop(now(process.layer.delete_tokens(&Context::new()))),
        |process, _| drop(now(process.layer.delete_record(&Context::new(), "nobody's"))),
    ];
    for (index, call) in calls.into_iter().enumerate() {
        let (process, first) = Process::with_alice();
        process.scene.is_away();
        process.save_in_vain(&refreshed(&first, "second", 120));
        process.scene.time.advance(WHILE);
        process.scene.store.calls();
        call(&process, &first);
        assert!(!process.scene.store.calls().is_empty(), "call {index}: it was tried");
        assert_eq!(process.layer.unsaved(), if index == 3 { 2 } else { 1 }, "call {index}");
        // Not again at once: each try may take as long as the store lets one wait.
        call(&process, &first);
        let tried = process.scene.store.calls();
        assert!(!tried.contains(&"commit"), "call {index}: {tried:?}");
        process.scene.is_back();
        process.scene.time.advance(WHILE);
        call(&process, &first);
        assert_eq!(process.layer.unsaved(), 0, "call {index}");
        let expected: &[&str] = match index {
            3 => &["bob's", "second"],
            5 => &[],
            _ => &["second"],
        };
        assert_eq!(process.stored(), expected, "call {index}");
    }
}

#[test]
fn a_sign_in_that_could_not_be_saved_is_used_by_this_process() {
    let process = Process::new();
    process.saved_elsewhere(&of("carol", "carol's", 60));
    now(process.layer.get_tokens(&Context::new())).unwrap();
    process.scene.is_away();
    process.save_in_vain(&of("bob", "bob's", 60));
    process.save_in_vain(&of("dora", "dora's", 60).with_id("17"));
    let (found, source) = process.find(&OAuthToken::new().with(Field::UserName, "bob")).unwrap();
    let mut bob = found.unwrap();
    assert_eq!((access(&bob), source, bob.id()), ("bob's".to_owned(), Source::Fallback, None));
    let (dora, _) = process.by_id("17").unwrap();
    assert_eq!(dora.as_ref().unwrap().id(), Some("17"));
    let all = now(process.layer.get_tokens(&Context::new())).unwrap();
    assert_eq!((all.value.len(), all.source), (3, Source::Fallback));
    let ids: Vec<Option<&str>> = all.value.iter().map(|token| token.id()).collect();
    assert_eq!(ids.iter().filter(|id| id.is_none()).count(), 1, "bob has none yet");
    // It is refreshed and saved meanwhile, again in vain; and it becomes one record.
    bob.set(Field::AccessToken, Some(SecretText::new("bob's next")));
    process.save_in_vain(&refreshed(&bob, "bob's next", 120));
    assert_eq!(
        access(&process.find(&OAuthToken::new().with(Field::UserName, "bob")).unwrap().0.unwrap()),
        "bob's next"
    );
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    let (bob, source) = process.find(&OAuthToken::new().with(Field::UserName, "bob")).unwrap();
    assert_eq!(source, Source::Store);
    assert!(bob.unwrap().id().unwrap().starts_with("tv"));
    assert_eq!(process.stored(), ["bob's next", "carol's", "dora's"]);
    assert!(process.by_id("17").unwrap().0.is_some());
}

#[test]
fn several_saves_are_made_in_their_order() {
    let (process, first) = Process::with_alice();
    process.scene.is_away();
    process.save_in_vain(&refreshed(&first, "second", 120));
    let (second, _) = process.by_id(first.id().unwrap()).unwrap();
    process.save_in_vain(&refreshed(&second.unwrap(), "third", 180));
    let (third, _) = process.by_id(first.id().unwrap()).unwrap();
    // The same once more is kept once.
    let fourth = refreshed(&third.unwrap(), "fourth", 240);
    process.save_in_vain(&fourth);
    process.save_in_vain(&fourth);
    assert_eq!(process.layer.unsaved(), 3);
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    // Cut off once more between two of them.
    process.scene.store.next([Fate::Done, Fate::Done, Fate::Done, AWAY]);
    assert_eq!(access(&process.by_id(first.id().unwrap()).unwrap().0.unwrap()), "fourth");
    process.scene.time.advance(WHILE);
    process.scene.store.next([]);
    assert_eq!(access(&process.by_id(first.id().unwrap()).unwrap().0.unwrap()), "fourth");
    assert_eq!((process.stored(), process.layer.unsaved()), (vec!["fourth".to_owned()], 0));
}

#[test]
fn a_kept_token_goes_by_the_vaults_rule_when_it_is_saved() {
    // (what happened meanwhile, what stands then)
    type Meanwhile = fn(&Process, &OAuthToken);
    let cases: [(Meanwhile, &[&str]); 4] = [
        (|process, first| drop(process.saved_elsewhere(&refreshed(first, "later end", 300))), &["later end"]),
        (|process, first| drop(process.saved_elsewhere(&refreshed(first, "earlier end", 90))), &["kept"]),
        (
            |process, _| {
                let again = alice("signed in again", 61).with(Field::RefreshToken, "another refresh token");
                drop(process.saved_elsewhere(&again));
            },
            &["signed in again"],
        ),
        (|process, first| drop(now(process.plain.delete_token(&Context::new(), first.id().unwrap()))), &[]),
    ];
    for (index, (meanwhile, stands)) in cases.into_iter().enumerate() {
        let (process, first) = Process::with_alice();
        process.scene.is_away();
        process.save_in_vain(&refreshed(&first, "kept", 120));
        meanwhile(&process, &first);
        process.scene.is_back();
        process.scene.time.advance(WHILE);
        let (found, source) = process.by_id(first.id().unwrap()).unwrap();
        assert_eq!(
            (found.map(|token| access(&token)), source),
            (stands.first().map(|s| (*s).to_owned()), Source::Store)
        );
        assert_eq!(
            (process.stored(), process.layer.unsaved()),
            (stands.iter().map(|s| (*s).to_owned()).collect(), 0),
            "case {index}"
        );
    }
}

#[test]
fn an_outcome_of_the_vaults_is_passed_on() {
    let (process, first) = Process::with_alice();
    assert_eq!(process.save(&mut refreshed(&first, "second", 120)).unwrap().outcome, Outcome::Updated);
    assert_eq!(process.save(&mut refreshed(&first, "late", 90)).unwrap().outcome, Outcome::Superseded);
}

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
