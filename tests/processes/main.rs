//! Several processes on one file at once: nothing is lost, nothing is doubled, and they live as one store does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test"
)]

mod anyone;
#[path = "../support/contested.rs"]
mod contested;
#[path = "../support/crew.rs"]
mod crew;
mod crowd;
#[cfg(feature = "aws")]
#[path = "../support/emulator.rs"]
mod emulator;
#[path = "../support/life.rs"]
mod life;
#[path = "../support/life_import.rs"]
mod life_import;
#[path = "../support/lives.rs"]
mod lives;
#[path = "../support/model.rs"]
mod model;
#[path = "../support/model_import.rs"]
mod model_import;
#[path = "../support/pair.rs"]
mod pair;
#[allow(dead_code, reason = "the tests of the command line use the rest of it")]
#[path = "../support/provider.rs"]
mod provider;
#[path = "../support/puppet.rs"]
mod puppet;
mod refreshing;
mod scene;
#[cfg(feature = "aws")]
#[allow(dead_code, reason = "the tests over AWS use the rest of it")]
#[path = "../support/service.rs"]
mod service;
#[allow(dead_code, reason = "first sign-ins are for the tests over AWS")]
#[path = "../support/crowd.rs"]
mod together;
#[path = "../support/way.rs"]
mod way;
#[path = "../support/witness.rs"]
mod witness;
#[path = "../support/words.rs"]
mod words;

use std::sync::Arc;

use tokenvault::clock::ManualClock;
use tokenvault::vault::Vault;

use crate::anyone::{Anyone, Other};
use crate::scene::Scene;
use crate::way::Handle;

fn here(scene: &Scene, clock: &Arc<ManualClock>) -> Anyone {
    let vault = Arc::new(Vault::with_clock(scene.open(), Arc::clone(clock) as _));
    Anyone::Here(Handle { store: Arc::clone(&vault) as _, vault })
}

fn live_with(lives: u64, handles: usize, puppets: usize) {
    // Of all lives, so that its folder outlives the closure that makes their ways.
    let scene = Scene::new();
    lives::live(lives, |clock| {
        scene.start_anew();
        let here = (0..handles).map(|_| here(&scene, clock));
        let there = (0..puppets).map(|_| Anyone::There(Other::new(scene.puppet(), clock)));
        here.chain(there).collect()
    });
}

#[test]
fn a_handle_and_another_process_live_as_the_model_does() {
    live_with(10, 1, 1);
}

#[test]
fn two_other_processes_live_as_the_model_does() {
    live_with(10, 0, 2);
}

#[test]
fn a_handle_and_two_other_processes_live_as_the_model_does() {
    live_with(10, 1, 2);
}
