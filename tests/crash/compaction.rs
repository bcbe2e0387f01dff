//! Saves under which the vault is rewritten, because of what it holds that is dead.

use std::sync::Arc;
use std::time::Duration;

use tokenvault::clock::{Clock, ManualClock, SystemClock};

use crate::dice::Dice;
use crate::handle::Handle;
use crate::save::{Users, rounds};
use crate::scene::Scene;
use crate::token;
use crate::victim::Sign;

/// Of so many rounds, one lets the dead bytes pass a mebibyte; in the others a token was deleted long ago.
const DEAD_BYTES: usize = 10;

/// Deletes a token, more than half a day before now. It takes a vault that is large, or its bytes would go at once.
fn delete_long_ago(handle: &Handle, round: usize) {
    let mut token = token::to_token(&token::texts(&format!("gone {round}"), 0, 100));
    handle.save(&mut token).unwrap();
    assert!(handle.delete(token.id().unwrap()).unwrap());
}

#[test]
fn killed_while_compacting() {
    let mut dice = Dice::new("compaction", Sign::Rewrite);
    let scene = Scene::new();
    for number in 0..10 {
        scene.handle.save(&mut token::to_token(&token::texts(&format!("large {number}"), 0, 26_500))).unwrap();
    }
    let yesterday = SystemClock.now().as_micros() - u64::try_from(Duration::from_hours(13).as_micros()).unwrap();
    let clock = Arc::new(ManualClock::new(tokenvault::clock::Timestamp::from_micros(yesterday)));
    let early = scene.open_at(clock);
    let before = scene.handle.verify().unwrap();
    rounds(&mut dice, &scene, |round| {
        if round % DEAD_BYTES == 0 {
            return Users { count: 2, size: 64_000, tokens: 20..=24 };
        }
        delete_long_ago(&early, round);
        Users { count: 10, size: 400, tokens: 3..=6 }
    });
    let found = scene.handle.verify().unwrap();
    println!("the vault was rewritten {} times", found.generation - before.generation);
}
