//! What is acknowledged while the store is out of reach, what is seen meanwhile, and what becomes of it.

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::secret::SecretText;
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;

use crate::going::now;
use crate::journal::machine::{Worker, is, with_alice};
use crate::process::{WHILE, access, alice, of, refreshed};
use crate::scene::{LONGEST, SECOND};
use crate::scripted::Fate;

#[test]
fn what_is_saved_offline_is_seen_by_every_process_and_comes_to_the_store() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    let second = worker.journaled(&refreshed(&first, "second", 120));
    assert_eq!(second.id(), first.id());
    let mut bob = of("bob", "bob's", 60);
    assert_eq!(worker.save(&mut bob).unwrap().0.outcome, Outcome::Inserted);
    let id = bob.id().unwrap().to_owned();
    assert!(id.starts_with("tv"));
    for other in [machine.process(), worker] {
        for (id, value) in [(first.id().unwrap(), "second"), (&id, "bob's")] {
            let (found, source) = other.by_id(id).unwrap();
            assert_eq!((access(found.as_ref().unwrap()), source), (value.to_owned(), Source::Journal));
            assert_eq!(found.unwrap().id(), Some(id));
        }
        let (found, source) = other.find("bob").unwrap();
        assert_eq!((found.unwrap().id(), source), (Some(&*id), Source::Journal));
        assert_eq!(other.list().unwrap(), (vec![is("alice", "second"), is("bob", "bob's")], Source::Journal));
        assert_eq!(other.entries(), 2);
    }
    assert_eq!(machine.stored(), [is("alice", "first")]);
    machine.is_back();
    let other = machine.process();
    assert_eq!(other.list().unwrap(), (vec![is("alice", "second"), is("bob", "bob's")], Source::Store));
    assert_eq!((machine.stored(), other.entries()), (vec![is("alice", "second"), is("bob", "bob's")], 0));
    // The id that was handed out is the token's, and what was handed out under it can be saved.
    let next = refreshed(&bob, "bob's next", 120);
    assert_eq!(other.save(&mut next.clone()).unwrap().1, Source::Store);
    assert_eq!(access(&other.by_id(&id).unwrap().0.unwrap()), "bob's next");
    assert_eq!((machine.stored().len(), other.lost()), (2, Vec::new()));
}

#[test]
fn every_operation_plays_back_first() {
    type Call = fn(&Worker, &OAuthToken);
    let calls: [Call; 6] = [
        |worker, alice| drop(worker.by_id(alice.id().unwrap())),
        |worker, _| drop(worker.find("alice")),
        |worker, _| drop(worker.list()),
        |worker, _| drop(worker.save(&mut of("bob", "bob's", 60))),
        |worker, _| drop(worker.delete("nobody's")),
        |worker, _| drop(worker.clear()),
    ];
    for (index, call) in calls.into_iter().enumerate() {
        let (machine, worker, first) = with_alice();
        machine.is_away();
        worker.journaled(&refreshed(&first, "second", 120));
        machine.is_back();
        call(&worker, &first);
        assert_eq!((worker.entries(), worker.lost()), (0, Vec::new()), "call {index}");
        let expected = match index {
            3 => vec![is("alice", "second"), is("bob", "bob's")],
            5 => vec![],
            _ => vec![is("alice", "second")],
        };
        assert_eq!(machine.stored(), expected, "call {index}");
    }
}

#[test]
fn what_is_refused_is_not_acknowledged() {
    for kind in [
        ErrorKind::PermissionDenied,
        ErrorKind::WrongKey,
        ErrorKind::QuotaReached,
        ErrorKind::Damaged,
        ErrorKind::NotFound,
    ] {
        let (machine, worker, first) = with_alice();
        machine.store.otherwise(Fate::Fails(kind));
        assert_eq!(worker.save(&mut refreshed(&first, "second", 120)).unwrap_err().kind(), kind);
        assert_eq!(worker.delete(first.id().unwrap()).unwrap_err().kind(), kind);
        assert_eq!(worker.clear().unwrap_err().kind(), kind);
        assert_eq!((worker.entries(), worker.layer.unsaved()), (0, 0), "{kind:?}");
    }
    // Nor what no store would take.
    let (machine, worker, _) = with_alice();
    machine.is_away();
    let bad = OAuthToken::new().with(Field::UserName, "bob");
    assert_eq!(worker.save(&mut bad.clone()).unwrap_err().kind(), ErrorKind::InvalidInput);
    worker.journaled(&of("carol", "carol's", 60));
    assert_eq!(worker.save(&mut bad.clone()).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(worker.entries(), 1);
}

#[test]
fn a_refusal_is_not_outlived_by_what_is_in_the_journal() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    let bob = worker.journaled(&of("bob", "bob's", 60));
    worker.journaled(&refreshed(&first, "second", 120));
    let reads = |worker: &Worker| {
        [
            worker.by_id(first.id().unwrap()).map(drop),
            worker.by_id(bob.id().unwrap()).map(drop),
            worker.find("bob").map(drop),
            worker.list().map(drop),
        ]
    };
    machine.store.otherwise(Fate::Fails(ErrorKind::PermissionDenied));
    machine.time.advance(WHILE);
    for read in reads(&worker) {
        assert_eq!(read.unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
    // Nor by cutting the network then.
    machine.is_away();
    for read in reads(&worker) {
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    machine.is_back();
    assert_eq!(worker.list().unwrap().0.len(), 2);
    assert_eq!(machine.stored(), [is("alice", "second"), is("bob", "bob's")]);
}

#[test]
fn what_is_in_the_journal_is_shown_no_longer_than_the_copy_may_be_old() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    worker.journaled(&refreshed(&first, "second", 120));
    machine.time.advance(LONGEST);
    assert_eq!(access(&worker.by_id(first.id().unwrap()).unwrap().0.unwrap()), "second");
    machine.time.advance(SECOND);
    let id = first.id().unwrap();
    assert_eq!(worker.by_id(id).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(worker.find("alice").unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(worker.list().unwrap_err().kind(), ErrorKind::Unavailable);
    // It is written all the same, and comes to the store.
    machine.is_back();
    assert_eq!(access(&worker.by_id(id).unwrap().0.unwrap()), "second");
}

#[test]
fn that_there_is_no_token_is_not_said() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    worker.journaled(&of("bob", "bob's", 60));
    assert_eq!(worker.find("carol").unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(worker.by_id("17").unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(worker.delete("17").unwrap_err().kind(), ErrorKind::Unavailable);
    // Bob has a token with another client.
    let mut other = OAuthToken::new().with(Field::UserName, "bob").with(Field::ClientId, "another app");
    let asked = now(worker.layer.find_token(&Context::new(), &mut other));
    assert_eq!(asked.unwrap_err().kind(), ErrorKind::Unavailable);
    // An id of the vault's making that nothing is known of is not known to be deleted.
    let mut unknown = alice("x", 60).with_id(&"tv".repeat(14));
    let unknown_id = tokenvault::identity::RecordName::random().unwrap().to_string();
    unknown.set_id(Some(&unknown_id));
    assert_eq!(worker.save(&mut unknown).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(worker.delete(first.id().unwrap()).unwrap(), (true, Source::Journal));
}

#[test]
fn a_log_out_is_final_also_offline() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    let bob = worker.journaled(&of("bob", "bob's", 60));
    for token in [&first, &bob] {
        assert_eq!(worker.delete(token.id().unwrap()).unwrap(), (true, Source::Journal));
        let late = worker.save(&mut refreshed(token, "late", 240));
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Gone);
        assert!(worker.by_id(token.id().unwrap()).is_err());
        assert_eq!(worker.delete(token.id().unwrap()).unwrap(), (false, Source::Journal));
    }
    // A new sign-in is one of its own.
    let again = worker.journaled(&alice("again", 60).with(Field::RefreshToken, "another refresh token"));
    assert_ne!(again.id(), first.id());
    machine.is_back();
    assert_eq!(worker.list().unwrap(), (vec![is("alice", "again")], Source::Store));
    assert_eq!(machine.process().by_id(first.id().unwrap()).unwrap().0.map(|token| access(&token)), None);
    assert_eq!(worker.lost(), []);
}

#[test]
fn a_global_log_out_is_as_of_then() {
    let (machine, worker, _) = with_alice();
    machine.saved_elsewhere(&of("carol", "unseen", 60));
    machine.is_away();
    worker.journaled(&of("bob", "bob's", 60));
    machine.time.advance(SECOND);
    assert_eq!(worker.clear().unwrap(), (2, Source::Journal));
    assert_eq!(worker.list().unwrap(), (vec![], Source::Fallback));
    machine.time.advance(SECOND);
    // Who signs in after it is not logged out by it, on either side.
    worker.journaled(&of("dora", "dora's", 60));
    machine.saved_elsewhere(&of("emil", "emil's", 60));
    assert_eq!(machine.process().list().unwrap().0, [is("dora", "dora's")]);
    machine.is_back();
    assert_eq!(worker.list().unwrap(), (vec![is("dora", "dora's"), is("emil", "emil's")], Source::Store));
    assert_eq!((worker.entries(), worker.lost()), (0, Vec::new()));
}

#[test]
fn what_a_global_log_out_has_not_seen_is_not_known_to_be_gone() {
    let (machine, worker, first) = with_alice();
    let carol = machine.saved_elsewhere(&of("carol", "unseen", 60));
    machine.saved_elsewhere(&of("dora", "unseen", 60).with_id("17"));
    machine.time.advance(SECOND);
    machine.is_away();
    let bob = worker.journaled(&of("bob", "bob's", 60));
    assert_eq!(worker.clear().unwrap(), (2, Source::Journal));
    machine.time.advance(SECOND);
    for token in [&first, &bob] {
        assert_eq!(worker.delete(token.id().unwrap()).unwrap(), (false, Source::Journal));
        assert_eq!(worker.save(&mut refreshed(token, "late", 240)).unwrap_err().kind(), ErrorKind::Gone);
    }
    for id in [carol.id().unwrap(), "17", "nobody's"] {
        assert_eq!(worker.delete(id).unwrap_err().kind(), ErrorKind::Unavailable, "{id}");
    }
    // What is not known to be gone is kept, and is what the store says then.
    assert_eq!(worker.save(&mut refreshed(&carol, "late", 240)).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!((worker.entries(), worker.layer.unsaved()), (2, 1));
    machine.is_back();
    assert_eq!(worker.list().unwrap(), (vec![], Source::Store));
    assert_eq!((worker.entries(), worker.layer.unsaved()), (0, 0));
}

#[test]
fn nothing_is_cleared_offline_that_nobody_knows() {
    let (machine, worker, _) = with_alice();
    machine.is_away();
    machine.time.advance(LONGEST * 2);
    assert_eq!(worker.clear().unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(worker.entries(), 0);
}

#[test]
fn a_token_can_be_saved_that_the_copy_does_not_show_any_more() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    machine.time.advance(LONGEST * 2);
    let second = worker.journaled(&refreshed(&first, "second", 120));
    let third = worker.journaled(&refreshed(&second, "third", 180));
    assert_eq!(third.id(), first.id());
    assert_eq!(access(&worker.by_id(first.id().unwrap()).unwrap().0.unwrap()), "third");
    machine.is_back();
    worker.list().unwrap();
    assert_eq!((machine.stored(), worker.lost()), (vec![is("alice", "third")], Vec::new()));
}

#[test]
fn a_change_of_something_else_goes_the_same_way() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    let mut moved = first.clone();
    moved.set(Field::ApiDomain, Some(SecretText::new("https://www.zohoapis.eu")));
    worker.journaled(&moved);
    machine.is_back();
    let (found, _) = worker.by_id(first.id().unwrap()).unwrap();
    assert_eq!(found.unwrap().fields().text(Field::ApiDomain), Some("https://www.zohoapis.eu"));
    assert_eq!(machine.stored(), [is("alice", "first")]);
}
