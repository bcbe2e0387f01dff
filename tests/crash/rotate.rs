//! A rotation changes no token, and is there as a whole or not at all.

use crate::dice::{Dice, Effect};
use crate::neighbours::Neighbours;
use crate::scene::Scene;
use crate::victim::{Moment, Sign, has_rewrite};

#[test]
fn killed_while_rotating() {
    let mut dice = Dice::new("rotate-key", Sign::Rewrite);
    let scene = Scene::with_users(30, 400);
    let mut neighbours = Neighbours::new(&scene);
    let before = scene.look();
    while let Some(round) = dice.next_round() {
        let generation = scene.handle.verify().unwrap().generation;
        let moment = if round < 3 { Moment::Never(dice.sign()) } else { dice.moment() };
        let ended = neighbours.around(&mut dice.random, &scene, || scene.kill(&["rotate-key"], b"", moment));
        let left_a_rewrite = has_rewrite(scene.folder());
        let after = neighbours.check_off(scene.look());
        let which = dice.which(round);
        assert!(after == before, "{which}: a rotation changed what is stored");
        let rotated = scene.handle.verify().unwrap().generation - generation;
        let is_acknowledged = !ended.was_killed || !ended.lines.is_empty();
        assert!(rotated == 1 || (rotated == 0 && !is_acknowledged), "{which}: {rotated} generations, {ended:?}");
        assert!(rotated == 0 || !left_a_rewrite, "{which}: a rewrite that is in place was left behind as well");
        dice.count(&ended, if rotated > 0 { Effect::Something } else { Effect::Nothing }, left_a_rewrite);
        if left_a_rewrite && dice.random.bool() {
            scene.tidy();
        }
    }
    neighbours.finish();
    dice.finish();
}
