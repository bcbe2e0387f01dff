//! What neither the store nor the journal took: kept by the process, and tried again.

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::going::Going;
use crate::journal::machine::{Machine, There, Worker, is, with_alice};
use crate::process::{WHILE, alice, of, refreshed};
use crate::scene::SECOND;
use crate::scripted::Fate;

const FULL: Fate = Fate::Fails(ErrorKind::StorageFull);

/// AWS is away, and the disk of the journal full.
fn cornered() -> (Machine, Worker, OAuthToken) {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    machine.kept.commits(Some(FULL));
    (machine, worker, first)
}

fn kept(worker: &Worker, token: &OAuthToken) -> String {
    let error = worker.save(&mut token.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    error.hint().unwrap().to_owned()
}

#[test]
fn what_is_kept_outlives_an_operation_that_is_given_up() {
    let (machine, worker, _) = cornered();
    for user in ["bob", "carol", "dora"] {
        assert!(kept(&worker, &of(user, "kept", 60)).contains("is kept in this process"));
    }
    assert_eq!(worker.layer.unsaved(), 3);
    machine.kept.commits(None);
    machine.is_back();
    // It is at the second of them.
    machine.store.next([Fate::Done, Fate::Done, Fate::Done, Fate::Never]);
    let context = Context::new();
    drop(Going::begun(worker.layer.get_tokens(&context)));
    assert_eq!(worker.layer.unsaved(), 2);
    machine.is_back();
    worker.list().unwrap();
    let users = ["bob", "carol", "dora"].map(|user| is(user, "kept"));
    assert_eq!((machine.stored(), worker.layer.unsaved()), ([vec![is("alice", "first")], users.to_vec()].concat(), 0));
}

#[test]
fn what_is_refused_for_now_is_tried_again() {
    for kind in [
        ErrorKind::PermissionDenied,
        ErrorKind::QuotaReached,
        ErrorKind::WrongKey,
        ErrorKind::Io,
        ErrorKind::Damaged,
        ErrorKind::Unsupported,
    ] {
        let (machine, worker, first) = cornered();
        kept(&worker, &refreshed(&first, "second", 120));
        machine.is_back();
        machine.kept.commits(None);
        machine.store.commits(Some(Fate::Fails(kind)));
        worker.list().unwrap();
        assert_eq!(worker.layer.unsaved(), 1, "{kind:?}");
        machine.store.commits(None);
        worker.list().unwrap();
        assert_eq!((machine.stored(), worker.layer.unsaved()), (vec![is("alice", "second")], 0), "{kind:?}");
    }
    // What the rules refuse is given up.
    let (machine, worker, first) = cornered();
    kept(&worker, &refreshed(&first, "second", 120));
    machine.deleted_elsewhere(&first);
    machine.is_back();
    worker.list().unwrap();
    assert_eq!(worker.layer.unsaved(), 0);
}

#[test]
fn what_holds_up_an_entry_of_the_journal_holds_up_what_is_kept_of_its_token() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    let second = worker.journaled(&refreshed(&first, "second", 120));
    machine.kept.commits(Some(FULL));
    kept(&worker, &refreshed(&second, "third", 180));
    machine.is_back();
    machine.kept.commits(None);
    machine.store.commits(Some(Fate::Fails(ErrorKind::QuotaReached)));
    worker.list().unwrap();
    assert_eq!((worker.entries(), worker.layer.unsaved()), (1, 1));
    machine.store.commits(None);
    worker.list().unwrap();
    assert_eq!((machine.stored(), worker.layer.unsaved()), (vec![is("alice", "third")], 0));
}

#[test]
fn nobody_waits_for_each_of_those_that_are_kept() {
    let (machine, worker, _) = cornered();
    for number in 0..20 {
        kept(&worker, &of(&number.to_string(), "kept", 60));
    }
    machine.time.advance(WHILE);
    machine.store.otherwise(Fate::Late(1000 * SECOND));
    let context = Context::new();
    let mut going = Going::begun(worker.layer.get_tokens(&context));
    machine.time.advance(5 * SECOND);
    let answer = going.step().expect("it waits for the store once").unwrap();
    assert_eq!((answer.source, worker.layer.unsaved()), (Source::Fallback, 20));
}

#[test]
fn one_token_is_kept_once_and_no_more_than_there_is_room_for() {
    let (_machine, worker, first) = cornered();
    for _ in 0..3 {
        kept(&worker, &refreshed(&first, "second", 120));
    }
    assert_eq!(worker.layer.unsaved(), 1);
    for number in 1..1000 {
        kept(&worker, &of(&number.to_string(), "kept", 60));
    }
    assert!(kept(&worker, &of("one more", "not kept", 60)).contains("too many tokens are kept"));
    assert_eq!(worker.layer.unsaved(), 1000);
}

#[test]
fn a_log_out_takes_what_is_kept_of_its_token() {
    type Given = fn(&OAuthToken) -> OAuthToken;
    let givens: [Given; 4] = [
        |first| refreshed(first, "late", 120),
        |_| alice("late", 120).with(Field::RefreshToken, "another refresh token"),
        |first| alice("late", 120).with_id(first.id().unwrap()),
        |first| first.detached().with(Field::UserName, "").with(Field::AccessToken, "late"),
    ];
    for (index, given) in givens.into_iter().enumerate() {
        for is_all in [false, true] {
            let (machine, worker, first) = cornered();
            kept(&worker, &given(&first));
            kept(&worker, &of("bob", "bob's", 60));
            machine.is_back();
            machine.kept.commits(None);
            // Whatever saves them is refused for now.
            machine.store.next(std::iter::repeat_n(Fate::Fails(ErrorKind::QuotaReached), 2));
            match is_all {
                true => drop(worker.clear().unwrap()),
                false => assert!(worker.delete(first.id().unwrap()).unwrap().0),
            }
            let left = if is_all { vec![] } else { vec![is("bob", "bob's")] };
            assert_eq!(worker.layer.unsaved(), left.len(), "{index}, all {is_all}");
            assert_eq!(worker.list().unwrap().0, left, "{index}, all {is_all}");
            assert_eq!(machine.stored(), left, "{index}, all {is_all}");
        }
    }
}

#[test]
fn a_delete_of_all_in_the_journal_takes_what_is_kept_beside_it() {
    let (machine, worker, _) = cornered();
    kept(&worker, &of("bob", "bob's", 60));
    machine.kept.next([Fate::Done, FULL]);
    machine.kept.commits(None);
    let mut full = 1;
    while worker.clear().is_err() {
        // The journal has no room for what is kept; then it has for the deletion.
        machine.kept.next(std::iter::repeat_n(Fate::Done, full).chain([FULL]));
        full += 1;
    }
    assert_eq!(worker.layer.unsaved(), 0);
    machine.is_back();
    assert_eq!((worker.list().unwrap().0, machine.stored()), (vec![], vec![]));
}

#[test]
fn a_sign_in_that_was_kept_gives_way_to_a_newer_one() {
    for by_journal in [false, true] {
        for (is_newer, stands) in [(false, "kept"), (true, "there")] {
            let (machine, worker, _) = cornered();
            let there = || {
                machine.time.advance(SECOND);
                let again = alice("there", 61).with(Field::RefreshToken, "refresh token of there");
                machine.saved_elsewhere(&again);
                machine.time.advance(SECOND);
            };
            if !is_newer {
                there();
            }
            kept(&worker, &alice("kept", 60).with(Field::RefreshToken, "refresh token of kept"));
            if is_newer {
                there();
            }
            machine.kept.commits(None);
            if by_journal {
                worker.list().unwrap();
                assert_eq!((worker.entries(), worker.layer.unsaved()), (1, 0));
            }
            machine.is_back();
            worker.list().unwrap();
            assert_eq!(machine.stored(), [is("alice", stands)], "by the journal {by_journal}");
            assert_eq!((worker.entries(), worker.layer.unsaved()), (0, 0));
        }
    }
}

/// A kept sign-in, what becomes of its user's token elsewhere then, and what stands.
#[test]
fn a_sign_in_that_was_kept_is_beside_what_it_would_have_become_part_of() {
    let theres: [(There, &[&str]); 2] = [
        (|machine, first| drop(machine.saved_elsewhere(&refreshed(first, "there", 300))), &["kept"]),
        (|machine, first| machine.deleted_elsewhere(first), &[]),
    ];
    for (index, (there, stands)) in theres.into_iter().enumerate() {
        let (machine, worker, first) = cornered();
        kept(&worker, &alice("kept", 60).with(Field::RefreshToken, "refresh token of kept"));
        machine.time.advance(SECOND);
        there(&machine, &first);
        machine.kept.commits(None);
        machine.is_back();
        worker.list().unwrap();
        let stands: Vec<_> = stands.iter().map(|access| is("alice", access)).collect();
        assert_eq!((machine.stored(), worker.entries(), worker.layer.unsaved()), (stands, 0, 0), "{index}");
    }
}

#[test]
fn a_refresh_token_that_was_rotated_while_its_sign_in_was_kept_is_saved() {
    for user in ["alice", "bob"] {
        let (machine, worker, first) = cornered();
        kept(&worker, &of(user, "one", 60).with(Field::RefreshToken, "refresh token of one"));
        machine.time.advance(SECOND);
        kept(&worker, &of(user, "two", 120).with(Field::RefreshToken, "rotated"));
        machine.time.advance(SECOND);
        if user == "alice" {
            machine.saved_elsewhere(&refreshed(&first, "there", 300));
        }
        machine.kept.commits(None);
        machine.is_back();
        worker.list().unwrap();
        let stands =
            if user == "alice" { vec![is("alice", "two")] } else { vec![is("alice", "first"), is("bob", "two")] };
        assert_eq!((machine.stored(), worker.entries(), worker.layer.unsaved()), (stands, 0, 0), "{user}");
    }
}

#[test]
fn a_sign_in_that_the_journal_took_unheard_is_ended_by_others() {
    for (is_all, is_given_up) in [(false, false), (true, false), (false, true), (true, true)] {
        let (machine, worker, _) = with_alice();
        machine.is_away();
        let fate = if is_given_up { Fate::Late(SECOND) } else { Fate::Lost(ErrorKind::Unavailable) };
        machine.kept.commits(Some(fate));
        let (context, mut bob) = (Context::new(), of("bob", "bob's", 60));
        let mut going = Going::unsure(worker.layer.save_token(&context, &mut bob));
        assert_eq!(going.step().is_none(), is_given_up);
        drop(going);
        assert_eq!(worker.layer.unsaved(), 1);
        machine.kept.commits(None);
        let other = machine.process();
        let bob = other.find("bob").unwrap().0.unwrap();
        match is_all {
            true => assert_eq!(other.clear().unwrap().0, 2),
            false => assert!(other.delete(bob.id().unwrap()).unwrap().0),
        }
        let left = if is_all { vec![] } else { vec![is("alice", "first")] };
        assert_eq!(
            (worker.list().unwrap().0, worker.layer.unsaved()),
            (left.clone(), 0),
            "all {is_all}, given up {is_given_up}"
        );
        machine.is_back();
        worker.list().unwrap();
        assert_eq!((machine.stored(), worker.entries()), (left, 0), "all {is_all}, given up {is_given_up}");
    }
}
