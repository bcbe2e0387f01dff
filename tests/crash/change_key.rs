//! After a change of the key was killed, exactly one of the two keys opens the vault: the new one, where it was told so.

use tokenvault::error::ErrorKind;

use crate::dice::{Dice, Effect};
use crate::neighbours::Neighbours;
use crate::scene::{Key, Scene};
use crate::victim::{Ended, Moment, Sign, has_rewrite};

/// The least that a passphrase may cost.
const CHEAP: [&str; 6] = ["--kdf-memory-mib", "19", "--kdf-passes", "1", "--kdf-lanes", "1"];

/// A new key, under a name of its own.
fn next_key(scene: &Scene, dice: &mut Dice, round: usize) -> (Key, Vec<String>) {
    let name = format!("key {round}");
    if dice.random.u32(0..3) == 0 {
        let path = scene.write(&name, format!("passphrase of round {round}\n").as_bytes());
        let option = ["--new-passphrase-file", &name];
        return (Key::Passphrase(path), option.into_iter().chain(CHEAP).map(str::to_owned).collect());
    }
    let mut bytes = [0; 32];
    dice.random.fill(&mut bytes);
    (Key::File(scene.write(&name, &bytes)), vec!["--new-key-file".to_owned(), name])
}

/// Whether `new` opens the vault. Exactly one of the two must.
fn is_under_new(scene: &Scene, new: &Key, which: &str) -> bool {
    let opens = |key: &Key| match scene.open(key) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WrongKey, "{which}: {error}");
            false
        }
    };
    let (by_old, by_new) = (opens(&scene.key), opens(new));
    assert!(by_old != by_new, "{which}: opened by the old key: {by_old}, by the new: {by_new}");
    by_new
}

#[test]
fn killed_while_changing_the_key() {
    let mut dice = Dice::new("change-passphrase", Sign::Rewrite);
    let mut scene = Scene::with_users(20, 400);
    let mut neighbours = Neighbours::who_may_lose_the_key(&scene);
    let before = scene.look();
    while let Some(round) = dice.next_round() {
        let (new, options) = next_key(&scene, &mut dice, round);
        let moment = if round < 6 { Moment::Never(dice.sign()) } else { dice.moment() };
        let arguments: Vec<&str> =
            ["change-passphrase"].into_iter().chain(options.iter().map(String::as_str)).collect();
        let ended: Ended = neighbours.around(&mut dice.random, &scene, || scene.kill(&arguments, b"", moment));
        let left_a_rewrite = has_rewrite(scene.folder());
        let which = dice.which(round);
        let is_done = is_under_new(&scene, &new, &which);
        let is_acknowledged = !ended.was_killed || !ended.lines.is_empty();
        assert!(is_done || !is_acknowledged, "{which}: a change that was acknowledged is undone");
        if is_done {
            scene.take_up(new);
            neighbours.take_up(&scene);
        }
        let after = neighbours.check_off(scene.look());
        assert!(after == before, "{which}: a change of the key changed what is stored");
        dice.count(&ended, if is_done { Effect::Something } else { Effect::Nothing }, left_a_rewrite);
        if left_a_rewrite && dice.random.bool() {
            scene.tidy();
        }
    }
    neighbours.finish();
    dice.finish();
}
