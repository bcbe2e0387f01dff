//! Two processes and one vault.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::backend::file::disk::{Disk, LockKind};
use crate::backend::file::tests::meeting::{Met, meet, meet_and_look};
use crate::backend::file::tests::scene::{PATH, Process, Scene, block_on, contents, token};
use crate::backend::file::tests::sim_world::{Step, Verdict, World};
use crate::error::{ErrorKind, Result};
use crate::fields::Field;
#[cfg(feature = "import")]
use crate::import::{self, csv};
use crate::operation::Context;
use crate::secret::SecretText;
use crate::store::{Outcome, TokenStore};
use crate::token::OAuthToken;

const BACKUP: &str = "/sim/backup.tv";

#[test]
fn saves_during_a_rotation_are_done_or_refused() {
    meet(|first| first.rotate().map(drop).unwrap(), |second| second.save("a", "2"), &[("a", "2")]);
}

#[test]
fn saves_during_a_save_are_done_or_refused() {
    meet(|first| first.save("b", "first").unwrap(), |second| second.save("a", "2"), &[("a", "2")]);
}

#[test]
fn rotations_during_a_save_are_done_or_refused() {
    meet(|first| first.save("b", "first").unwrap(), |second| second.rotate().map(drop), &[]);
}

#[test]
fn rotations_during_a_rotation_are_done_or_refused() {
    meet(|first| first.rotate().map(drop).unwrap(), |second| second.rotate().map(drop), &[]);
}

/// A backup, beside which the other acts before any of its steps: it is the vault as it was before that or after it.
fn back_up_beside(other: impl Fn(&Process) -> Result<()> + Copy + Send + 'static, after: &[(&str, &str)]) {
    let back_up = |first: &Process| assert_eq!(first.backup(BACKUP).unwrap(), 2);
    meet_and_look(back_up, other, after, |Met { scene, world, before, expected, .. }| {
        assert_eq!(world.names(), ["backup.tv", "vault.tv"]);
        let copy = scene.open_as(&world.process(), BACKUP, "old").unwrap();
        let found = copy.contents().unwrap();
        assert!(found == *before || found == expected, "{found:?}");
        assert_eq!(copy.verify().unwrap().torn_bytes, 0);
        copy.save("later", "1").unwrap();
        assert_eq!(scene.found(&world), expected, "the vault itself is untouched");
    });
}

#[test]
fn a_backup_beside_saves_is_the_vault_of_one_moment() {
    back_up_beside(|second| second.save("a", "2"), &[("a", "2")]);
}

#[test]
fn a_backup_beside_rotations_is_the_vault_of_one_moment() {
    back_up_beside(|second| second.rotate().map(drop), &[]);
}

#[test]
fn reads_during_a_rotation_see_everything() {
    let scene = Scene::new();
    let world = scene.world(&["a", "b"]);
    let before = scene.found(&world);
    let (first, second) = (scene.open(&world.process()).unwrap(), scene.open(&world.process()).unwrap());
    first.disk.on_each_call(move |_, _| {
        match second.contents() {
            Ok(found) => assert_eq!(found, before),
            // Between the rename and the end of the lock.
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy),
        }
        Verdict::Go
    });
    first.rotate().unwrap();
}

#[test]
fn a_new_file_is_locked_before_it_can_be_seen() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let (first, other) = (scene.open(&world.process()).unwrap(), world.process());
    let (mut is_renamed, met) = (false, Arc::new(Mutex::new(0)));
    let count = Arc::clone(&met);
    first.disk.on_each_call(move |_, step| {
        // The unlocking after the folder's sync is the last.
        if is_renamed && step == Step::SyncFolder {
            let new = other.open(Path::new(PATH)).unwrap();
            assert!(!new.try_lock(LockKind::Shared).unwrap(), "nobody else may touch it before the rename is durable");
            *count.lock().unwrap() += 1;
        }
        is_renamed |= step == Step::Rename;
        Verdict::Go
    });
    first.rotate().unwrap();
    assert_eq!(*met.lock().unwrap(), 1);
}

/// Both have the vault open; the first is killed at each of its steps in turn, then the second acknowledges a write,
/// then the power goes.
fn survives_the_other_s_death(act: impl Fn(&Process) -> Result<()>, after: &[(&str, &str)]) {
    let scene = Scene::new();
    let start = scene.image(&["a", "b"]);
    let before = scene.found(&World::from_image(&start));
    for fatal in 0.. {
        let world = World::from_image(&start);
        let (first, second) = (scene.open(&world.process()).unwrap(), scene.open(&world.process()).unwrap());
        second.save("b", "0").unwrap();
        first.disk.on_each_call(move |number, _| if number == fatal { Verdict::Die } else { Verdict::Go });
        let _ = act(&first);
        let is_dead = first.disk.is_dead();
        drop(first);
        second.save("b", "acknowledged").unwrap();
        let mut old = before.clone();
        old.extend(contents(&[("b", "acknowledged")]));
        let mut new = old.clone();
        new.extend(contents(after));
        world.after_power_loss(Path::new(PATH), 1, &mut Default::default(), |image| {
            let found = scene.found(&World::from_image(image));
            assert!(found == old || found == new, "killed before call {fatal}: {found:?}");
        });
        drop(second);
        if !is_dead {
            return;
        }
    }
}

#[test]
fn an_acknowledged_write_survives_the_death_of_a_compactor_and_a_power_loss() {
    survives_the_other_s_death(|first| first.rotate().map(drop), &[]);
}

#[test]
fn an_acknowledged_write_survives_the_death_of_a_writer_and_a_power_loss() {
    survives_the_other_s_death(|first| first.save("c", "1"), &[("c", "1")]);
}

#[test]
fn an_overtaken_save_is_not_answered_before_what_overtook_it_is_durable() {
    let scene = Scene::new();
    let world = scene.world(&[]);
    let (first, second) = (scene.open(&world.process()).unwrap(), scene.open(&world.process()).unwrap());
    let cx = Context::new();
    let signed_in =
        |access: &str, expiry: &str| token("a", access).with(Field::RefreshToken, "r").with(Field::ExpiresIn, expiry);
    block_on(first.vault.save_token(&cx, &mut signed_in("1", "1700000000000"))).unwrap();
    second.save("b", "settled").unwrap();
    let mut overtaken = OAuthToken::new().with(Field::UserName, "a");
    assert!(block_on(second.vault.find_token(&cx, &mut overtaken)).unwrap().value);
    first.disk.on_each_call(|_, step| if step == Step::Sync { Verdict::Die } else { Verdict::Go });
    block_on(first.vault.save_token(&cx, &mut signed_in("3", "1700000900000"))).unwrap_err();
    overtaken.set(Field::AccessToken, Some(SecretText::new("2")));
    overtaken.set(Field::ExpiresIn, Some(SecretText::new("1700000800000")));
    let saved = block_on(second.vault.save_token(&cx, &mut overtaken)).unwrap().value;
    assert_eq!(saved.outcome, Outcome::Superseded);
    world.after_power_loss(Path::new(PATH), 1, &mut HashSet::new(), |image| {
        assert_eq!(scene.found(&World::from_image(image))["a"], "3", "what was answered rests on this");
    });
}

#[test]
fn a_token_is_not_called_gone_before_its_deletion_is_durable() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let (first, second) = (scene.open(&world.process()).unwrap(), scene.open(&world.process()).unwrap());
    let mut deleted = OAuthToken::new().with(Field::UserName, "a");
    assert!(block_on(second.vault.find_token(&Context::new(), &mut deleted)).unwrap().value);
    first.disk.on_each_call(|_, step| if step == Step::Sync { Verdict::Die } else { Verdict::Go });
    first.delete("a").unwrap_err();
    assert!(!block_on(second.vault.delete_token(&Context::new(), deleted.id().unwrap())).unwrap().value);
    world.after_power_loss(Path::new(PATH), 1, &mut HashSet::new(), |image| {
        assert_eq!(scene.found(&World::from_image(image)), contents(&[]), "the log-out was answered");
    });
}

#[cfg(feature = "import")]
#[test]
fn an_import_that_finds_all_of_it_there_is_not_answered_before_that_is_durable() {
    let scene = Scene::new();
    let world = scene.world(&[]);
    let (first, second) = (scene.open(&world.process()).unwrap(), scene.open(&world.process()).unwrap());
    let rows = csv::parse(
        b"id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_uri,api_domain\n\
          1,a,c,,r,t,,,,\n",
    );
    let rows = rows.unwrap();
    let import = |process: &Process| {
        block_on(import::import(&process.vault, &Context::new(), &rows, &import::ImportOptions::default()))
    };
    first.disk.on_each_call(|_, step| if step == Step::Sync { Verdict::Die } else { Verdict::Go });
    import(&first).unwrap_err();
    assert_eq!(import(&second).unwrap().unchanged, [2]);
    world.after_power_loss(Path::new(PATH), 1, &mut HashSet::new(), |image| {
        assert!(scene.found(&World::from_image(image)).contains_key("a"), "it was answered as there");
    });
}

#[test]
fn a_reader_that_saw_a_frame_of_a_killed_writer_goes_on() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let (first, second) = (scene.open(&world.process()).unwrap(), scene.open(&world.process()).unwrap());
    first.disk.on_each_call(|_, step| if step == Step::Sync { Verdict::Die } else { Verdict::Go });
    first.save("b", "never acknowledged").unwrap_err();
    let seen = second.contents().unwrap();
    second.save("a", "2").unwrap();
    assert_eq!(second.contents().unwrap().len(), seen.len());
    assert_eq!(scene.found(&world), second.contents().unwrap());
}

#[test]
fn a_frame_that_is_cut_back_is_never_seen() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let before = scene.found(&world);
    let (first, second) = (scene.open(&world.process()).unwrap(), scene.open(&world.process()).unwrap());
    first.save("a", "first").unwrap();
    let seen = before.clone();
    let mut has_failed = false;
    first.disk.on_each_call(move |_, step| {
        match second.contents() {
            Ok(found) => assert_eq!(found, seen),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy),
        }
        if step == Step::Sync && !std::mem::replace(&mut has_failed, true) {
            return Verdict::Fail(std::io::ErrorKind::Other);
        }
        Verdict::Go
    });
    assert_eq!(first.save("b", "1").unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(scene.found(&world), before);
}

#[test]
fn a_writer_that_waited_for_the_old_file_s_lock_writes_to_the_new_file() {
    let mut scene = Scene::new();
    scene.lock_wait = std::time::Duration::from_secs(60);
    let world = scene.world(&["a"]);
    let (first, second) = (scene.open(&world.process()).unwrap(), scene.open(&world.process()).unwrap());
    let second_disk = Arc::clone(&second.disk);
    let waiter = Mutex::new(Some(second));
    let started = Arc::new(Mutex::new(None));
    let handle = Arc::clone(&started);
    first.disk.on_each_call(move |_, step| {
        if step == Step::Rename {
            let second = waiter.lock().unwrap().take().unwrap();
            let calls = second_disk.calls();
            *handle.lock().unwrap() = Some(std::thread::spawn(move || second.save("b", "waited").map(|()| second)));
            // It has asked for the old file's lock, and was refused at least once.
            while second_disk.calls() < calls + 8 {
                std::thread::yield_now();
            }
        }
        Verdict::Go
    });
    first.rotate().unwrap();
    let second = started.lock().unwrap().take().unwrap().join().unwrap().unwrap();
    let expected = contents(&[("a", "first"), ("b", "waited")]);
    assert_eq!(second.contents().unwrap(), expected);
    assert_eq!(first.contents().unwrap(), expected);
    assert_eq!(scene.found(&world), expected);
}

#[test]
fn what_a_killed_rewrite_left_is_removed_by_the_next() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let first = scene.open(&world.process()).unwrap();
    first.disk.on_each_call(|_, step| if step == Step::Rename { Verdict::Die } else { Verdict::Go });
    first.rotate().unwrap_err();
    assert_eq!(world.names().len(), 2);
    drop(first);
    scene.open(&world.process()).unwrap().rotate().unwrap();
    assert_eq!(world.names(), ["vault.tv"]);
}

#[test]
fn a_lock_is_given_back_where_the_vault_is_moved_away_meanwhile() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let (process, other) = (scene.open(&world.process()).unwrap(), world.process());
    other.rename(Path::new(PATH), Path::new("/sim/away")).unwrap();
    assert_eq!(process.rotate().unwrap_err().kind(), ErrorKind::NotFound);
    let away = other.open(Path::new("/sim/away")).unwrap();
    assert!(away.try_lock(LockKind::Exclusive).unwrap(), "nobody holds the lock any more");
    other.rename(Path::new("/sim/away"), Path::new(PATH)).unwrap();
    drop(away);
    process.save("b", "2").unwrap();
}
