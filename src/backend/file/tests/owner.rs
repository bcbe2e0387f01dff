//! Whoever writes somebody's vault anew leaves it to them.

use std::path::Path;

use crate::backend::file::disk::Owner;
use crate::backend::file::tests::scene::{PATH, Scene, contents};
use crate::backend::file::tests::sim_world::World;
use crate::error::ErrorKind;

const THEIRS: Owner = Owner { user: 1000, group: 1000 };

/// A vault of theirs, and a user who may use it all the same.
fn world(scene: &Scene, user: Owner) -> World {
    let world = scene.world(&["a", "b"]);
    let mut tables = world.tables();
    tables.inodes.values_mut().for_each(|inode| inode.owner = THEIRS);
    tables.user = user;
    drop(tables);
    world
}

fn owner(world: &World) -> Owner {
    let mut tables = world.tables();
    let inode = tables.inode(Path::new(PATH)).unwrap();
    tables.metadata(inode).owner
}

#[test]
fn root_leaves_a_vault_to_its_owner() {
    let scene = Scene::new();
    let world = world(&scene, Owner::default());
    let process = scene.open(&world.process()).unwrap();
    process.rotate().unwrap();
    assert_eq!(owner(&world), THEIRS);
    process.delete("a").unwrap();
    drop(process);
    assert_eq!((owner(&world), scene.found(&world)), (THEIRS, contents(&[("b", "first")])));
    let process = scene.open(&world.process()).unwrap();
    process.clear().unwrap();
    assert_eq!(owner(&world), THEIRS);
}

#[test]
fn who_cannot_leave_it_to_its_owner_writes_nothing_anew() {
    let scene = Scene::new();
    let world = world(&scene, Owner { user: 1001, group: 1000 });
    let process = scene.open(&world.process()).unwrap();
    let before = world.bytes(Path::new(PATH));
    for done in [process.rotate().map(drop), process.clear(), process.change_key(scene.key("new")).map(drop)] {
        let error = done.unwrap_err();
        assert!(error.kind() == ErrorKind::PermissionDenied && error.hint().is_some(), "{error:?}");
    }
    assert_eq!((owner(&world), world.names()), (THEIRS, vec!["vault.tv".to_owned()]));
    assert_eq!(world.bytes(Path::new(PATH)), before);
    process.save("c", "1").unwrap();
    assert_eq!(process.contents().unwrap().len(), 3);
}

#[test]
fn a_group_that_is_not_one_s_own_to_give_holds_nobody_up() {
    let scene = Scene::new();
    let world = world(&scene, Owner { user: THEIRS.user, group: 7 });
    scene.open(&world.process()).unwrap().rotate().unwrap();
    assert_eq!(owner(&world), Owner { user: THEIRS.user, group: 7 });
}
