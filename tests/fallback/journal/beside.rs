//! Two processes of one machine that read and write its journal at once, and what one of them plays back meanwhile.

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::going::{Going, now};
use crate::journal::machine::{Machine, Worker, is, of as pairs, with_alice};
use crate::process::{access, of, refreshed};
use crate::scene::SECOND;
use crate::scripted::Fate;

#[test]
fn of_two_writes_of_one_token_at_once_neither_is_lost() {
    let mut at = 0;
    loop {
        let (machine, worker, first) = with_alice();
        let other = machine.process();
        machine.is_away();
        other.list().unwrap();
        machine.kept.next(std::iter::repeat_n(Fate::Done, at).chain([Fate::Late(SECOND)]));
        let (context, mut second) = (Context::new(), refreshed(&first, "second", 120));
        let mut going = Going::unsure(worker.layer.save_token(&context, &mut second));
        if let Some(answer) = going.step() {
            assert_eq!(answer.unwrap().source, Source::Journal);
            break;
        }
        machine.kept.next([]);
        other.journaled(&first.clone().with(Field::ApiDomain, "eu"));
        machine.time.advance(SECOND);
        assert_eq!(going.step().expect("it ends").unwrap().source, Source::Journal, "{at}");
        drop(going);
        let assert_both = |worker: &Worker| {
            let found = worker.by_id(first.id().unwrap()).unwrap().0.unwrap();
            assert_eq!(found.fields().text(Field::AccessToken), Some("second"), "{at}");
            assert_eq!(found.fields().text(Field::ApiDomain), Some("eu"), "{at}");
        };
        assert_both(&other);
        machine.is_back();
        assert_both(&worker);
        at += 1;
    }
    assert!(at > 5, "the journal is asked more than once");
}

/// Bob's sign-in and a log-out of Alice wait in the journal, and another process is about to play them back.
fn waiting() -> (Machine, Worker, Worker, OAuthToken, OAuthToken) {
    let (machine, worker, first) = with_alice();
    machine.is_away();
    let bob = worker.journaled(&of("bob", "bob's", 60));
    assert!(worker.delete(first.id().unwrap()).unwrap().0);
    let player = machine.process();
    machine.is_back();
    (machine, worker, player, first, bob)
}

#[test]
fn a_read_beside_a_play_back_misses_nothing_and_shows_nothing_that_was_deleted() {
    type Ask = for<'w> fn(&'w Worker, &'w str) -> std::pin::Pin<Box<dyn Future<Output = Vec<(String, String)>> + 'w>>;
    let asks: [Ask; 3] = [
        |worker, _| Box::pin(async { pairs(&worker.layer.get_tokens(&Context::new()).await.unwrap().value) }),
        |worker, id| {
            Box::pin(async {
                let found = worker.layer.find_token_by_id(&Context::new(), id).await.unwrap().value;
                pairs(found.as_slice())
            })
        },
        |worker, _| {
            Box::pin(async {
                let mut token = OAuthToken::new().with(Field::UserName, "alice");
                let is_found = worker.layer.find_token(&Context::new(), &mut token).await.unwrap().value;
                if is_found { vec![is("alice", "shown")] } else { vec![] }
            })
        },
    ];
    for (index, ask) in asks.into_iter().enumerate() {
        let (machine, worker, player, first, _) = waiting();
        // The player has the place, and waits for the store.
        machine.store.next([Fate::Late(SECOND), Fate::Late(2 * SECOND)]);
        let context = Context::new();
        let mut playing = Going::begun(player.layer.get_tokens(&context));
        let mut reading = Going::begun(ask(&worker, first.id().unwrap()));
        machine.store.next([]);
        machine.time.advance(SECOND);
        assert!(playing.step().expect("it has played all back").is_ok());
        assert_eq!(worker.entries(), 0);
        machine.time.advance(SECOND);
        let seen = reading.step().expect("it ends");
        let expected = if index == 0 { vec![is("bob", "bob's")] } else { vec![] };
        assert_eq!(seen, expected, "{index}");
    }
}

#[test]
fn that_a_token_is_not_there_is_not_said_while_it_has_an_entry_under_another_name() {
    let (machine, worker, _) = with_alice();
    machine.is_away();
    machine.saved_elsewhere(&of("bob", "before", 30).with_id("18"));
    machine.time.advance(SECOND);
    let bob = worker.journaled(&of("bob", "bob's", 60));
    worker.journaled(&refreshed(&bob, "next", 120));
    machine.is_back();
    // The first becomes part of the record; the second is refused.
    let mut done = 0;
    loop {
        machine.store.next(std::iter::repeat_n(Fate::Done, done).chain([Fate::Fails(ErrorKind::QuotaReached)]));
        _ = worker.by_id("nobody's");
        if worker.entries() == 1 {
            break;
        }
        done += 1;
    }
    machine.store.next([]);
    machine.store.commits(Some(Fate::Fails(ErrorKind::QuotaReached)));
    assert_eq!(worker.by_id("18").unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(worker.by_id("nobody's").unwrap().0.is_none());
    assert_eq!(worker.find("bob").unwrap().0.map(|token| access(&token)), Some("next".to_owned()));
    let mut other = OAuthToken::new().with(Field::UserName, "bob").with(Field::ClientId, "another app");
    assert!(!now(worker.layer.find_token(&Context::new(), &mut other)).unwrap().value);
    machine.store.commits(None);
    assert!(worker.by_id("18").unwrap().0.is_some());
}
