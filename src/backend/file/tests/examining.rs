//! Trying what a write takes: what fails is told, the vault stays as it was, and nothing is left behind.

use std::io;
use std::path::Path;

use crate::backend::file::create;
use crate::backend::file::examine::{Examination, examine};
use crate::backend::file::tests::scene::{PATH, Process, Scene};
use crate::backend::file::tests::sim_world::{Step, Verdict, World};
use crate::error::ErrorKind;

fn examined(process: &Process) -> Examination {
    examine(process.file.handle().unwrap().core())
}

#[test]
fn what_fails_is_told_and_the_vault_stays_as_it_was() {
    for (step, is_lock) in [
        (Step::Lock, true),
        (Step::Create, false),
        (Step::Write, false),
        (Step::Sync, false),
        (Step::Remove, false),
        (Step::SyncFolder, false),
    ] {
        let scene = Scene::new();
        let world = World::from_image(&scene.image(&["a"]));
        let (process, before) = (scene.open(&world.process()).unwrap(), world.bytes(Path::new(PATH)));
        let found = examined(&process);
        assert!(found.lock.is_ok() && found.folder.is_ok(), "{found:?}");
        assert_eq!(world.names().len(), 1, "nothing is left: {:?}", world.names());
        process.disk.on_each_call(move |_, own| match own == step {
            true => Verdict::Fail(io::ErrorKind::PermissionDenied),
            false => Verdict::Go,
        });
        let found = examined(&process);
        let failed = if is_lock { &found.lock } else { &found.folder };
        let error = failed.as_ref().expect_err(&format!("{step:?}"));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{step:?}: {error}");
        assert!(error.hint().is_some(), "{step:?}");
        assert_eq!(world.bytes(Path::new(PATH)), before, "{step:?}");
        assert!(step == Step::Remove || world.names().len() == 1, "{step:?}: {:?}", world.names());
    }
}

#[test]
fn whoever_is_killed_meanwhile_leaves_nothing_that_the_next_does_not_clear_away() {
    let scene = Scene::new();
    let mut has_left = false;
    for last in 0.. {
        let world = World::from_image(&scene.image(&["a"]));
        let (victim, before) = (scene.open(&world.process()).unwrap(), world.bytes(Path::new(PATH)));
        victim.disk.on_each_call(move |number, _| if number >= last { Verdict::Die } else { Verdict::Go });
        drop(examined(&victim));
        let is_over = !victim.disk.is_dead();
        has_left |= world.names().len() > 1;
        drop(victim);
        let next = scene.open(&world.process()).unwrap();
        let found = examined(&next);
        assert!(found.lock.is_ok() && found.folder.is_ok(), "killed at call {last}: {found:?}");
        assert_eq!(world.names().len(), 1, "killed at call {last}: {:?}", world.names());
        assert_eq!(world.bytes(Path::new(PATH)), before, "killed at call {last}");
        if is_over {
            break;
        }
    }
    assert!(has_left, "it was killed while {:?} was there", create::TEMPORARY);
}
