//! What was refreshed alone and cannot be saved at once: nobody is sent with the refresh token before it.

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::alone::scene::{Alone, FIRST, MINUTE};
use crate::going::{Going, now};
use crate::process::{access, of};
use crate::scene::SECOND;
use crate::scripted::Fate;

/// It may be refused for long.
#[test]
fn what_waits_for_another_user_stops_no_refresh() {
    let scene = Alone::new();
    let (context, mut bob) = (Context::new(), of("bob", "bob's", 60));
    scene.machine.store.next([Fate::Never]);
    drop(Going::begun(scene.layer.save_token(&context, &mut bob)));
    assert_eq!(scene.layer.unsaved(), 1);
    scene.pass(FIRST * MINUTE);
    // What one read makes of calls, the save of bob's before it.
    let refused = Fate::Fails(ErrorKind::QuotaReached);
    scene.machine.store.commits(Some(refused));
    scene.machine.store.calls();
    now(scene.layer.find_token_by_id(&context, &scene.id)).unwrap();
    let calls = scene.machine.store.calls();
    scene.machine.store.commits(None);
    let fates = calls.iter().map(|call| if *call == "commit" { refused } else { Fate::Done });
    // The token is read, and read again in turn.
    scene.machine.store.next(fates.clone().chain(fates).collect::<Vec<_>>());
    scene.sent("holder");
    assert!(scene.has_lease_in_store());
    assert_eq!(scene.layer.unsaved(), 1);
}

#[test]
fn nobody_is_sent_while_a_save_is_under_way_however_late_it_is() {
    let scene = Alone::ended_while_away(true);
    let (context, mut token) = (Context::new(), scene.refreshed(&scene.sent("holder")));
    // The journal's disk hangs.
    scene.machine.kept.commits(Some(Fate::Never));
    let saving = Going::begun(scene.store.save_token(&context, &mut token));
    scene.machine.kept.commits(None);
    scene.pass(100 * SECOND);
    assert_eq!(scene.refused(), ErrorKind::Unavailable);
    drop(saving);
    scene.assert_played_back("access 1");
    assert_eq!(scene.provider.asked.get(), 1);
}

#[test]
fn the_store_grants_no_lease_while_a_save_is_under_way() {
    let scene = Alone::ended_while_away(true);
    let (context, mut token) = (Context::new(), scene.refreshed(&scene.sent("holder")));
    scene.machine.is_back();
    scene.pass(77 * SECOND);
    scene.machine.store.commits(Some(Fate::Never));
    let mut saving = Going::begun(scene.store.save_token(&context, &mut token));
    scene.pass(3 * SECOND);
    scene.machine.store.commits(None);
    let mut asking = Going::begun(scene.ask("another"));
    scene.pass(3 * SECOND);
    assert_eq!(saving.step().unwrap().unwrap().source, Source::Journal);
    scene.pass(SECOND);
    assert_eq!(access(&asking.step().unwrap().unwrap().unwrap().0), "access 1");
    assert!(!scene.has_lease_in_store());
}

/// A right, a quota or a key can be mended, but the refresh token before is spent.
#[test]
fn what_was_refreshed_and_is_refused_is_kept_until_it_is_taken() {
    for kind in [ErrorKind::PermissionDenied, ErrorKind::QuotaReached, ErrorKind::WrongKey] {
        for is_behind in [false, true] {
            let scene = Alone::ended_while_away(true);
            let token = scene.sent("holder");
            if is_behind {
                // An entry of the same token is refused, and holds it up.
                let other = now(scene.layer.find_token_by_id(&Context::new(), &scene.id)).unwrap().value.unwrap();
                let mut other = OAuthToken::clone(&other).with(Field::ApiDomain, "elsewhere");
                now(scene.layer.save_token(&Context::new(), &mut other)).unwrap();
            }
            let mut token = scene.refreshed(&token);
            scene.machine.is_back();
            scene.machine.store.commits(Some(Fate::Fails(kind)));
            let error = now(scene.store.save_token(&Context::new(), &mut token)).unwrap_err();
            assert_eq!((error.kind(), scene.layer.unsaved()), (kind, 1), "{is_behind}");
            assert!(error.hint().unwrap().contains("kept in this process"), "{error:?}");
            scene.pass(100 * SECOND);
            // The entry is the journal's, which tells why.
            let expected = if is_behind { ErrorKind::Unavailable } else { kind };
            assert_eq!(scene.refused(), expected, "nobody is sent");
            scene.machine.store.commits(None);
            scene.assert_played_back("access 1");
            assert_eq!((scene.layer.unsaved(), scene.provider.asked.get()), (0, 1));
        }
    }
}

/// It ends while another looks at what the copy has: taken by the store that is back, or given up. Answers whether the journal was
/// asked so often by that look.
fn save_ends_meanwhile(calls: usize, is_taken: bool) -> bool {
    let scene = Alone::ended_while_away(true);
    let (context, mut token) = (Context::new(), scene.refreshed(&scene.sent("holder")));
    scene.pass(100 * SECOND);
    scene.machine.kept.next(std::iter::repeat_n(Fate::Done, calls).chain([Fate::Late(SECOND)]));
    let mut asking = Going::unsure(scene.ask("another"));
    if let Some(answer) = asking.step() {
        assert!(answer.unwrap().unwrap().0.lease().is_some(), "the holder was late");
        return false;
    }
    if is_taken {
        scene.machine.store.otherwise(Fate::Done);
        assert_eq!(scene.saved(&token).1, Source::Store);
    } else {
        scene.machine.store.next([Fate::Never]);
        drop(Going::begun(scene.store.save_token(&context, &mut token)));
        assert_eq!(scene.layer.unsaved(), 1);
    }
    for _ in 0..200 {
        if let Some(answer) = asking.step() {
            let found = answer.map(|found| found.map(|(token, _)| (access(&token), token.lease())));
            let has_it = found == Ok(Some(("access 1".to_owned(), None)));
            let is_told = !is_taken && found == Err(ErrorKind::Unavailable);
            assert!(has_it || is_told, "{calls}, {is_taken}: {found:?}");
            return true;
        }
        scene.pass(SECOND);
    }
    panic!("it never ends");
}

#[test]
fn nobody_is_sent_with_what_was_read_before_a_save_ended() {
    for is_taken in [true, false] {
        let mut calls = 0;
        while save_ends_meanwhile(calls, is_taken) {
            calls += 1;
        }
        assert!(calls >= 10, "{calls}");
    }
}
