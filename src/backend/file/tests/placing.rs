//! Power is lost while a vault is made, or backed up: it is there whole, or not at all.

use std::collections::HashSet;
use std::path::Path;

use crate::backend::file::tests::scene::{Contents, PATH, Scene};
use crate::backend::file::tests::sim_image::Image;
use crate::backend::file::tests::sim_world::{Step, Verdict, World};
use crate::error::{Error, ErrorKind};

const BACKUP: &str = "/sim/backup.tv";

/// Calls `play` again and again, killing the process one call later each time; then `check` with what a power loss may
/// leave, and whether `play` was answered.
fn lose_power(start: &Image, path: &str, play: impl Fn(&World, usize) -> (bool, bool), check: impl Fn(&Image, bool)) {
    let mut checked = 0;
    for fatal in 0.. {
        let world = World::from_image(start);
        let (is_answered, is_dead) = play(&world, fatal);
        world.after_power_loss(Path::new(path), 1, &mut HashSet::new(), |image| {
            checked += 1;
            check(image, is_answered);
        });
        if !is_dead {
            assert!(is_answered && checked > 10, "{checked} images are too few to prove anything");
            return;
        }
    }
}

#[test]
fn a_new_vault_is_there_whole_or_not_at_all() {
    let scene = Scene::new();
    let create = |world: &World, fatal| {
        let disk = world.process();
        disk.on_each_call(move |number, _| if number == fatal { Verdict::Die } else { Verdict::Go });
        (scene.create(&disk).is_ok(), disk.is_dead())
    };
    lose_power(&Image::default(), PATH, create, |image, is_answered| {
        let world = World::from_image(image);
        match scene.open(&world.process()) {
            Ok(process) => {
                assert_eq!(process.contents().unwrap(), Contents::new());
                process.save("a", "1").unwrap();
                process.rotate().unwrap();
                assert_eq!(world.names(), ["vault.tv"], "what was left over is removed");
            }
            Err(error) => assert!(error.kind() == ErrorKind::NotFound && !is_answered, "{error:?}"),
        }
    });
}

#[test]
fn a_backup_is_there_whole_or_not_at_all() {
    let scene = Scene::new();
    let start = scene.image(&["a", "b"]);
    let before = scene.found(&World::from_image(&start));
    let backup = |world: &World, fatal| {
        let disk = world.process();
        disk.on_each_call(move |number, _| if number == fatal { Verdict::Die } else { Verdict::Go });
        let backed_up = scene.open(&disk).and_then(|process| process.backup(BACKUP));
        (backed_up.is_ok(), disk.is_dead())
    };
    lose_power(&start, BACKUP, backup, |image, is_answered| {
        let world = World::from_image(image);
        assert_eq!(scene.found(&world), before, "the vault itself is untouched");
        match scene.open_as(&world.process(), BACKUP, "old") {
            Ok(process) => assert_eq!(process.contents().unwrap(), before),
            Err(error) => assert!(error.kind() == ErrorKind::NotFound && !is_answered, "{error:?}"),
        }
    });
}

#[test]
fn what_a_killed_backup_left_is_removed_by_the_next() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let killed = scene.open(&world.process()).unwrap();
    killed.disk.on_each_call(|_, step| if step == Step::Link { Verdict::Die } else { Verdict::Go });
    killed.backup(BACKUP).unwrap_err();
    drop(killed);
    assert_eq!(world.names().len(), 2);
    scene.open(&world.process()).unwrap().backup(BACKUP).unwrap();
    assert_eq!(world.names(), ["backup.tv", "vault.tv"]);
}

#[test]
fn what_another_backup_is_still_writing_is_left_alone() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let (first, second) = (scene.open(&world.process()).unwrap(), scene.open(&world.process()).unwrap());
    let mut turn = Some(second);
    first.disk.on_each_call(move |_, step| {
        if let Some(second) = turn.take_if(|_| step == Step::Link) {
            second.backup(BACKUP).unwrap();
        }
        Verdict::Go
    });
    let error = first.backup(BACKUP).unwrap_err();
    assert!(error.kind() == ErrorKind::InvalidInput && error.message().contains("already"), "{error:?}");
    assert_eq!(world.names(), ["backup.tv", "vault.tv"]);
}

#[test]
fn what_a_killed_create_left_is_removed_by_the_next() {
    let scene = Scene::new();
    let world = World::default();
    let killed = world.process();
    killed.on_each_call(|_, step| if step == Step::Link { Verdict::Die } else { Verdict::Go });
    scene.create(&killed).unwrap_err();
    assert_eq!(world.names().len(), 1);
    scene.create(&world.process()).unwrap();
    assert_eq!(world.names(), ["vault.tv"]);
}

#[test]
fn a_network_file_system_is_refused() {
    let scene = Scene::new();
    let refused = |error: Error| {
        let said = (error.kind(), error.message(), error.hint().unwrap());
        let remote = "the vault's folder is on a network file system";
        assert_eq!(said, (ErrorKind::Unsupported, remote, "locks are not safe there: choose a folder on a local disk"));
    };
    let world = World::default();
    world.tables().is_remote = true;
    refused(scene.create(&world.process()).unwrap_err());
    assert!(world.names().is_empty());
    let world = scene.world(&["a"]);
    let before = world.bytes(Path::new(PATH));
    world.tables().is_remote = true;
    refused(scene.open(&world.process()).map(drop).unwrap_err());
    assert_eq!(world.bytes(Path::new(PATH)), before);
    world.tables().is_remote = false;
    scene.open(&world.process()).unwrap();
}
