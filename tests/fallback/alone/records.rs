//! What becomes meanwhile of the record of which a token was handed out, and of its leases.

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;

use crate::alone::scene::{Alone, FIRST, MINUTE};
use crate::going::{Going, now};
use crate::process::{access, alice, refreshed};
use crate::scene::SECOND;
use crate::scripted::Fate;

/// Alice signs in again while the copy is too old to tell of her token, and is given a record of its own.
fn signed_in_again(refresh: &str) -> Alone {
    let mut scene = Alone::new();
    scene.machine.is_away();
    scene.pass(61 * MINUTE);
    let (token, source) = scene.saved(&alice("again", 66).with(Field::RefreshToken, refresh));
    assert_eq!(source, Source::Journal);
    assert_ne!(token.id().unwrap(), scene.id);
    scene.id = token.id().unwrap().to_owned();
    scene.pass(5 * MINUTE);
    scene
}

/// Another sign-in than the store has, and the very same.
#[test]
fn nobody_is_sent_beside_a_token_whose_record_becomes_part_of_another() {
    for refresh in ["another", "refresh of alice"] {
        let scene = signed_in_again(refresh);
        let token = scene.sent("holder");
        scene.machine.is_back();
        assert_eq!(scene.refused(), ErrorKind::Busy, "{refresh}");
        assert_eq!((scene.entries(), scene.has_lease_in_store()), (0, false), "{refresh}");
        if refresh == "another" {
            scene.saved(&scene.refreshed(&token));
            scene.assert_played_back("access 1");
        }
    }
}

/// Here, elsewhere, and so long ago that a list of the store has made the copy whole since; and by another process of the machine,
/// of which the copy alone tells.
#[test]
fn a_token_that_was_logged_out_does_not_come_back_with_a_late_save() {
    for way in ["here", "elsewhere", "here, then listed", "elsewhere, and listed", "by a neighbour"] {
        let scene = Alone::ended_while_away(true);
        let (context, mut token) = (Context::new(), scene.refreshed(&scene.sent("holder")));
        scene.machine.is_back();
        if way.starts_with("here") {
            assert!(now(scene.layer.delete_token(&context, &scene.id)).unwrap().value, "{way}");
        } else if way.starts_with("elsewhere") {
            scene.machine.deleted_elsewhere(&token);
        } else {
            assert!(scene.machine.process().delete(&scene.id).unwrap().0, "{way}");
        }
        if way.ends_with("listed") {
            now(scene.layer.get_tokens(&context)).unwrap();
        } else if way != "by a neighbour" {
            assert!(now(scene.layer.find_token_by_id(&context, &scene.id)).unwrap().value.is_none(), "{way}");
        }
        scene.machine.is_away();
        let error = now(scene.store.save_token(&context, &mut token)).unwrap_err();
        assert_eq!((error.kind(), scene.entries(), scene.layer.unsaved()), (ErrorKind::Gone, 0, 0), "{way}");
        assert_eq!(now(scene.ask("a reader")).unwrap_err(), ErrorKind::Unavailable, "{way}");
    }
}

/// It is refreshed elsewhere while it is asked for, to an end that is over as well.
#[test]
fn whoever_is_sent_at_another_end_than_it_had_read_never_waits_for_itself() {
    let mut was_elsewhere = 0;
    for calls in 0.. {
        let scene = Alone::new();
        scene.pass((FIRST + 2) * MINUTE);
        scene.machine.store.next(std::iter::repeat_n(Fate::Done, calls).chain([Fate::Late(SECOND)]));
        let mut asking = Going::unsure(scene.ask("holder"));
        if asking.step().is_some() {
            assert!(was_elsewhere > 1, "{was_elsewhere}");
            return;
        }
        let other = now(scene.machine.plain.find_token_by_id(&Context::new(), &scene.id)).unwrap().value.unwrap();
        scene.machine.saved_elsewhere(&refreshed(&other, "elsewhere", u64::from(FIRST) + 1));
        let token = ended(&scene, asking).unwrap().unwrap().0;
        if access(&token) == "elsewhere" {
            was_elsewhere += 1;
            assert_eq!(scene.sent("holder").lease(), token.lease(), "{calls}");
        }
    }
}

/// AWS takes it too late, or whoever asked is gone by then.
#[test]
fn a_lease_under_which_nobody_was_sent_locks_nobody_out() {
    for is_given_up in [false, true] {
        let scene = Alone::new();
        scene.pass(FIRST * MINUTE);
        if is_given_up {
            scene.machine.copy.commits(Some(Fate::Late(SECOND)));
            drop(Going::begun(scene.ask("given up")));
            scene.machine.copy.commits(None);
        } else {
            scene.machine.store.commits(Some(Fate::Late(46 * SECOND)));
            let asking = Going::begun(scene.ask("slow"));
            scene.machine.store.commits(None);
            scene.pass(46 * SECOND);
            assert_eq!(ended(&scene, asking).unwrap_err(), ErrorKind::Busy);
        }
        assert!(scene.has_lease_in_store());
        scene.machine.is_away();
        scene.pass(100 * SECOND);
        scene.refreshed(&scene.sent("the next"));
    }
}

fn ended<T>(scene: &Alone, mut going: Going<'_, T>) -> T {
    for _ in 0..200 {
        if let Some(value) = going.step() {
            return value;
        }
        scene.pass(SECOND);
    }
    panic!("it never ends");
}
