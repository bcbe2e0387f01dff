//! An import is there as a whole or not at all: new rows, rows of stored tokens, small files and large ones.

use std::collections::BTreeSet;

use crate::dice::{Dice, Effect};
use crate::handle::{Contents, Stored};
use crate::neighbours::Neighbours;
use crate::scene::Scene;
use crate::token::{self, Texts};
use crate::victim::{Moment, Sign, has_rewrite};

/// Rows of stored tokens, and of new ones: written as one frame, and in parts.
const ROWS: [(usize, usize); 2] = [(4, 2), (30, 10)];

const USERS: usize = 30;

/// More than a commit may append (8 MiB): it is written by a rewrite.
const LARGE: (usize, usize) = (30, 110);

/// A text of a token has at most 64 KiB.
const LARGE_TEXT: usize = 62_000;

/// A large import takes a hundred times as long as a usual one.
const LARGE_KILLS: usize = 6;

struct File {
    rows: Vec<(String, Texts)>,
}

impl File {
    fn draw(dice: &mut Dice, (stored, new): (usize, usize), size: usize, round: usize) -> Self {
        let row = |user: String, id: String| (id, token::texts(&user, round as u64 + 1, size));
        let first = dice.random.usize(0..USERS);
        let stored = (0..stored).map(|at| (first + at) % USERS).map(|at| row(format!("user {at}"), format!("{at}")));
        let new = (0..new).map(|at| row(format!("new {round} {at}"), format!("{round}/{at}")));
        Self { rows: stored.chain(new).collect() }
    }

    fn csv(&self) -> String {
        token::to_csv(self.rows.iter().map(|(id, texts)| (id.as_str(), texts)))
    }

    /// How many of its rows are stored.
    fn stored(&self, contents: &Contents) -> usize {
        let is_stored = |(id, texts): &&(String, Texts)| {
            contents.get(&texts[0]) == Some(&Stored { id: id.clone(), texts: texts.clone() })
        };
        self.rows.iter().filter(is_stored).count()
    }

    fn users(&self) -> BTreeSet<&String> {
        self.rows.iter().map(|(_, texts)| &texts[0]).collect()
    }
}

#[test]
fn killed_while_importing() {
    kill(Dice::new("import", Sign::Written), &ROWS, 500);
}

#[test]
fn killed_while_importing_more_than_a_commit_takes() {
    kill(Dice::with_kills(LARGE_KILLS, "large import", Sign::Rewrite), &[LARGE], LARGE_TEXT);
}

fn with_users() -> Scene {
    let scene = Scene::new();
    for at in 0..USERS {
        let token = token::to_token(&token::texts(&format!("user {at}"), 0, 500));
        scene.handle.save(&mut token.with_id(&at.to_string())).unwrap();
    }
    scene
}

/// Imports files of so many rows, stored and new, with texts of this size.
fn kill(mut dice: Dice, rows: &[(usize, usize)], size: usize) {
    let scene = with_users();
    let mut neighbours = Neighbours::new(&scene);
    let mut before = scene.look();
    while let Some(round) = dice.next_round() {
        let drawn = rows[dice.random.usize(0..rows.len())];
        let (file, generation) = (File::draw(&mut dice, drawn, size, round), scene.handle.verify().unwrap().generation);
        scene.write("tokens.csv", file.csv().as_bytes());
        let moment = if round < rows.len() * 2 { Moment::Never(dice.sign()) } else { dice.moment() };
        let arguments = ["import", "--from", "tokens.csv", "--overwrite"];
        let ended = neighbours.around(&mut dice.random, &scene, || scene.kill(&arguments, b"", moment));
        let left_a_rewrite = has_rewrite(scene.folder());
        let after = neighbours.check_off(scene.look());
        let (which, count) = (dice.which(round), file.stored(&after));
        let is_acknowledged = !ended.was_killed || ended.lines.iter().any(|line| line.starts_with("imported"));
        assert!(count == 0 || count == file.rows.len(), "{which}: {count} of {} rows are there", file.rows.len());
        assert!(count > 0 || !is_acknowledged, "{which}: an import that was acknowledged is not there");
        let is_rewritten = scene.handle.verify().unwrap().generation > generation;
        assert!(count == 0 || is_rewritten || dice.sign() != Sign::Rewrite, "{which}: it was not written by a rewrite");
        let (users, is_done) = (file.users(), count > 0);
        let others = |contents: &Contents| -> Contents {
            let others = contents.iter().filter(|(user, _)| !is_done || !users.contains(user));
            others.map(|(user, stored)| (user.clone(), stored.clone())).collect()
        };
        assert!(others(&before) == others(&after), "{which}: an import changed another token");
        dice.count(&ended, if is_done { Effect::Something } else { Effect::Nothing }, left_a_rewrite);
        if left_a_rewrite || is_done {
            after.values().filter(|stored| stored.texts[0].starts_with("new")).for_each(|stored| {
                assert!(scene.handle.delete(&stored.id).unwrap());
            });
            scene.tidy();
        }
        before = neighbours.check_off(scene.handle.contents().unwrap());
    }
    if dice.are_many() {
        neighbours.finish();
    }
    dice.finish();
}
