//! Every id that was printed is a token that is stored, as it was sent; of the token after it, all or nothing.

use std::ops::RangeInclusive;

use crate::dice::{Dice, Effect};
use crate::handle::{Contents, Stored};
use crate::neighbours::Neighbours;
use crate::scene::Scene;
use crate::token::{self, Texts};
use crate::victim::{Ended, Moment, Sign, has_rewrite};

/// The users whose tokens are saved, some of them for the first time.
pub(crate) struct Users {
    pub(crate) count: usize,
    pub(crate) size: usize,
    /// How many tokens one child is sent.
    pub(crate) tokens: RangeInclusive<usize>,
}

/// The tokens that one child is sent.
pub(crate) fn tokens(dice: &mut Dice, users: &Users, mark: &mut u64) -> Vec<Texts> {
    let count = dice.random.usize(users.tokens.clone());
    let mut one = || {
        *mark += 1;
        let user = format!("user {}", dice.random.usize(0..users.count));
        token::texts(&user, *mark, dice.random.usize(users.size * 9 / 10..=users.size))
    };
    (0..count).map(|_| one()).collect()
}

/// Fails where what is stored is not what the first acknowledged saves make of `before`, and perhaps one more.
/// Answers how many were done.
pub(crate) fn judge(before: &Contents, sent: &[Texts], ended: &Ended, after: &Contents, which: &str) -> usize {
    let acknowledged = ended.lines.len();
    let one_more = sent.len().min(acknowledged + 1);
    for done in [acknowledged, one_more] {
        let by_user = |contents: &Contents| -> Vec<(String, Texts)> {
            contents.iter().map(|(user, stored)| (user.clone(), stored.texts.clone())).collect()
        };
        let mut expected = before.clone();
        for (at, texts) in sent[..done].iter().enumerate() {
            let id = ended.lines.get(at).cloned().unwrap_or_default();
            let old = expected.insert(texts[0].clone(), Stored { id: id.clone(), texts: texts.clone() });
            let is_same = old.is_none_or(|old| id.is_empty() || old.id.is_empty() || old.id == id);
            assert!(is_same, "{which}: an update was acknowledged under another id");
        }
        if by_user(&expected) == by_user(after) {
            for (user, stored) in expected.iter().filter(|(_, stored)| !stored.id.is_empty()) {
                assert_eq!(after[user].id, stored.id, "{which}: {user} has another id than was acknowledged");
            }
            return done;
        }
    }
    let found: Vec<_> =
        sent.iter().map(|texts| after.get(&texts[0]).is_some_and(|found| found.texts == *texts)).collect();
    panic!("{which}: {acknowledged} were acknowledged; of those sent these are stored: {found:?}");
}

/// Saves in rounds, with kills. `draw` says what is saved in a round.
pub(crate) fn rounds(dice: &mut Dice, scene: &Scene, draw: impl Fn(usize) -> Users) {
    let mut neighbours = Neighbours::new(scene);
    let mut mark = 0;
    let mut before = scene.look();
    while let Some(round) = dice.next_round() {
        let sent = tokens(dice, &draw(round), &mut mark);
        let input: String = sent.iter().map(token::to_json).collect();
        let moment = if round < 3 { Moment::Never(dice.sign()) } else { dice.moment() };
        let ended = neighbours.around(&mut dice.random, scene, || scene.kill(&["save"], input.as_bytes(), moment));
        let left_a_rewrite = has_rewrite(scene.folder());
        let after = neighbours.check_off(scene.look());
        let which = dice.which(round);
        let done = judge(&before, &sent, &ended, &after, &which);
        assert!(
            ended.was_killed || ended.lines.len() == sent.len(),
            "{which}: {} of {}",
            ended.lines.len(),
            sent.len()
        );
        let effect = if done > 0 { Effect::Something } else { Effect::Nothing };
        dice.count(&ended, effect, left_a_rewrite);
        before = after;
        if dice.random.u32(0..5) == 0 {
            let users: Vec<_> = before.values().filter(|stored| stored.texts[0].starts_with("user")).collect();
            if let Some(gone) = dice.random.choice(users).cloned() {
                assert!(scene.handle.delete(&gone.id).unwrap());
                before.remove(&gone.texts[0]);
            }
            scene.tidy();
        }
    }
    neighbours.finish();
    dice.finish();
}

#[test]
fn killed_while_saving() {
    let mut dice = Dice::new("save", Sign::Line);
    rounds(&mut dice, &Scene::new(), |_| Users { count: 30, size: 400, tokens: 6..=12 });
}
