//! Who may not read what is in the journal is not told of it by a save either.

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::Source;
use tokenvault::token::OAuthToken;

use crate::journal::machine::{Machine, Worker, is, with_alice};
use crate::process::{WHILE, access, of, refreshed};
use crate::scene::{LONGEST, SECOND};
use crate::scripted::Fate;

/// A save that names the token and brings none of its secrets.
fn moved(user: &str) -> OAuthToken {
    let token = OAuthToken::new().with(Field::UserName, user).with(Field::ClientId, "app");
    token.with(Field::ApiDomain, "eu")
}

#[test]
fn a_save_is_not_told_what_a_reader_may_not_have() {
    type Then = fn(&Machine, &Worker);
    let thens: [Then; 2] = [
        |machine, worker| {
            machine.time.advance(WHILE);
            machine.store.otherwise(Fate::Fails(ErrorKind::PermissionDenied));
            assert_eq!(worker.find("bob").unwrap_err().kind(), ErrorKind::PermissionDenied);
            machine.is_away();
        },
        |machine, _| machine.time.advance(LONGEST + SECOND),
    ];
    for (index, then) in thens.into_iter().enumerate() {
        let (machine, worker, _) = with_alice();
        machine.is_away();
        let bob = worker.journaled(&of("bob", "bob's", 60).with(Field::ClientSecret, "secret"));
        then(&machine, &worker);
        for _ in 0..2 {
            let mut token = moved("bob");
            let (_, source) = worker.save(&mut token).unwrap();
            assert_eq!((source, token.id()), (Source::Journal, bob.id()), "{index}");
            assert!(token.fields() == moved("bob").fields(), "{index}: as it was given");
            assert_eq!(worker.find("bob").unwrap_err().kind(), ErrorKind::Unavailable, "{index}");
            assert_eq!(worker.by_id(bob.id().unwrap()).unwrap_err().kind(), ErrorKind::Unavailable, "{index}");
        }
        machine.is_back();
        let found = worker.find("bob").unwrap().0.unwrap();
        assert_eq!((access(&found), found.fields().text(Field::ApiDomain)), ("bob's".to_owned(), Some("eu")));
        assert_eq!(machine.stored(), [is("alice", "first"), is("bob", "bob's")]);
    }
}

#[test]
fn a_save_of_something_else_makes_no_secret_younger() {
    // In the journal already, or in the copy.
    for user in ["bob", "alice"] {
        let (machine, worker, _) = with_alice();
        machine.is_away();
        worker.journaled(&of("bob", "bob's", 60));
        machine.time.advance(LONGEST / 2);
        worker.journaled(&moved(user));
        assert!(worker.find(user).unwrap().0.is_some());
        machine.time.advance(LONGEST / 2 + SECOND);
        assert_eq!(worker.find(user).unwrap_err().kind(), ErrorKind::Unavailable, "{user}");
    }
}

#[test]
fn who_brings_all_secrets_goes_on_with_the_token() {
    let (machine, worker, _) = with_alice();
    machine.is_away();
    let bob = worker.journaled(&of("bob", "bob's", 60));
    machine.time.advance(LONGEST + SECOND);
    let next = worker.journaled(&refreshed(&bob, "next", 120));
    assert_eq!(access(&worker.find("bob").unwrap().0.unwrap()), "next");
    // With its base: a rotated refresh token is of the same sign-in.
    worker.journaled(&refreshed(&next, "last", 180).with(Field::RefreshToken, "rotated"));
    machine.is_back();
    worker.list().unwrap();
    assert_eq!((machine.stored(), worker.lost()), (vec![is("alice", "first"), is("bob", "last")], vec![]));
}
