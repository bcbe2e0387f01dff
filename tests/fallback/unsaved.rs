//! What could not be saved is used, and saved later.

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::secret::SecretText;
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;

use crate::going::now;
use crate::process::{Process, WHILE, access, alice, of, refreshed};
use crate::scene::AWAY;
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
fn what_is_kept_is_not_handed_out_after_a_refusal() {
    let (process, first) = Process::with_alice();
    process.scene.is_away();
    process.save_in_vain(&refreshed(&first, "second", 120));
    let user = OAuthToken::new().with(Field::UserName, "alice");
    assert!(process.find(&user).unwrap().0.is_some());
    process.scene.time.advance(WHILE);
    process.scene.store.otherwise(Fate::Fails(ErrorKind::PermissionDenied));
    assert_eq!(process.find(&user).unwrap_err().kind(), ErrorKind::PermissionDenied);
    // Nor by cutting the network then.
    process.scene.is_away();
    assert_eq!(process.find(&user).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(process.by_id(first.id().unwrap()).unwrap_err().kind(), ErrorKind::Unavailable);
    process.scene.is_back();
    process.scene.time.advance(WHILE);
    assert_eq!(access(&process.find(&user).unwrap().0.unwrap()), "second");
}
