//! A play-back whose commit took effect unheard: what others save after it is theirs, also when the entry is played back again.

use tokenvault::fields::Field;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::going::now;
use crate::journal::cuts::{killed, killed_after_its_commit};
use crate::journal::machine::{Machine, with_alice};
use crate::process::{access, alice, of, refreshed};
use crate::scene::SECOND;
use crate::scripted::Fate;

/// A single field of Alice's or Bob's token in the store, and the access token beside it.
fn held(machine: &Machine, user: &str, field: Field) -> (Option<String>, String) {
    let token = stored(machine, user);
    (token.fields().text(field).map(str::to_owned), access(&token))
}

fn stored(machine: &Machine, user: &str) -> OAuthToken {
    let mut token = OAuthToken::new().with(Field::UserName, user);
    assert!(now(machine.plain.find_token(&Context::new(), &mut token)).unwrap().value);
    token
}

/// Somebody elsewhere reads the token and saves it with another secret of the client.
fn secret_elsewhere(machine: &Machine, user: &str) {
    machine.saved_elsewhere(&stored(machine, user).with(Field::ClientSecret, "s2"));
}

#[test]
fn a_field_that_was_saved_elsewhere_after_an_unheard_commit_is_not_rolled_back() {
    for is_sign_in in [false, true] {
        for is_merged in [false, true] {
            let (machine, worker, first) = with_alice();
            let first = machine.saved_elsewhere(&first.with(Field::ClientSecret, "s0"));
            machine.is_away();
            machine.time.advance(SECOND);
            let here = match is_sign_in {
                false => refreshed(&first, "here", 120),
                true => alice("here", 120).with(Field::RefreshToken, "another refresh token"),
            };
            worker.journaled(&here.with(Field::ClientSecret, "s1"));
            if is_merged {
                machine.saved_elsewhere(&first.clone().with(Field::RedirectUrl, "there"));
            }
            killed_after_its_commit(&machine, worker);
            let said = format!("sign-in {is_sign_in}, merged {is_merged}");
            assert_eq!(
                held(&machine, "alice", Field::ClientSecret),
                (Some("s1".to_owned()), "here".to_owned()),
                "{said}"
            );
            secret_elsewhere(&machine, "alice");
            let next = machine.process();
            next.list().unwrap();
            assert_eq!(
                held(&machine, "alice", Field::ClientSecret),
                (Some("s2".to_owned()), "here".to_owned()),
                "{said}"
            );
            assert_eq!((next.entries(), next.lost()), (0, vec![]), "{said}");
            let kept = now(machine.kept.inner.list(&Context::new())).unwrap().value;
            assert_eq!(kept.len(), 1, "{said}: nothing but what the journal says of itself");
        }
    }
}

#[test]
fn nor_is_one_of_a_token_that_was_first_saved_here() {
    for is_merged in [false, true] {
        let (machine, worker, _) = with_alice();
        machine.is_away();
        worker.journaled(&of("bob", "here", 60).with(Field::ClientSecret, "s1"));
        if is_merged {
            // Of the same refresh token.
            machine.saved_elsewhere(&of("bob", "there", 30));
        }
        killed_after_its_commit(&machine, worker);
        assert_eq!(held(&machine, "bob", Field::ClientSecret), (Some("s1".to_owned()), "here".to_owned()));
        secret_elsewhere(&machine, "bob");
        let next = machine.process();
        next.list().unwrap();
        assert_eq!(held(&machine, "bob", Field::ClientSecret), (Some("s2".to_owned()), "here".to_owned()));
        assert_eq!(next.entries(), 0);
    }
}

#[test]
fn nor_after_several_attempts() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    worker.journaled(&refreshed(&first, "here", 120).with(Field::ClientSecret, "s1"));
    let mut worker = Some(worker);
    for end in [90, 100] {
        killed_after_its_commit(&machine, worker.take().unwrap_or_else(|| machine.process()));
        assert_eq!(stored(&machine, "alice").fields().text(Field::AccessToken), Some("here"));
        // The play-back writes over it, and so has something to commit.
        let there = refreshed(&stored(&machine, "alice"), "there", end);
        machine.saved_elsewhere(&there.with(Field::ClientSecret, "s2"));
    }
    let next = machine.process();
    next.list().unwrap();
    assert_eq!(held(&machine, "alice", Field::ClientSecret), (Some("s2".to_owned()), "here".to_owned()));
    // Each attempt has replaced one.
    let there = ("replaced", "there".to_owned());
    assert_eq!((next.entries(), next.lost()), (0, vec![there.clone(), there]));
    let ends = now(next.journal.lost()).unwrap();
    let ends: Vec<_> = ends.iter().map(|lost| lost.fields.text(Field::ExpiresIn)).collect();
    assert_ne!(ends[0], ends[1], "none is in the place of the other");
}

#[test]
fn what_an_attempt_did_not_write_is_written_by_the_next() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    worker.journaled(&refreshed(&first, "here", 120).with(Field::ClientSecret, "s1"));
    machine.is_back();
    machine.store.next([Fate::Done, Fate::Never]);
    assert_eq!(killed(async { worker.layer.get_tokens(&Context::new()).await.is_ok() }), None);
    machine.saved_elsewhere(&first.with(Field::RedirectUrl, "there"));
    machine.is_back();
    machine.process().list().unwrap();
    assert_eq!(held(&machine, "alice", Field::ClientSecret), (Some("s1".to_owned()), "here".to_owned()));
    assert_eq!(held(&machine, "alice", Field::RedirectUrl).0.as_deref(), Some("there"));
}

#[test]
fn a_sign_in_that_came_after_an_unheard_commit_of_another_stands_also_where_its_clock_is_behind() {
    // The record is the user's own, or is made by the play-back.
    for is_known in [true, false] {
        let (machine, worker, _) = with_alice();
        let user = if is_known { "alice" } else { "bob" };
        machine.is_away();
        machine.time.advance(SECOND);
        worker.journaled(&of(user, "here", 120).with(Field::RefreshToken, "another refresh token"));
        killed_after_its_commit(&machine, worker);
        machine.time.set_back(SECOND * 600);
        machine.saved_elsewhere(&of(user, "there", 60).with(Field::RefreshToken, "a third refresh token"));
        machine.time.advance(SECOND * 600);
        let next = machine.process();
        next.list().unwrap();
        assert_eq!(access(&stored(&machine, user)), "there", "known {is_known}");
        assert_eq!((next.entries(), next.lost()), (0, vec![("overtaken", "here".to_owned())]));
    }
}
