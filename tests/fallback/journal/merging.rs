//! What stands where both sides of a cut have written one token, and what is kept of what does not.

use tokenvault::backend::fallback::journal::LOST_KEPT;
use tokenvault::clock::Clock;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::going::now;
use crate::journal::machine::{Machine, Worker, is, with_alice};
use crate::process::{WHILE, access, alice, of, refreshed};
use crate::scene::SECOND;
use crate::scripted::Fate;

fn signed_in_again(access: &str) -> OAuthToken {
    alice(access, 60).with(Field::RefreshToken, &format!("refresh token of {access}"))
}

type Here = fn(&Worker, &OAuthToken);
type There = fn(&Machine, &OAuthToken);

/// What is done here while the store is away, what the others do after it, what stands, and what does not.
struct Case {
    said: &'static str,
    here: Here,
    there: There,
    stands: &'static [&'static str],
    lost: &'static [(&'static str, &'static str)],
}

const HERE_REFRESHED: Here = |worker, first| drop(worker.journaled(&refreshed(first, "here", 120)));
const HERE_SIGNED_IN: Here = |worker, _| drop(worker.journaled(&signed_in_again("here")));
const HERE_DELETED: Here = |worker, first| assert!(worker.delete(first.id().unwrap()).unwrap().0);
const HERE_CLEARED: Here = |worker, _| assert_eq!(worker.clear().unwrap().0, 1);
const HERE_WITHOUT_BASE: Here = |worker, _| drop(worker.journaled(&alice("here", 120)));
const THERE_LATER: There = |machine, first| drop(machine.saved_elsewhere(&refreshed(first, "there", 300)));
const THERE_EARLIER: There = |machine, first| drop(machine.saved_elsewhere(&refreshed(first, "there", 90)));
const THERE_SAME: There = |machine, first| drop(machine.saved_elsewhere(&refreshed(first, "here", 120)));
const THERE_SIGNED_IN: There = |machine, _| drop(machine.saved_elsewhere(&signed_in_again("there")));
const THERE_DELETED: There = |machine, first| machine.deleted_elsewhere(first);
const THERE_DOMAIN: There =
    |machine, first| drop(machine.saved_elsewhere(&first.clone().with(Field::ApiDomain, "elsewhere")));

#[rustfmt::skip]
const CASES: [Case; 18] = [
    Case { said: "within a sign-in the later end wins", here: HERE_REFRESHED, there: THERE_LATER, stands: &["there"], lost: &[("overtaken", "here")] },
    Case { said: "also that of the journal", here: HERE_REFRESHED, there: THERE_EARLIER, stands: &["here"], lost: &[("replaced", "there")] },
    Case { said: "two that are the same", here: HERE_REFRESHED, there: THERE_SAME, stands: &["here"], lost: &[] },
    Case { said: "a newer sign-in wins", here: HERE_REFRESHED, there: THERE_SIGNED_IN, stands: &["there"], lost: &[("overtaken", "here")] },
    Case { said: "a log-out is final", here: HERE_REFRESHED, there: THERE_DELETED, stands: &[], lost: &[("deleted", "here")] },
    Case { said: "fields move singly", here: HERE_REFRESHED, there: THERE_DOMAIN, stands: &["here"], lost: &[] },
    Case { said: "a save without a base started from what was seen", here: HERE_WITHOUT_BASE, there: THERE_LATER, stands: &["there"], lost: &[("overtaken", "here")] },
    Case { said: "and is the later one", here: HERE_WITHOUT_BASE, there: THERE_EARLIER, stands: &["here"], lost: &[("replaced", "there")] },
    Case { said: "a new sign-in wins over a refresh", here: HERE_SIGNED_IN, there: THERE_LATER, stands: &["here"], lost: &[("replaced", "there")] },
    Case { said: "of two sign-ins that of the store stands", here: HERE_SIGNED_IN, there: THERE_SIGNED_IN, stands: &["there"], lost: &[("overtaken", "here")] },
    Case { said: "a sign-in of a record that is deleted", here: HERE_SIGNED_IN, there: THERE_DELETED, stands: &[], lost: &[("deleted", "here")] },
    Case { said: "a log-out ends what was refreshed since", here: HERE_DELETED, there: THERE_LATER, stands: &[], lost: &[] },
    Case { said: "but no newer sign-in", here: HERE_DELETED, there: THERE_SIGNED_IN, stands: &["there"], lost: &[("signed-in-again", "")] },
    Case { said: "it may be done already", here: HERE_DELETED, there: THERE_DELETED, stands: &[], lost: &[] },
    Case { said: "a global log-out as well", here: HERE_CLEARED, there: THERE_LATER, stands: &[], lost: &[] },
    Case { said: "and that ends no newer sign-in", here: HERE_CLEARED, there: THERE_SIGNED_IN, stands: &["there"], lost: &[("signed-in-again", "")] },
    Case { said: "it may be done already, too", here: HERE_CLEARED, there: THERE_DELETED, stands: &[], lost: &[] },
    Case { said: "a new sign-in keeps what else was changed", here: HERE_SIGNED_IN, there: THERE_DOMAIN, stands: &["here"], lost: &[] },
];

#[test]
fn the_rule_decides_between_two_sides_of_a_cut() {
    for Case { said, here, there, stands, lost } in CASES {
        let (machine, worker, first) = with_alice();
        machine.is_away();
        machine.time.advance(SECOND);
        here(&worker, &first);
        machine.time.advance(SECOND);
        there(&machine, &first);
        machine.is_back();
        // A process that comes later plays it back as well.
        let worker = machine.process();
        worker.list().unwrap();
        let stands: Vec<_> = stands.iter().map(|access| is("alice", access)).collect();
        let lost: Vec<_> = lost.iter().map(|(why, access)| (*why, (*access).to_owned())).collect();
        assert_eq!((machine.stored(), worker.lost(), worker.entries()), (stands, lost, 0), "{said}");
    }
}

#[test]
fn a_log_out_ends_no_sign_in_that_it_did_not_see() {
    // It was there before; or came after it, by a clock that is three minutes behind.
    for is_before in [true, false] {
        let (machine, worker, first) = with_alice();
        machine.time.advance(SECOND * 600);
        machine.is_away();
        if is_before {
            THERE_SIGNED_IN(&machine, &first);
            machine.time.advance(SECOND);
        }
        HERE_DELETED(&worker, &first);
        if !is_before {
            machine.time.set_back(SECOND * 180);
            THERE_SIGNED_IN(&machine, &first);
            machine.time.advance(SECOND * 180);
        }
        machine.is_back();
        worker.list().unwrap();
        assert_eq!((machine.stored(), worker.entries()), (vec![is("alice", "there")], 0), "before {is_before}");
        assert_eq!(worker.lost(), [("signed-in-again", String::new())], "before {is_before}");
    }
}

#[test]
fn an_api_domain_that_was_set_elsewhere_stays() {
    for here in [HERE_REFRESHED, HERE_SIGNED_IN] {
        let (machine, worker, first) = with_alice();
        machine.is_away();
        here(&worker, &first);
        THERE_DOMAIN(&machine, &first);
        machine.is_back();
        let found = worker.by_id(first.id().unwrap()).unwrap().0.unwrap();
        assert_eq!((found.fields().text(Field::ApiDomain), access(&found)), (Some("elsewhere"), "here".to_owned()));
    }
}

#[test]
fn a_chain_of_refreshes_holds_together() {
    // Signed in anew, refreshed with a rotated refresh token, and once more: all of it offline.
    for there in [None, Some(THERE_DOMAIN), Some(THERE_LATER)] {
        let (machine, worker, first) = with_alice();
        machine.is_away();
        let again = worker.journaled(&signed_in_again("one"));
        assert_eq!(again.id(), first.id());
        let two = worker.journaled(&refreshed(&again, "two", 120).with(Field::RefreshToken, "rotated"));
        let three = worker.journaled(&refreshed(&two, "three", 180));
        if let Some(there) = there {
            there(&machine, &first);
        }
        machine.is_back();
        let found = worker.by_id(first.id().unwrap()).unwrap().0.unwrap();
        assert_eq!((access(&found), found.fields().text(Field::RefreshToken)), ("three".to_owned(), Some("rotated")));
        // What was handed out offline goes on.
        let (saved, source) = worker.save(&mut refreshed(&three, "four", 240)).unwrap();
        assert_eq!((saved.outcome, source), (tokenvault::store::Outcome::Updated, Source::Store));
        assert_eq!(machine.stored(), [is("alice", "four")]);
    }
}

#[test]
fn an_offline_sign_in_becomes_part_of_the_record_of_its_user() {
    // Nobody here knows of Bob's record.
    for (is_later, stands, lost) in [
        (false, "here's next", vec![]),
        (true, "there", vec![("overtaken", "here".to_owned()), ("overtaken", "here's next".to_owned())]),
    ] {
        let (machine, worker, _) = with_alice();
        machine.is_away();
        let there = || machine.saved_elsewhere(&of("bob", "there", 60).with(Field::RefreshToken, "of there"));
        let early = (!is_later).then(there);
        machine.time.advance(SECOND);
        let bob = worker.journaled(&of("bob", "here", 60));
        let next = worker.journaled(&refreshed(&bob, "here's next", 120));
        assert_eq!(next.id(), bob.id());
        machine.time.advance(SECOND);
        let record = early.unwrap_or_else(there);
        machine.is_back();
        worker.list().unwrap();
        assert_eq!(machine.stored(), [is("alice", "first"), is("bob", stands)]);
        assert_eq!(worker.lost(), lost);
        // Both ids lead there, also for whoever was given the one of offline.
        for id in [record.id().unwrap(), bob.id().unwrap()] {
            assert_eq!(access(&worker.by_id(id).unwrap().0.unwrap()), stands);
        }
        let mut own = worker.by_id(bob.id().unwrap()).unwrap().0.unwrap();
        own = refreshed(&own, "later", 300);
        assert_eq!(worker.save(&mut own).unwrap().1, Source::Store);
        assert_eq!(machine.stored(), [is("alice", "first"), is("bob", "later")]);
    }
}

#[test]
fn a_sign_in_that_took_effect_unheard_is_not_made_twice() {
    let (machine, worker, _) = with_alice();
    let mut at = 0;
    loop {
        let user = format!("user {at}");
        machine.store.next(std::iter::repeat_n(Fate::Done, at).chain([Fate::Lost(ErrorKind::Unavailable)]));
        let mut token = of(&user, "one", 60);
        let (_, source) = worker.save(&mut token).unwrap();
        if source == Source::Store {
            break;
        }
        // It is refreshed while nobody knows.
        machine.is_away();
        worker.journaled(&refreshed(&token, "two", 120));
        machine.is_back();
        assert_eq!(access(&worker.by_id(token.id().unwrap()).unwrap().0.unwrap()), "two");
        at += 1;
    }
    assert!(at >= 2, "a save looks and writes");
    assert_eq!((machine.stored().len(), worker.lost()), (at + 2, Vec::new()));
}

#[test]
fn what_the_rules_refuse_by_then_is_kept_and_not_in_the_way() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    // Under an id of its own; meanwhile another record became Bob's.
    worker.journaled(&of("bob", "here", 60).with_id("17"));
    worker.journaled(&refreshed(&first, "second", 120));
    machine.saved_elsewhere(&of("bob", "there", 60).with_id("18"));
    machine.is_back();
    worker.list().unwrap();
    assert_eq!(machine.stored(), [is("alice", "second"), is("bob", "there")]);
    assert_eq!((worker.lost(), worker.entries()), (vec![("refused", "here".to_owned())], 0));
}

#[test]
fn an_entry_that_cannot_be_played_back_holds_up_its_token_only() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    let second = worker.journaled(&refreshed(&first, "second", 120));
    worker.journaled(&of("bob", "bob's", 60));
    worker.journaled(&refreshed(&second, "third", 180));
    machine.is_back();
    // The first commit is of Alice's token.
    machine.store.next([Fate::Done, Fate::Fails(ErrorKind::QuotaReached)]);
    assert_eq!(access(&worker.by_id(first.id().unwrap()).unwrap().0.unwrap()), "third");
    machine.store.next([Fate::Done, Fate::Fails(ErrorKind::QuotaReached)]);
    assert_eq!(worker.save(&mut refreshed(&second, "fourth", 240)).unwrap_err().kind(), ErrorKind::QuotaReached);
    let status = now(worker.journal.status()).unwrap();
    assert!(status.blocked.unwrap().contains("QuotaReached"), "as it was told");
    assert_eq!((status.entries, machine.stored()), (2, vec![is("alice", "first"), is("bob", "bob's")]));
    // Another token is not concerned.
    machine.store.next([Fate::Done, Fate::Fails(ErrorKind::QuotaReached)]);
    assert_eq!(worker.save(&mut of("carol", "carol's", 60)).unwrap().1, Source::Store);
    machine.store.next([Fate::Done, Fate::Fails(ErrorKind::QuotaReached)]);
    assert_eq!(worker.delete(first.id().unwrap()).unwrap_err().kind(), ErrorKind::QuotaReached);
    machine.store.next([Fate::Done, Fate::Fails(ErrorKind::QuotaReached)]);
    assert_eq!(worker.clear().unwrap_err().kind(), ErrorKind::QuotaReached);
    machine.store.next([Fate::Done, Fate::Fails(ErrorKind::QuotaReached)]);
    let (all, source) = worker.list().unwrap();
    assert_eq!(
        (all, source),
        (vec![is("alice", "third"), is("bob", "bob's"), is("carol", "carol's")], Source::Journal)
    );
    machine.is_back();
    assert_eq!(worker.list().unwrap().1, Source::Store);
    assert_eq!(machine.stored(), [is("alice", "third"), is("bob", "bob's"), is("carol", "carol's")]);
    assert_eq!(now(worker.journal.status()).unwrap().blocked, None);
}

#[test]
fn the_store_refuses_the_play_back() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    worker.journaled(&refreshed(&first, "second", 120));
    machine.is_back();
    machine.store.next([Fate::Done, Fate::Fails(ErrorKind::PermissionDenied)]);
    // It may be read, and not written: what was acknowledged is what is read.
    assert_eq!(access(&worker.by_id(first.id().unwrap()).unwrap().0.unwrap()), "second");
    machine.store.next([Fate::Done, Fate::Fails(ErrorKind::PermissionDenied)]);
    assert_eq!(worker.save(&mut refreshed(&first, "third", 180)).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(worker.entries(), 1);
    assert!(now(worker.layer.play_back(&Context::new())).is_ok());
    assert_eq!(machine.stored(), [is("alice", "second")]);
}

#[test]
fn what_did_not_stand_is_kept_for_thirty_days() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    let acknowledged_at = machine.time.now();
    HERE_REFRESHED(&worker, &first);
    THERE_LATER(&machine, &first);
    machine.is_back();
    worker.list().unwrap();
    let lost = now(worker.journal.lost()).unwrap();
    let Ok([lost]) = <[_; 1]>::try_from(lost) else { panic!("one did not stand") };
    assert_eq!((lost.id.as_deref(), lost.acknowledged_at), (first.id(), acknowledged_at));
    assert_eq!(lost.at.since(acknowledged_at), WHILE);
    assert_eq!(lost.fields.text(Field::RefreshToken), Some("refresh of alice"));
    machine.time.advance(LOST_KEPT - SECOND);
    worker.list().unwrap();
    assert_eq!(worker.lost().len(), 1);
    machine.time.advance(SECOND);
    machine.process().list().unwrap();
    assert_eq!(worker.lost(), []);
    // Or until it is told to forget them.
    machine.is_away();
    machine.time.advance(WHILE);
    worker.journaled(&refreshed(&first, "here", 310));
    THERE_LATER(&machine, &refreshed(&first, "there once more", 500));
    machine.is_back();
    worker.list().unwrap();
    assert_eq!(now(worker.journal.forget_lost(machine.time.now())).unwrap(), worker.lost().len().max(1));
    assert_eq!(worker.lost(), []);
}

#[test]
fn a_journal_is_of_one_store_and_of_nothing_else() {
    use tokenvault::backend::fallback::journal::Journal;
    let (machine, worker, first) = with_alice();
    machine.is_away();
    HERE_REFRESHED(&worker, &first);
    let other = now(Journal::open(machine.kept.clone(), "another store")).unwrap_err();
    assert_eq!(other.kind(), ErrorKind::InvalidInput);
    let copy = now(Journal::open(machine.copy.clone(), "the store")).unwrap_err();
    assert_eq!(copy.kind(), ErrorKind::InvalidInput);
    assert_eq!(machine.process().entries(), 1, "as it was");
    // Whoever empties it is found out, and not taken for an empty journal.
    now(tokenvault::backend::Backend::clear(&*machine.kept, &Context::new())).unwrap();
    assert_eq!(worker.list().unwrap_err().kind(), ErrorKind::Damaged);
    assert_eq!(now(worker.layer.get_tokens(&Context::new())).unwrap_err().kind(), ErrorKind::Damaged);
}

#[test]
fn so_many_are_taken_and_no_more() {
    let (machine, worker, _) = with_alice();
    machine.is_away();
    for number in 0..10_000 {
        worker.journaled(&of(&number.to_string(), "kept", 60));
    }
    let error = worker.save(&mut of("one more", "not kept", 60)).unwrap_err();
    assert_eq!((error.kind(), worker.entries()), (ErrorKind::Unavailable, 10_000));
    machine.is_back();
    assert_eq!(worker.list().unwrap().0.len(), 10_002);
    assert_eq!(worker.entries(), 0);
}
