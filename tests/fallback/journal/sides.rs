//! Two machines on different sides of a cut, each with a journal of its own.

use std::sync::Arc;

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::layer::cache::Cache;
use tokenvault::layer::cache::options::CacheOptions;
use tokenvault::operation::{Context, Source};
use tokenvault::secret::SecretText;
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;

use crate::going::now;
use crate::journal::machine::{Machine, Worker, is, with_alice};
use crate::process::{access, alice, of, refreshed};
use crate::scene::SECOND;

/// Two machines that know of Alice's token; the first is cut off.
fn two() -> (Machine, Worker, Worker, OAuthToken) {
    let (machine, left, first) = with_alice();
    let right = machine.another().process();
    right.list().unwrap();
    machine.is_away();
    (machine, left, right, first)
}

#[test]
fn both_write_and_the_rule_decides() {
    // (the end of the left one's, of the right one's, what stands, what does not)
    for (left_end, right_end, stands, lost) in
        [(120, 300, "right", ("overtaken", "left")), (300, 120, "left", ("replaced", "right"))]
    {
        let (machine, left, right, first) = two();
        left.journaled(&refreshed(&first, "left", left_end));
        let mut by_right = refreshed(&right.by_id(first.id().unwrap()).unwrap().0.unwrap(), "right", right_end);
        assert_eq!(right.save(&mut by_right).unwrap().1, Source::Store);
        // Each sees what it was told, until the cut is over.
        assert_eq!(access(&left.by_id(first.id().unwrap()).unwrap().0.unwrap()), "left");
        assert_eq!(access(&right.by_id(first.id().unwrap()).unwrap().0.unwrap()), "right");
        machine.is_back();
        for worker in [&left, &right] {
            assert_eq!(worker.list().unwrap(), (vec![is("alice", stands)], Source::Store));
        }
        assert_eq!((left.lost(), left.entries()), (vec![(lost.0, lost.1.to_owned())], 0));
    }
}

#[test]
fn both_sign_in_one_user_and_there_is_one_record() {
    let (machine, left, right, _) = two();
    let by_left = left.journaled(&of("bob", "left", 60));
    machine.time.advance(SECOND);
    let mut by_right = of("bob", "right", 90);
    assert_eq!(right.save(&mut by_right).unwrap().0.outcome, Outcome::Inserted);
    machine.is_back();
    left.list().unwrap();
    assert_eq!(machine.stored(), [is("alice", "first"), is("bob", "right")]);
    for id in [by_left.id().unwrap(), by_right.id().unwrap()] {
        for worker in [&left, &right] {
            assert_eq!(access(&worker.by_id(id).unwrap().0.unwrap()), "right");
        }
    }
    // Whoever holds the token of offline goes on with it, and undoes nothing.
    let (saved, _) = left.save(&mut refreshed(&by_left, "next", 200)).unwrap();
    assert_eq!(saved.outcome, Outcome::Updated);
    assert_eq!(machine.stored(), [is("alice", "first"), is("bob", "next")]);
}

#[test]
fn what_was_handed_out_offline_goes_on_in_the_next_outage() {
    let (machine, left, right, _) = two();
    let by_left = left.journaled(&of("bob", "left", 60));
    machine.time.advance(SECOND);
    right.save(&mut of("bob", "right", 90)).unwrap();
    machine.is_back();
    left.list().unwrap();
    machine.is_away();
    left.journaled(&refreshed(&by_left, "next", 200));
    machine.is_back();
    left.list().unwrap();
    assert_eq!(machine.stored(), [is("alice", "first"), is("bob", "next")]);
    // Told of is what each side had at the end of the first outage.
    assert_eq!(left.lost(), [("overtaken", "left".to_owned()), ("replaced", "right".to_owned())]);
}

#[test]
fn one_logs_out_and_the_other_refreshes() {
    let (machine, left, right, first) = two();
    assert!(left.delete(first.id().unwrap()).unwrap().0);
    let mut by_right = refreshed(&first, "right", 300);
    right.save(&mut by_right).unwrap();
    machine.is_back();
    assert_eq!(left.list().unwrap().0, []);
    assert_eq!(right.by_id(first.id().unwrap()).unwrap().0.map(|token| access(&token)), None);
    assert!(right.save(&mut refreshed(&by_right, "late", 400)).is_err());
    assert_eq!((machine.stored(), left.lost()), (vec![], vec![]));
}

#[test]
fn both_are_cut_off_one_after_the_other() {
    let (machine, left, first) = with_alice();
    let other = machine.another();
    let right = other.process();
    right.list().unwrap();
    machine.is_away();
    other.is_away();
    left.journaled(&refreshed(&first, "left", 300));
    right.journaled(&refreshed(&first, "right", 120));
    let bob = [&left, &right].map(|worker| worker.journaled(&of("bob", "the same", 60)));
    other.is_back();
    right.list().unwrap();
    assert_eq!(machine.stored(), [is("alice", "right"), is("bob", "the same")]);
    machine.is_back();
    left.list().unwrap();
    assert_eq!(machine.stored(), [is("alice", "left"), is("bob", "the same")]);
    assert_eq!((left.lost(), right.lost()), (vec![("replaced", "right".to_owned())], vec![]));
    for id in bob.iter().map(|bob| bob.id().unwrap()) {
        assert_eq!(access(&right.by_id(id).unwrap().0.unwrap()), "the same");
    }
}

fn bob(by: &str, minutes: u64) -> OAuthToken {
    of("bob", by, minutes).with(Field::RefreshToken, &format!("refresh token of {by}"))
}

/// In each way that a token of the journal can be handed out.
fn handed_out(worker: &Worker, saved: OAuthToken) -> [OAuthToken; 4] {
    let listed = now(worker.layer.get_tokens(&Context::new())).unwrap().value;
    let listed = listed.iter().find(|token| token.user_name() == Some("bob")).unwrap();
    let by_id = worker.by_id(saved.id().unwrap()).unwrap().0.unwrap();
    [saved, by_id, worker.find("bob").unwrap().0.unwrap(), OAuthToken::clone(listed)]
}

#[test]
fn a_refresh_of_the_older_of_two_sign_ins_does_not_undo_the_newer() {
    for way in 0..4 {
        let (machine, left, right, _) = two();
        let saved = left.journaled(&bob("left", 60));
        let by_left = &handed_out(&left, saved)[way];
        machine.time.advance(SECOND);
        right.save(&mut bob("right", 90)).unwrap();
        machine.is_back();
        left.list().unwrap();
        assert_eq!(left.lost(), [("overtaken", "left".to_owned())]);
        let mut late = refreshed(by_left, "left's next", 300);
        assert_eq!(left.save(&mut late).unwrap().0.outcome, Outcome::Superseded, "way {way}");
        assert_eq!(machine.stored(), [is("alice", "first"), is("bob", "right")]);
        // Nor while it is cut off again, and knows of the newer one.
        machine.is_away();
        let mut later = refreshed(by_left, "left's last", 400);
        let (saved, source) = left.save(&mut later).unwrap();
        assert_eq!((saved.outcome, source, left.entries()), (Outcome::Superseded, Source::Journal, 0));
        machine.is_back();
        left.list().unwrap();
        assert_eq!(machine.stored(), [is("alice", "first"), is("bob", "right")]);
    }
}

#[test]
fn a_refresh_of_the_newer_of_two_sign_ins_goes_on() {
    for way in 0..4 {
        let (machine, left, right, _) = two();
        right.save(&mut bob("right", 90)).unwrap();
        machine.time.advance(SECOND);
        let saved = left.journaled(&bob("left", 60));
        let by_left = &handed_out(&left, saved)[way];
        machine.is_back();
        left.list().unwrap();
        let mut next = refreshed(by_left, "left's next", 70);
        assert_eq!(left.save(&mut next).unwrap().0.outcome, Outcome::Updated, "way {way}");
        assert_eq!(machine.stored(), [is("alice", "first"), is("bob", "left's next")]);
    }
}

#[test]
fn a_log_out_elsewhere_of_what_was_first_saved_here_is_final() {
    for way in 0..4 {
        for (id, is_merged) in [(None, false), (Some("17"), false), (None, true)] {
            let (machine, left, right, _) = two();
            if is_merged {
                right.save(&mut bob("right", 90)).unwrap();
                machine.time.advance(SECOND);
            }
            let saved = left.journaled(&bob("left", 60).with_id(id.unwrap_or_default()));
            let by_left = &handed_out(&left, saved)[way];
            machine.is_back();
            left.list().unwrap();
            let there = right.by_id(by_left.id().unwrap()).unwrap().0.unwrap();
            machine.deleted_elsewhere(&there);
            let late = left.save(&mut refreshed(by_left, "late", 300));
            assert_eq!(late.unwrap_err().kind(), ErrorKind::Gone, "way {way}, {id:?}, merged {is_merged}");
            assert_eq!(machine.stored(), [is("alice", "first")]);
        }
    }
}

#[test]
fn a_log_out_takes_what_was_first_saved_here_from_memory_too() {
    let (machine, left, right, _) = two();
    let mut by_right = bob("right", 90);
    right.save(&mut by_right).unwrap();
    let mut options = CacheOptions::default();
    options.clock = Arc::clone(&machine.time) as _;
    let cache = Cache::new(Arc::new(left.layer), options);
    let mut by_left = bob("left", 60);
    assert_eq!(now(cache.save_token(&Context::new(), &mut by_left)).unwrap().source, Source::Journal);
    machine.is_back();
    let find = |id: &str| now(cache.find_token_by_id(&Context::new(), id)).unwrap().value;
    let [id, other] = [&by_right, &by_left].map(|token| token.id().unwrap());
    assert!(find(id).is_some());
    assert!(now(cache.delete_token(&Context::new(), id)).unwrap().value);
    for id in [id, other] {
        assert!(find(id).is_none(), "{id}");
    }
}

#[test]
fn the_tokens_of_one_client_do_not_go_into_the_record_of_another() {
    let (machine, worker, first) = with_alice();
    let other = alice("other's", 60).with(Field::ClientId, "other app").with(Field::RefreshToken, "refresh of other");
    machine.saved_elsewhere(&other);
    machine.is_away();
    machine.time.advance(SECOND);
    // Of the other client, which the copy does not know of.
    let mut late = OAuthToken::new().with(Field::UserName, "alice").with(Field::AccessToken, "other's next");
    late.set(Field::RefreshToken, Some(SecretText::new("refresh of other")));
    worker.journaled(&late);
    machine.is_back();
    worker.list().unwrap();
    assert_eq!(machine.stored(), [is("alice", "first"), is("alice", "other's")]);
    assert_eq!((worker.lost(), worker.entries()), (vec![("refused", "other's next".to_owned())], 0));
    let found = worker.by_id(first.id().unwrap()).unwrap().0.unwrap();
    assert_eq!(found.fields().text(Field::RefreshToken), Some("refresh of alice"));
}
