//! Sign-ins that take effect in the store while their answer is lost.

use tokenvault::error::ErrorKind;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;

use crate::going::{Going, now};
use crate::journal::machine::{Machine, is, with_alice};
use crate::process::of;
use crate::scene::SECOND;
use crate::scripted::Fate;

const LOST: Fate = Fate::Lost(ErrorKind::Unavailable);
const FULL: Fate = Fate::Fails(ErrorKind::StorageFull);

/// Somebody logs Bob out, if he is in the store. Answers whether he was.
fn logged_out_elsewhere(machine: &Machine) -> bool {
    let all = now(machine.plain.get_tokens(&Context::new())).unwrap().value;
    let bob = all.iter().find(|token| token.user_name() == Some("bob"));
    bob.iter().for_each(|bob| machine.deleted_elsewhere(bob));
    bob.is_some()
}

#[test]
fn a_log_out_elsewhere_ends_a_sign_in_whose_answer_was_lost() {
    for fate in [LOST, Fate::Late(1000 * SECOND)] {
        let (mut at, mut was_ended) = (0, false);
        loop {
            let (machine, worker, _) = with_alice();
            machine.store.next(std::iter::repeat_n(Fate::Done, at).chain([fate]));
            let (context, mut bob) = (Context::new(), of("bob", "bob's", 60));
            let mut going = Going::unsure(worker.layer.save_token(&context, &mut bob));
            let answer = going.step().or_else(|| {
                machine.time.advance(5 * SECOND);
                going.step()
            });
            let source = answer.unwrap().unwrap().source;
            drop(going);
            if source == Source::Store {
                break;
            }
            let is_ended = logged_out_elsewhere(&machine);
            machine.is_back();
            worker.list().unwrap();
            let told = |why| vec![(why, "bob's".to_owned())];
            let (stored, lost) = match is_ended {
                true => (vec![is("alice", "first")], told("deleted")),
                false => (vec![is("alice", "first"), is("bob", "bob's")], vec![]),
            };
            assert_eq!((machine.stored(), worker.lost(), worker.entries()), (stored, lost, 0), "{at}, {fate:?}");
            was_ended |= is_ended;
            at += 1;
        }
        assert!(was_ended && at > 2, "it was there before its answer was lost");
    }
}

#[test]
fn also_one_that_the_journal_did_not_take() {
    for is_taken_later in [false, true] {
        let (machine, worker, _) = with_alice();
        machine.kept.commits(Some(FULL));
        // It looks for Bob by his name, and for whoever is of him and the client.
        machine.store.next([Fate::Done, Fate::Done, LOST]);
        assert_eq!(worker.save(&mut of("bob", "bob's", 60)).unwrap_err().kind(), ErrorKind::StorageFull);
        assert!(logged_out_elsewhere(&machine), "it was there");
        if is_taken_later {
            machine.is_away();
            machine.kept.commits(None);
            worker.list().unwrap();
            assert_eq!((worker.entries(), worker.layer.unsaved()), (1, 0));
        }
        machine.is_back();
        worker.list().unwrap();
        assert_eq!((machine.stored(), worker.entries(), worker.layer.unsaved()), (vec![is("alice", "first")], 0, 0));
    }
}
