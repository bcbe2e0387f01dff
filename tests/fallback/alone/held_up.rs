//! Entries of the journal that the store refuses: nobody is sent while there are some, of whichever token.

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;

use crate::alone::refused::nobody_was_sent;
use crate::alone::scene::{Alone, FIRST, MINUTE};
use crate::going::{Going, now};
use crate::process::of;
use crate::scene::AWAY;
use crate::scripted::Fate;

const REFUSED: Fate = Fate::Fails(ErrorKind::QuotaReached);

/// The store is away, and the journal has a save.
fn with_an_entry() -> Alone {
    let scene = Alone::new();
    scene.machine.is_away();
    let token = now(scene.ask("a reader")).unwrap().unwrap().0;
    scene.saved(&token.with(Field::ApiDomain, "elsewhere"));
    scene
}

#[test]
fn nobody_is_sent_while_entries_of_the_journal_are_held_up() {
    let scene = with_an_entry();
    scene.machine.is_back();
    scene.machine.store.commits(Some(REFUSED));
    // Also where what is behind it was not come to, since the store went away.
    scene.machine.store.otherwise(Fate::Done);
    now(scene.layer.get_tokens(&Context::new())).unwrap();
    scene.pass(FIRST * MINUTE);
    assert_eq!(scene.refused(), ErrorKind::Unavailable, "the store is there, and refuses it");
    scene.machine.is_away();
    nobody_was_sent(&scene);
    scene.machine.store.commits(None);
    scene.machine.is_back();
    assert_eq!(scene.sent("a reader").get(Field::ApiDomain).unwrap().expose(), "elsewhere");
}

#[test]
fn what_is_held_up_is_known_also_where_the_play_back_was_broken_off_behind_it() {
    let scene = with_an_entry();
    scene.saved(&of("bob", "bob's", 60));
    scene.machine.is_back();
    // One call each decides alice's entry and refuses it; then the store is away.
    let mut at = 0;
    loop {
        scene.machine.store.next(std::iter::repeat_n(Fate::Done, at).chain([REFUSED, AWAY]));
        scene.machine.store.otherwise(AWAY);
        scene.machine.store.calls();
        _ = now(scene.layer.get_tokens(&Context::new()));
        let calls = scene.machine.store.calls();
        if calls.get(at) == Some(&"commit") {
            break;
        }
        scene.machine.is_back();
        at += 1;
        assert!(at < 10, "{calls:?}");
    }
    scene.machine.is_away();
    scene.pass(FIRST * MINUTE);
    nobody_was_sent(&scene);
}

/// Whoever plays it back may be gone before it has noted that nothing is held up any more.
#[test]
fn nothing_is_held_up_where_nothing_waits_wherever_the_play_back_is_broken_off() {
    for at in 0..200 {
        let scene = with_an_entry();
        scene.machine.is_back();
        scene.machine.store.commits(Some(REFUSED));
        now(scene.layer.get_tokens(&Context::new())).unwrap();
        scene.machine.store.commits(None);
        scene.machine.kept.next(std::iter::repeat_n(Fate::Done, at).chain([Fate::Never]));
        let context = Context::new();
        let mut reading = Going::unsure(scene.layer.get_tokens(&context));
        if reading.step().is_some() {
            assert!(at > 10, "{at}");
            return;
        }
        drop(reading);
        scene.machine.kept.next([]);
        let status = now(scene.layer.journal().status()).unwrap();
        assert_eq!(status.blocked.is_some(), status.entries > 0, "{at}");
    }
    panic!("it never ends");
}
