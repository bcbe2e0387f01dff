//! The store is cut off, or the process killed, at each step of each operation, before the step has its effect or after it.

use std::sync::Arc;

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::going::{Going, now};
use crate::journal::machine::{ANOTHER_TEXT, Machine, NOTHING, There, Worker, is, with_alice};
use crate::process::{alice, of, refreshed};
use crate::scene::{AWAY, SECOND};
use crate::scripted::{Fate, Scripted};

type Pairs = Vec<(String, String)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Insert,
    Update,
    SignIn,
    Delete,
    DeleteAll,
}

const CALLS: [Call; 5] = [Call::Insert, Call::Update, Call::SignIn, Call::Delete, Call::DeleteAll];

impl Call {
    async fn make(self, worker: &Worker, first: &OAuthToken) -> bool {
        let (layer, context) = (&worker.layer, Context::new());
        match self {
            Self::Insert => layer.save_token(&context, &mut of("bob", "bob's", 60)).await.is_ok(),
            Self::Update => layer.save_token(&context, &mut refreshed(first, "second", 120)).await.is_ok(),
            Self::SignIn => {
                let mut again = alice("second", 60).with(Field::RefreshToken, "another refresh token");
                layer.save_token(&context, &mut again).await.is_ok()
            }
            Self::Delete => layer.delete_token(&context, first.id().unwrap()).await.is_ok(),
            Self::DeleteAll => layer.delete_tokens(&context).await.is_ok(),
        }
    }

    /// What is stored once it is done.
    fn done(self) -> Pairs {
        match self {
            Self::Insert => vec![is("alice", "first"), is("bob", "bob's")],
            Self::Update | Self::SignIn => vec![is("alice", "second")],
            Self::Delete | Self::DeleteAll => vec![],
        }
    }
}

/// Where it is cut, or killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Store,
    Copy,
    Journal,
}

fn way(machine: &Machine, at: Where) -> &Arc<Scripted> {
    match at {
        Where::Store => &machine.store,
        Where::Copy => &machine.copy,
        Where::Journal => &machine.kept,
    }
}

/// Plays `work` and drops it where it waits: the process is killed. `None` where nothing kept it waiting.
pub(super) fn killed(work: impl Future<Output = bool>) -> Option<bool> {
    let mut going = Going::unsure(work);
    going.step()
}

/// Kills a process at its step `number` of a call. Answers whether there was such a step.
fn kill(call: Call, is_away: bool, at: Where, number: usize, fate: Fate) -> bool {
    let said = format!("{call:?}, away {is_away}: killed at step {number} of {at:?}, {fate:?}");
    let (machine, worker, first) = with_alice();
    if is_away {
        machine.is_away();
    }
    way(&machine, at).next(std::iter::repeat_n(Fate::Done, number).chain([fate]));
    if at == Where::Store && is_away {
        way(&machine, at).next(std::iter::repeat_n(AWAY, number).chain([fate]));
    }
    let outcome = killed(call.make(&worker, &first));
    let is_acknowledged = outcome == Some(true);
    drop(worker);
    for scripted in [&machine.store, &machine.copy, &machine.kept] {
        scripted.next([]);
    }
    // The next process, still cut off: what was acknowledged is there.
    machine.is_away();
    let next = machine.process();
    if is_acknowledged && let Ok((seen, _)) = next.list() {
        assert_eq!(seen, call.done(), "{said}");
    }
    machine.is_back();
    next.list().unwrap();
    let stored = machine.stored();
    let before = vec![is("alice", "first")];
    assert!(stored == call.done() || (!is_acknowledged && stored == before), "{said}: {stored:?}");
    assert_eq!((next.entries(), next.lost()), (0, vec![]), "{said}");
    outcome.is_none()
}

const LATE: Fate = Fate::Late(std::time::Duration::from_secs(1_000_000));

#[test]
fn a_process_that_is_killed_in_a_write_loses_nothing_that_it_acknowledged() {
    for call in CALLS {
        for is_away in [false, true] {
            for at in [Where::Store, Where::Copy, Where::Journal] {
                for fate in [Fate::Never, LATE] {
                    let mut number = 0;
                    while kill(call, is_away, at, number, fate) {
                        number += 1;
                    }
                    assert!(number > 0 || (at == Where::Store && is_away), "{call:?}, {is_away}, {at:?} is asked");
                }
            }
        }
    }
}

/// Each call offline, and what was done to the token elsewhere since: then the play-back is cut or killed at each step.
#[test]
fn a_play_back_that_is_broken_off_anywhere_loses_nothing_and_makes_nothing_twice() {
    let theres: [There; 3] =
        [NOTHING, ANOTHER_TEXT, |machine, _| drop(machine.saved_elsewhere(&of("bob", "before", 30)))];
    for call in CALLS {
        for (index, there) in theres.into_iter().enumerate() {
            for at in [Where::Store, Where::Copy, Where::Journal] {
                for fate in [Fate::Never, LATE, AWAY, Fate::Lost(ErrorKind::Unavailable)] {
                    let mut number = 0;
                    while break_off(call, (index, there), at, number, fate) {
                        number += 1;
                    }
                    assert!(number > 0, "{call:?}, {at:?} is asked");
                }
            }
        }
    }
}

fn break_off(call: Call, (index, there): (usize, There), at: Where, number: usize, fate: Fate) -> bool {
    let said = format!("{call:?}, elsewhere {index}: broken off at step {number} of {at:?}, {fate:?}");
    let (machine, worker, first) = with_alice();
    machine.is_away();
    // Before and after it: two more.
    worker.journaled(&of("carol", "carol's", 60));
    machine.time.advance(SECOND);
    there(&machine, &first);
    machine.time.advance(SECOND);
    assert_eq!(killed(call.make(&worker, &first)), Some(true), "{said}");
    machine.time.advance(SECOND);
    worker.journaled(&of("dora", "dora's", 60));
    machine.is_back();
    way(&machine, at).calls();
    way(&machine, at).next(std::iter::repeat_n(Fate::Done, number).chain([fate]));
    let work = async { worker.layer.get_tokens(&Context::new()).await.is_ok() };
    let _ = killed(work);
    let was_reached = way(&machine, at).calls().len() > number;
    drop(worker);
    for scripted in [&machine.copy, &machine.kept] {
        scripted.next([]);
    }
    machine.is_back();
    let next = machine.process();
    let (listed, source) = next.list().unwrap();
    assert_eq!(source, Source::Store, "{said}");
    let mut expected = call.done();
    if index == 2 && call != Call::Insert && call != Call::DeleteAll {
        expected.push(is("bob", "before"));
    }
    if call != Call::DeleteAll {
        expected.push(is("carol", "carol's"));
    }
    expected.push(is("dora", "dora's"));
    expected.sort();
    assert_eq!((&listed, &machine.stored()), (&expected, &expected), "{said}");
    assert_eq!((next.entries(), next.lost()), (0, vec![]), "{said}");
    was_reached
}

/// Kills a process where its play-back has just written to the store.
pub(super) fn killed_after_its_commit(machine: &Machine, worker: Worker) {
    machine.is_back();
    let mut number = 0;
    loop {
        machine.store.calls();
        machine.store.next(std::iter::repeat_n(Fate::Done, number).chain([LATE]));
        let work = async { worker.layer.get_tokens(&Context::new()).await.is_ok() };
        assert_eq!(killed(work), None, "it writes to the store");
        if machine.store.calls().last() == Some(&"commit") {
            break;
        }
        number += 1;
    }
    machine.is_back();
}

#[test]
fn what_was_deleted_between_two_halves_of_a_play_back_stays_deleted() {
    // As a record of its own, or as a part of another.
    for is_merged in [false, true] {
        let (machine, worker, _) = with_alice();
        machine.is_away();
        if is_merged {
            machine.saved_elsewhere(&of("bob", "before", 30).with(Field::RefreshToken, "of before"));
        }
        machine.time.advance(SECOND);
        worker.journaled(&of("bob", "bob's", 60));
        killed_after_its_commit(&machine, worker);
        assert_eq!(machine.stored(), [is("alice", "first"), is("bob", "bob's")]);
        let bob = now(machine.plain.get_tokens(&Context::new())).unwrap().value;
        machine.deleted_elsewhere(bob.iter().find(|token| token.user_name() == Some("bob")).unwrap());
        let next = machine.process();
        assert_eq!(next.list().unwrap().0, [is("alice", "first")], "merged {is_merged}");
        assert_eq!((next.entries(), next.lost()), (0, vec![("deleted", "bob's".to_owned())]));
    }
}

#[test]
fn what_a_play_back_has_replaced_is_kept_also_where_it_was_killed_then() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    worker.journaled(&refreshed(&first, "here", 120));
    machine.saved_elsewhere(&refreshed(&first, "there", 90));
    killed_after_its_commit(&machine, worker);
    let next = machine.process();
    assert_eq!(next.list().unwrap().0, [is("alice", "here")]);
    assert_eq!((next.entries(), next.lost()), (0, vec![("replaced", "there".to_owned())]));
}

#[test]
fn a_delete_of_all_ends_a_sign_in_that_it_saw_also_as_a_part_of_another_record() {
    let (machine, worker, _) = with_alice();
    machine.is_away();
    machine.saved_elsewhere(&of("bob", "before", 30).with(Field::RefreshToken, "of before"));
    machine.time.advance(SECOND);
    worker.journaled(&of("bob", "bob's", 60));
    machine.time.advance(SECOND);
    assert_eq!(worker.clear().unwrap().0, 2);
    machine.time.advance(SECOND);
    killed_after_its_commit(&machine, worker);
    let bob = now(machine.plain.get_tokens(&Context::new())).unwrap().value;
    let bob = bob.iter().find(|token| token.user_name() == Some("bob")).unwrap();
    machine.saved_elsewhere(&refreshed(bob, "late", 300));
    let next = machine.process();
    assert_eq!(next.list().unwrap().0, []);
    assert_eq!((machine.stored(), next.entries()), (vec![], 0));
    assert_eq!(next.lost(), [("overtaken", "bob's".to_owned())], "by the late one");
}
