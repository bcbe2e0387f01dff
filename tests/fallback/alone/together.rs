//! Many tasks of the process, one refresh.

use tokenvault::error::ErrorKind;
use tokenvault::operation::Source;

use crate::alone::scene::{Alone, FIRST, MINUTE};
use crate::going::{Going, now};
use crate::scene::SECOND;

const TASKS: usize = 64;

fn assert_all_got(scene: &Alone, expected: &str) {
    let got = scene.all_call(TASKS);
    assert!(got.iter().all(|got| got.as_deref() == Ok(expected)), "{got:?}");
}

#[test]
fn of_64_tasks_one_refreshes_at_each_end_and_the_others_get_its_token() {
    let scene = Alone::ended_while_away(true);
    for round in 1..=4 {
        assert_all_got(&scene, &format!("access {round}"));
        assert_eq!(scene.provider.asked.get(), round);
        assert_eq!(scene.entries(), u64::try_from(round).unwrap(), "acknowledged from the journal");
        assert!(!scene.has_lease_in_store());
        scene.pass(30 * MINUTE);
    }
    scene.machine.is_back();
    // The fifth is of the store again.
    assert_all_got(&scene, "access 5");
    assert_eq!((scene.provider.asked.get(), scene.conflicts()), (5, Vec::new()));
    scene.assert_played_back("access 5");
}

#[test]
fn who_is_not_declared_alone_sends_nobody() {
    let scene = Alone::ended_while_away(false);
    let got = scene.all_call(TASKS);
    assert!(got.iter().all(|got| *got == Err(ErrorKind::Unavailable)), "{got:?}");
    assert_eq!(scene.provider.asked.get(), 0);
}

#[test]
fn one_is_sent_early_while_the_others_go_on_with_the_token_that_lives() {
    let scene = Alone::new();
    scene.machine.is_away();
    scene.pass((FIRST - 1) * MINUTE);
    let got = scene.all_call(TASKS);
    let count = |text: &str| got.iter().filter(|got| got.as_deref() == Ok(text)).count();
    assert_eq!((count("access 1"), count("first"), scene.provider.asked.get()), (1, TASKS - 1, 1), "{got:?}");
    scene.assert_played_back("access 1");
}

#[test]
fn the_lease_has_the_rules_of_any_other() {
    let scene = Alone::ended_while_away(true);
    let (held, source) = now(scene.ask("holder")).unwrap().unwrap();
    assert_eq!(source, Source::Fallback, "as the copy has it");
    for _ in 0..2 {
        assert_eq!(scene.sent("holder").lease(), held.lease(), "once more");
    }
    assert_eq!(now(scene.ask("holder")).unwrap_err(), ErrorKind::Busy);
    // Nobody comes back: attempts double their distance, and each is handed out twice more.
    let mut sent = Vec::new();
    for second in 1..=700 {
        scene.pass(SECOND);
        if let Some(Ok(Some((token, _)))) = Going::unsure(scene.ask("another")).step() {
            assert!(token.lease().is_some());
            sent.push(second);
        }
    }
    assert_eq!(sent, [90, 91, 92, 270, 271, 272, 630, 631, 632]);
}
