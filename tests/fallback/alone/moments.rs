//! The store goes away and comes back at each moment of a refresh.

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;

use crate::alone::scene::{Alone, FIRST, MINUTE};
use crate::going::{Going, now};
use crate::process::{access, refreshed};
use crate::scene::{AWAY, SECOND};
use crate::scripted::Fate;

#[test]
fn a_store_that_is_back_before_the_lease_grants_it() {
    let scene = Alone::ended_while_away(true);
    now(scene.layer.get_tokens(&Context::new())).unwrap();
    scene.machine.is_back();
    let token = scene.sent("holder");
    assert!(scene.has_lease_in_store());
    assert_eq!(scene.saved(&scene.refreshed(&token)).1, Source::Store);
    scene.assert_played_back("access 1");
}

/// It goes away between the read and the lease.
#[test]
fn a_store_that_goes_away_before_it_grants_the_lease_is_not_waited_for() {
    let scene = Alone::new();
    scene.pass(FIRST * MINUTE);
    // Twice the token is read, then looked at for the lease, which is written then.
    for done in 2..=3 {
        scene.machine.store.next(std::iter::repeat_n(Fate::Done, done).chain([AWAY; 20]));
        let (token, source) = now(scene.ask("holder")).unwrap().unwrap();
        assert!(token.lease().is_some() && source == Source::Fallback, "{done}");
        if done == 3 {
            scene.machine.is_away();
            assert_eq!(scene.saved(&scene.refreshed(&token)).1, Source::Journal);
        } else {
            scene.machine.store.next([]);
            scene.pass(100 * SECOND);
        }
    }
    assert_eq!(scene.provider.asked.get(), 1);
    scene.assert_played_back("access 1");
}

/// The lease is written all the same, but nobody knows.
#[test]
fn a_lease_whose_answer_was_lost_sends_nobody_beside_the_one_who_is_sent_alone() {
    let scene = Alone::new();
    scene.pass(FIRST * MINUTE);
    scene.machine.store.commits(Some(Fate::Lost(ErrorKind::Unavailable)));
    scene.machine.store.next([Fate::Done, Fate::Done, Fate::Done, Fate::Lost(ErrorKind::Unavailable), AWAY, AWAY]);
    let token = scene.sent("holder");
    assert!(scene.has_lease_in_store());
    scene.machine.store.commits(None);
    scene.machine.is_away();
    assert_eq!(scene.saved(&scene.refreshed(&token)).1, Source::Journal);
    scene.assert_played_back("access 1");
    assert!(scene.conflicts().is_empty());
}

#[test]
fn a_store_that_is_back_while_one_is_sent_grants_no_second_lease() {
    let scene = Alone::ended_while_away(true);
    let token = scene.sent("holder");
    scene.machine.is_back();
    assert_eq!(scene.refused(), ErrorKind::Busy);
    assert!(!scene.has_lease_in_store());
    let mut waiting = Going::begun(scene.ask("another"));
    assert_eq!(scene.saved(&scene.refreshed(&token)).1, Source::Store);
    scene.pass(SECOND);
    assert_eq!(access(&waiting.step().unwrap().unwrap().unwrap().0), "access 1");
    drop(waiting);
    assert_eq!(scene.provider.asked.get(), 1);
    scene.assert_played_back("access 1");
}

#[test]
fn what_is_saved_before_the_store_is_back_is_played_back_once() {
    let scene = Alone::ended_while_away(true);
    let (saved, source) = scene.saved(&scene.refreshed(&scene.sent("holder")));
    assert_eq!((source, scene.entries()), (Source::Journal, 1));
    let found = now(scene.ask("another")).unwrap().unwrap();
    assert_eq!((access(&found.0), found.1), (access(&saved), Source::Journal));
    scene.assert_played_back("access 1");
    scene.assert_played_back("access 1");
    assert!(scene.conflicts().is_empty());
}

/// The store tells of the old token to whoever asked before the new one went into the journal.
#[test]
fn an_answer_of_the_store_from_before_a_save_sends_nobody() {
    let scene = Alone::ended_while_away(true);
    let token = scene.sent("holder");
    scene.machine.is_back();
    scene.machine.store.otherwise(Fate::Late(2 * SECOND));
    let mut asking = Going::begun(scene.ask("another"));
    scene.pass(SECOND);
    let (context, mut token) = (Context::new(), scene.refreshed(&token));
    let mut saving = Going::begun(scene.store.save_token(&context, &mut token));
    scene.pass(SECOND);
    assert!(asking.step().is_none(), "the second look, in turn");
    scene.machine.store.commits(Some(AWAY));
    scene.pass(SECOND);
    assert_eq!(saving.step().unwrap().unwrap().source, Source::Journal);
    scene.machine.store.commits(None);
    for _ in 0..100 {
        if let Some(answer) = asking.step() {
            let (found, _) = answer.unwrap().unwrap();
            assert_eq!((access(&found).as_str(), found.lease()), ("access 1", None));
            return;
        }
        scene.pass(SECOND / 10);
    }
    panic!("it never ends");
}

/// Against the declaration. The rules decide as between any two.
#[test]
fn a_token_that_was_refreshed_elsewhere_meanwhile_meets_the_one_of_the_journal() {
    // By which end, and whose stands.
    for (minutes, stands, falls) in [(20, "access 1", "elsewhere"), (50, "elsewhere", "access 1")] {
        for is_back_before_the_save in [false, true] {
            let scene = Alone::ended_while_away(true);
            let token = scene.sent("holder");
            let other = now(scene.machine.plain.find_token_by_id(&Context::new(), &scene.id)).unwrap().value.unwrap();
            scene.machine.saved_elsewhere(&refreshed(&other, "elsewhere", minutes).with(Field::RefreshToken, "other"));
            if is_back_before_the_save {
                scene.machine.is_back();
            }
            scene.saved(&scene.refreshed(&token));
            scene.assert_played_back(stands);
            let expected = if is_back_before_the_save { Vec::new() } else { vec![falls.to_owned()] };
            assert_eq!(scene.conflicts(), expected, "{stands}, {is_back_before_the_save}");
        }
    }
}

/// Whatever end the store tells of by then.
#[test]
fn while_one_is_sent_alone_nobody_is_for_another_end_of_the_token() {
    let scene = Alone::ended_while_away(true);
    let token = scene.sent("holder");
    scene.pass(MINUTE);
    let other = now(scene.machine.plain.find_token_by_id(&Context::new(), &scene.id)).unwrap().value.unwrap();
    scene.machine.saved_elsewhere(&refreshed(&other, "elsewhere", u64::from(FIRST) + 1));
    scene.machine.is_back();
    let mut asking = Going::begun(scene.ask("another"));
    assert!(!scene.has_lease_in_store());
    scene.saved(&scene.refreshed(&token));
    scene.pass(SECOND);
    assert_eq!(access(&asking.step().unwrap().unwrap().unwrap().0), "access 1");
}
