//! Who waits for what, and what becomes of whom nobody waits for.

use tokenvault::error::ErrorKind;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;

use crate::going::{Going, now};
use crate::journal::machine::{Machine, Worker, is, with_alice};
use crate::process::{WHILE, access, of, refreshed};
use crate::scene::SECOND;
use crate::scripted::Fate;

#[test]
fn a_save_waits_no_longer_for_the_store_than_a_read() {
    let (machine, worker, first) = with_alice();
    machine.store.otherwise(Fate::Late(1000 * SECOND));
    let (context, mut second) = (Context::new(), refreshed(&first, "second", 120));
    let mut going = Going::begun(worker.layer.save_token(&context, &mut second));
    machine.time.advance(5 * SECOND);
    assert_eq!(going.step().unwrap().unwrap().source, Source::Journal);
    // The next one does not wait at all.
    worker.journaled(&of("bob", "bob's", 60));
}

#[test]
fn the_token_of_a_save_that_nobody_waits_for_is_kept() {
    let (machine, worker, first) = with_alice();
    machine.store.otherwise(Fate::Late(100 * SECOND));
    let (context, mut second) = (Context::new(), refreshed(&first, "second", 120));
    drop(Going::begun(worker.layer.save_token(&context, &mut second)));
    assert_eq!(worker.layer.unsaved(), 1);
    machine.is_away();
    assert_eq!(access(&worker.by_id(first.id().unwrap()).unwrap().0.unwrap()), "second");
    assert_eq!((worker.layer.unsaved(), worker.entries()), (0, 1));
}

#[test]
fn what_the_journal_does_not_take_is_not_acknowledged_and_not_forgotten() {
    let kinds = [ErrorKind::StorageFull, ErrorKind::Unavailable];
    // What a disk says that is mounted read-only, or breaks.
    let broken = [ErrorKind::PermissionDenied, ErrorKind::Io, ErrorKind::Damaged];
    for kind in kinds.into_iter().chain(broken) {
        let mut at = 0;
        loop {
            let (machine, worker, first) = with_alice();
            machine.is_away();
            machine.kept.next(std::iter::repeat_n(Fate::Done, at).chain([Fate::Fails(kind)]));
            let is_acknowledged = worker.save(&mut refreshed(&first, "second", 120)).is_ok();
            machine.kept.next([]);
            assert_eq!(worker.layer.unsaved(), usize::from(!is_acknowledged));
            // Any operation puts it there.
            assert_eq!(access(&worker.by_id(first.id().unwrap()).unwrap().0.unwrap()), "second");
            assert!(worker.layer.unsaved() == 0 && worker.entries() > 0);
            machine.is_back();
            worker.list().unwrap();
            assert_eq!(machine.stored(), [is("alice", "second")]);
            if is_acknowledged {
                break;
            }
            at += 1;
        }
        assert!(at > 3, "the journal is asked more than once");
    }
}

#[test]
fn what_is_saved_while_the_journal_cannot_be_read_is_not_forgotten() {
    let (machine, worker, first) = with_alice();
    machine.kept.next([Fate::Fails(ErrorKind::Io)]);
    let error = worker.save(&mut refreshed(&first, "second", 120)).unwrap_err();
    assert_eq!((error.kind(), worker.layer.unsaved()), (ErrorKind::Unavailable, 1));
    worker.list().unwrap();
    assert_eq!((machine.stored(), worker.layer.unsaved()), (vec![is("alice", "second")], 0));
}

#[test]
fn a_write_goes_behind_an_entry_that_the_store_is_too_busy_for() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    let second = worker.journaled(&refreshed(&first, "second", 120));
    machine.is_back();
    machine.store.commits(Some(Fate::Fails(ErrorKind::Busy)));
    let third = worker.journaled(&refreshed(&second, "third", 180));
    assert_eq!((worker.entries(), worker.layer.unsaved()), (2, 0));
    assert_eq!(worker.delete(third.id().unwrap()).unwrap(), (true, Source::Journal));
    machine.store.commits(None);
    worker.list().unwrap();
    assert_eq!((machine.stored(), worker.entries()), (vec![], 0));
}

#[test]
fn another_process_plays_back_one_at_a_time() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    worker.journaled(&refreshed(&first, "second", 120));
    machine.is_back();
    machine.store.next([Fate::Late(2 * SECOND)]);
    let (context, id) = (Context::new(), first.id().unwrap());
    let mut playing = Going::begun(worker.layer.find_token_by_id(&context, id));
    // What comes meanwhile goes behind it, and does not wait.
    let other = machine.process();
    let third = other.journaled(&refreshed(&first, "third", 180));
    assert_eq!(access(&other.by_id(id).unwrap().0.unwrap()), "third");
    machine.time.advance(2 * SECOND);
    assert_eq!(access(&playing.step().unwrap().unwrap().value.unwrap()), "third");
    drop(playing);
    assert_eq!((machine.stored(), other.entries()), (vec![is("alice", "third")], 0));
    // One that was killed leaves its place to the next.
    machine.is_away();
    machine.time.advance(WHILE);
    other.journaled(&refreshed(&third, "fourth", 240));
    machine.is_back();
    machine.store.next([Fate::Late(100 * SECOND)]);
    drop(Going::begun(worker.layer.find_token_by_id(&context, id)));
    machine.is_back();
    assert_eq!(other.by_id(id).unwrap().1, Source::Store);
    assert_eq!(machine.stored(), [is("alice", "fourth")]);
}

#[test]
fn nobody_waits_for_all_of_a_long_journal() {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    for number in 0..40 {
        worker.journaled(&of(&number.to_string(), "kept", 60));
    }
    worker.journaled(&refreshed(&first, "second", 120));
    machine.is_back();
    let each = SECOND / 10;
    machine.store.otherwise(Fate::Late(each));
    let context = Context::new();
    let mut going = Going::begun(worker.layer.find_token_by_id(&context, first.id().unwrap()));
    let mut steps = 0;
    let answer = loop {
        machine.time.advance(each);
        steps += 1;
        if let Some(answer) = going.step() {
            break answer.unwrap();
        }
    };
    drop(going);
    assert_eq!((access(&answer.value.unwrap()), answer.source), ("second".to_owned(), Source::Journal));
    assert!((50..80).contains(&steps), "{steps} tenths of a second");
    let left = worker.entries();
    assert!(left > 0 && left < 41, "{left} are left");
    // The next ones go on, and who asks for it gets all of it.
    machine.is_back();
    now(worker.layer.play_back(&context)).unwrap();
    assert_eq!((worker.entries(), machine.stored().len()), (0, 41));
}

#[test]
fn a_delete_of_all_takes_its_time_where_the_store_is_in_reach() {
    let (machine, worker, _) = with_alice();
    machine.store.otherwise(Fate::Late(20 * SECOND));
    let context = Context::new();
    let mut going = Going::begun(worker.layer.delete_tokens(&context));
    machine.time.advance(19 * SECOND);
    assert!(going.step().is_none());
    machine.time.advance(SECOND);
    let answer = going.ended().unwrap();
    assert_eq!((answer.value, answer.source, worker.entries()), (1, Source::Store, 0));
    assert_eq!(machine.stored(), []);
}

/// A delete of all in the journal, in a vault that takes 6 s to be listed and a second for each deletion.
fn cleared_offline(tokens: usize) -> (Machine, Worker) {
    let (machine, worker, _) = with_alice();
    for number in 1..tokens {
        machine.saved_elsewhere(&of(&number.to_string(), "kept", 60));
    }
    worker.list().unwrap();
    machine.is_away();
    assert_eq!(worker.clear().unwrap(), (tokens, Source::Journal));
    machine.is_back();
    machine.store.next([Fate::Late(6 * SECOND)]);
    machine.store.otherwise(Fate::Late(SECOND));
    (machine, worker)
}

/// Ends `work` as time passes. Answers how many seconds that took.
fn seconds<T>(machine: &Machine, work: impl Future<Output = T>) -> (T, usize) {
    let mut going = Going::begun(work);
    for second in 1..1000 {
        machine.time.advance(SECOND);
        if let Some(value) = going.step() {
            return (value, second);
        }
    }
    panic!("it does not end");
}

#[test]
fn a_delete_of_all_is_played_back_in_a_vault_that_takes_long_to_be_listed() {
    let (machine, worker) = cleared_offline(12);
    let (played, took) = seconds(&machine, worker.layer.play_back(&Context::new()));
    played.unwrap();
    assert_eq!((took, machine.stored(), worker.entries()), (18, vec![], 0));
    assert_eq!(worker.lost(), []);
}

#[test]
fn each_operation_plays_back_a_part_of_a_delete_of_all() {
    let (machine, worker) = cleared_offline(12);
    let left = [7, 2, 0].map(|expected| {
        machine.store.next([Fate::Late(6 * SECOND)]);
        let (found, took) = seconds(&machine, worker.layer.find_token_by_id(&Context::new(), "17"));
        assert!(found.unwrap().value.is_none() && took <= 13, "{took} s");
        assert_eq!(worker.entries(), u64::from(expected > 0));
        machine.stored().len() == expected
    });
    assert_eq!(left, [true; 3]);
    // A deletion that is not answered is one that the store is out of reach for.
    let (machine, worker) = cleared_offline(2);
    machine.store.next([Fate::Done, Fate::Never]);
    let (played, took) = seconds(&machine, worker.layer.play_back(&Context::new()));
    assert_eq!((played.unwrap_err().kind(), took, worker.entries()), (ErrorKind::Unavailable, 5, 1));
}
