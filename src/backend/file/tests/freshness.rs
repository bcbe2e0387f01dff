//! What a process has seen of a vault it does not let be taken back.

use std::path::Path;

use crate::backend::file::disk::Disk;
use crate::backend::file::tests::scene::{PATH, Scene, contents};
use crate::backend::file::tests::sim_world::World;
use crate::error::ErrorKind;

/// Puts another file in the vault's place.
fn replace(world: &World, bytes: &[u8]) {
    let (disk, new) = (world.process(), Path::new("/sim/other"));
    disk.create_new(new).unwrap().write_at(bytes, 0).unwrap();
    disk.rename(new, Path::new(PATH)).unwrap();
}

/// Copies other bytes over the vault, as `cp` does.
fn copy_over(world: &World, bytes: &[u8]) {
    let file = world.process().open(Path::new(PATH)).unwrap();
    file.set_len(0).unwrap();
    file.write_at(bytes, 0).unwrap();
}

#[test]
fn a_vault_set_back_to_its_beginning_is_noticed_however_often() {
    let scene = Scene::new();
    let world = scene.world(&[]);
    let empty = world.bytes(Path::new(PATH));
    let process = scene.open(&world.process()).unwrap();
    process.save("a", "1").unwrap();
    let one = world.bytes(Path::new(PATH));
    process.save("a", "2").unwrap();
    for older in [&empty, &one, &empty, &one] {
        replace(&world, older);
        for _ in 0..2 {
            assert_eq!(process.contents().unwrap_err().kind(), ErrorKind::Damaged);
            assert_eq!(process.save("a", "3").unwrap_err().kind(), ErrorKind::Damaged);
        }
        assert_eq!(&world.bytes(Path::new(PATH)), older, "and left alone");
    }
}

#[test]
fn a_vault_that_is_put_back_as_it_was_is_taken_up_again() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let early = world.bytes(Path::new(PATH));
    let process = scene.open(&world.process()).unwrap();
    process.save("a", "2").unwrap();
    let right = world.bytes(Path::new(PATH));
    replace(&world, &early);
    process.contents().unwrap_err();
    replace(&world, &right);
    process.save("b", "1").unwrap();
    assert_eq!(scene.found(&world), contents(&[("a", "2"), ("b", "1")]));
}

#[test]
fn nothing_is_written_into_a_file_that_was_copied_over_the_vault() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let process = scene.open(&world.process()).unwrap();
    let early = world.bytes(Path::new(PATH));
    process.rotate().unwrap();
    let mut longer = early.clone();
    longer.resize(early.len() + 4096, 0);
    let other = scene.world(&["somebody else", "and another"]).bytes(Path::new(PATH));
    for bytes in [&early, &longer, &other] {
        copy_over(&world, bytes);
        for _ in 0..2 {
            assert_eq!(process.save("b", "1").unwrap_err().kind(), ErrorKind::Damaged);
        }
        assert_eq!(&world.bytes(Path::new(PATH)), bytes, "and left alone");
    }
}

#[test]
fn what_was_rotated_in_place_of_the_vault_s_own_inode_is_taken_up() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let process = scene.open(&world.process()).unwrap();
    let newer = World::from_image(&world.seen());
    let other = scene.open(&newer.process()).unwrap();
    other.rotate().unwrap();
    other.save("b", "2").unwrap();
    copy_over(&world, &newer.bytes(Path::new(PATH)));
    process.save("c", "3").unwrap();
    assert_eq!(scene.found(&world), contents(&[("a", "first"), ("b", "2"), ("c", "3")]));
}
