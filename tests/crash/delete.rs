//! What was said to be deleted is gone, whoever still holds it; every other token stays.

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::secret::SecretText;
use tokenvault::token::OAuthToken;

use crate::dice::{Dice, Effect};
use crate::handle::Contents;
use crate::neighbours::Neighbours;
use crate::scene::Scene;
use crate::token;
use crate::victim::{Moment, Sign, has_rewrite};

/// In a small vault every delete is followed by a rewrite; in a large one, it is not.
const SIZES: [usize; 2] = [300, 14_000];

/// In either vault.
const USERS: usize = 20;

struct Place {
    scene: Scene,
    neighbours: Neighbours,
    before: Contents,
}

#[test]
fn killed_while_deleting() {
    let mut dice = Dice::new("delete", Sign::Line);
    let mut places = SIZES.map(|size| {
        let scene = Scene::with_users(USERS, size);
        let neighbours = Neighbours::new(&scene);
        Place { before: scene.handle.contents().unwrap(), scene, neighbours }
    });
    while let Some(round) = dice.next_round() {
        let at = round % SIZES.len();
        let moment = if round < 6 { Moment::Never(dice.sign()) } else { dice.moment() };
        let place = &mut places[at];
        place.delete_one(&mut dice, round, moment);
        place.fill_up(round, SIZES[at]);
    }
    places.iter().for_each(|place| place.neighbours.finish());
    dice.finish();
}

impl Place {
    fn delete_one(&mut self, dice: &mut Dice, round: usize, moment: Moment) {
        let Self { scene, neighbours, before } = self;
        let users: Vec<&String> = before.keys().filter(|user| user.starts_with("user")).collect();
        let user = (*dice.random.choice(&users).unwrap()).clone();
        let id = before[&user].id.clone();
        let held = scene.handle.by_id(&id).unwrap().unwrap();
        let ended = neighbours.around(&mut dice.random, scene, || scene.kill(&["delete", &id], b"", moment));
        let left_a_rewrite = has_rewrite(scene.folder());
        let after = neighbours.check_off(scene.look());
        let which = dice.which(round);
        let is_gone = !after.contains_key(&user);
        let is_acknowledged = ended.lines == ["deleted"] || !ended.was_killed;
        assert!(is_gone || !is_acknowledged, "{which}: a delete that was acknowledged is undone");
        if is_gone {
            before.remove(&user);
            let refreshed = &mut OAuthToken::clone(&held);
            refreshed.set(Field::AccessToken, Some(SecretText::new("refreshed meanwhile")));
            assert_eq!(scene.handle.save(refreshed).unwrap_err().kind(), ErrorKind::Gone, "{which}");
        }
        assert!(after == *before, "{which}: a delete changed another token");
        dice.count(&ended, if is_gone { Effect::Something } else { Effect::Nothing }, left_a_rewrite);
        if left_a_rewrite {
            scene.tidy();
        }
    }

    fn fill_up(&mut self, round: usize, size: usize) {
        if self.before.len() < USERS / 2 {
            for number in 0..USERS {
                let texts = token::texts(&format!("user {number}"), round as u64, size);
                self.scene.handle.save(&mut token::to_token(&texts)).unwrap();
            }
            self.scene.tidy();
        }
        self.before = self.neighbours.check_off(self.scene.handle.contents().unwrap());
    }
}
