//! What is deleted leaves the file: at once where that is cheap, within a day elsewhere; and dead bytes do not pile up.

use std::path::Path;
use std::time::Duration;

use crate::backend::file::rewrite;
use crate::backend::file::tests::scene::{PATH, Process, Scene, contents};
use crate::backend::file::tests::sim_world::World;
use crate::clock::Clock;

fn generation(process: &Process) -> u64 {
    process.verify().unwrap().generation
}

/// The end of the last frame, which holds the last write sealed.
fn last_bytes(world: &World) -> Vec<u8> {
    let bytes = world.bytes(Path::new(PATH));
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes[used - 40..used].to_vec()
}

/// Whether any file still under a name holds these bytes.
fn holds(world: &World, wanted: &[u8]) -> bool {
    let image = world.seen();
    image.names.values().any(|inode| image.files[inode].windows(wanted.len()).any(|part| part == wanted))
}

#[test]
fn a_small_vault_holds_nothing_deleted() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let process = scene.open(&world.process()).unwrap();
    process.save("victim", "secret").unwrap();
    let sealed = last_bytes(&world);
    assert!(holds(&world, &sealed));
    process.delete("victim").unwrap();
    drop(process);
    assert!(!holds(&world, &sealed), "a process that ends right after a delete has removed the bytes, too");
    assert_eq!(scene.found(&world), contents(&[("a", "first")]));
}

#[test]
fn what_was_deleted_leaves_a_large_vault_within_half_a_day() {
    let scene = Scene::new();
    let world = scene.world(&[]);
    let process = scene.open(&world.process()).unwrap();
    let long = "long".repeat(20_000);
    let many = ["1", "2", "3", "4"].map(|user| (user, long.as_str()));
    process.save_all(&many).unwrap();
    process.save("victim", "secret").unwrap();
    let sealed = last_bytes(&world);
    let before = generation(&process);
    process.delete("victim").unwrap();
    scene.clock.advance(Duration::from_secs(12 * 3600 - 1));
    process.save("other", "1").unwrap();
    assert_eq!(generation(&process), before, "it is not due");
    assert!(holds(&world, &sealed));
    scene.clock.advance(Duration::from_secs(1));
    process.save("other", "2").unwrap();
    drop(process);
    let process = scene.open(&world.process()).unwrap();
    assert_eq!(generation(&process), before + 1);
    assert!(!holds(&world, &sealed));
    assert_eq!(process.contents().unwrap().len(), 5);
}

#[test]
fn a_tombstone_s_age_is_known_to_whoever_opens_the_vault() {
    let scene = Scene::new();
    let world = scene.world(&[]);
    let process = scene.open(&world.process()).unwrap();
    let long = "long".repeat(20_000);
    process.save_all(&["1", "2", "3", "4"].map(|user| (user, long.as_str()))).unwrap();
    process.delete("1").unwrap();
    let before = generation(&process);
    drop(process);
    scene.clock.advance(Duration::from_secs(12 * 3600));
    let process = scene.open(&world.process()).unwrap();
    process.save("2", "short").unwrap();
    drop(process);
    assert_eq!(generation(&scene.open(&world.process()).unwrap()), before + 1);
}

#[test]
fn dead_bytes_do_not_pile_up() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let process = scene.open(&world.process()).unwrap();
    let before = generation(&process);
    let long = "x".repeat(60_000);
    for round in 0..20 {
        process.save("a", &format!("{round} {long}")).unwrap();
    }
    drop(process);
    let process = scene.open(&world.process()).unwrap();
    let found = process.verify().unwrap();
    assert_eq!(found.generation, before + 1, "once, when more than 1 MiB and more than half were dead");
    assert!(found.bytes < 300_000, "{found:?}");
    assert_eq!(process.contents().unwrap()["a"], format!("19 {long}"));
}

/// NIST SP 800-38D, section 8.3: at most 2^32 random nonces under one key.
#[test]
fn a_vault_is_rewritten_at_2_to_the_31_frames_under_one_key() {
    let scene = Scene::new();
    let process = scene.open(&scene.world(&["a"]).process()).unwrap();
    let handle = process.file.handle().unwrap();
    for (frames, is_due) in [((1 << 31) - 1, false), (1 << 31, true), (1 << 32, true)] {
        handle.core().change_state(|state| state.position.number = frames);
        assert_eq!(rewrite::is_due(&handle.core().state(), scene.clock.now()), is_due, "{frames} frames");
    }
}
