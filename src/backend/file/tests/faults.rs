//! Calls to the disk that fail: one clear error, nothing changed or "may or may not", and going on afterwards.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use crate::backend::file::tests::scene::{Contents, PATH, Process, Scene, contents};
use crate::backend::file::tests::sim_image::Image;
use crate::backend::file::tests::sim_world::{Step, Verdict, World};
use crate::error::{ErrorKind, Result};

/// Calls that never fail on a disk that merely is full.
const HARMLESS: [Step; 6] = [Step::Stat, Step::FileStat, Step::Read, Step::Lock, Step::Unlock, Step::Names];

type Act = fn(&Scene, &Process) -> Result<()>;

/// The operations that change anything, and what they leave of a vault of a and b.
fn acts() -> Vec<(&'static str, Act, Contents)> {
    vec![
        ("save", |_, process| process.save("c", "1"), contents(&[("a", "first"), ("b", "first"), ("c", "1")])),
        ("delete", |_, process| process.delete("a"), contents(&[("b", "first")])),
        ("import", |_, process| import(process), contents(&[("a", "first"), ("b", "first"), ("c", LONG), ("e", LONG)])),
        ("clear", |_, process| process.clear(), Contents::new()),
        ("rotate", |_, process| process.rotate().map(drop), contents(&[("a", "first"), ("b", "first")])),
        (CHANGE_KEY, change_key, contents(&[("a", "first"), ("b", "first")])),
    ]
}

const CHANGE_KEY: &str = "change key";

fn change_key(scene: &Scene, process: &Process) -> Result<()> {
    process.change_key(scene.key("new")).map(drop)
}

/// Which keys may open the vault after it. After a failure it may be under the new one, as it may hold what was saved.
fn keys(name: &str, is_done: bool) -> &'static [&'static str] {
    match (name, is_done) {
        (CHANGE_KEY, true) => &["new"],
        (CHANGE_KEY, false) => &["old", "new"],
        _ => &["old"],
    }
}

/// Two that take more than one frame holds of one commit.
const LONG: &str = match str::from_utf8(&[b'x'; 9000]) {
    Ok(text) => text,
    Err(_) => "",
};

fn import(process: &Process) -> Result<()> {
    process.save_all(&[("c", LONG), ("e", LONG)])
}

/// Plays each operation with the calls failing that `verdict` names, once for each first call that fails. Afterwards
/// the vault holds what it held, or what the operation leaves; it goes on; and what it acknowledges survives.
fn fail(kinds: &[ErrorKind], verdict: impl Fn(usize, Step, usize) -> Verdict + Copy + Send + 'static) {
    let scene = Scene::new();
    let start = scene.image(&["a", "b"]);
    let before = scene.found(&World::from_image(&start));
    for (name, act, after) in acts() {
        for first in 0.. {
            let world = World::from_image(&start);
            let process = scene.open(&world.process()).unwrap();
            process.disk.on_each_call(move |number, step| verdict(number, step, first));
            let done = act(&scene, &process);
            let is_over = process.disk.calls() <= first;
            process.disk.on_each_call(|_, _| Verdict::Go);
            let what = format!("{name}, failing from call {first}: {done:?}");
            if let Err(error) = &done {
                assert!(kinds.contains(&error.kind()) && error.hint().is_some(), "{what}");
            }
            let found = process.contents().unwrap_or_else(|error| panic!("{what}: {error:?}"));
            assert!(found == after || (done.is_err() && found == before), "{what}: {found:?}");
            goes_on(&Opens { scene: &scene, world: &world, keys: keys(name, done.is_ok()) }, &process, found, &what);
            if is_over {
                break;
            }
        }
    }
}

/// A vault that one of these keys opens, and no other.
struct Opens<'a> {
    scene: &'a Scene,
    world: &'a World,
    keys: &'a [&'static str],
}

impl Opens<'_> {
    /// The key, and what is in the vault.
    fn found(&self, what: &str) -> (&'static str, Contents) {
        let opened = ["old", "new"].map(|key| (key, self.scene.found_by(key, self.world)));
        let mut found = opened.into_iter().filter_map(|(key, opened)| match opened {
            Ok(found) => Some((key, found)),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WrongKey, "{what}: {error:?}");
                None
            }
        });
        let (first, second) = (found.next(), found.next());
        assert!(second.is_none(), "{what}: both keys open it");
        first.filter(|(key, _)| self.keys.contains(key)).unwrap_or_else(|| panic!("{what}: none of the keys opens it"))
    }
}

fn goes_on(opens: &Opens<'_>, process: &Process, mut expected: Contents, what: &str) {
    let Opens { scene, world, .. } = opens;
    process.save("d", "acknowledged").unwrap_or_else(|error| panic!("{what}: {error:?}"));
    expected.extend(contents(&[("d", "acknowledged")]));
    assert_eq!(process.contents().unwrap(), expected, "{what}");
    let (key, found) = opens.found(what);
    assert_eq!(found, expected, "{what}");
    assert_eq!(world.tables().misuse, None, "{what}");
    let mut after_power_loss = HashSet::new();
    world.after_power_loss(Path::new(PATH), 7, &mut after_power_loss, |image: &Image| {
        let found = scene.found_by(key, &World::from_image(image)).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(found, expected, "{what}");
    });
}

#[test]
fn one_call_that_fails_is_one_clear_error() {
    fail(
        &[ErrorKind::Io],
        |number, _, first| {
            if number == first { Verdict::Fail(io::ErrorKind::Other) } else { Verdict::Go }
        },
    );
}

#[test]
fn a_call_that_fails_after_it_took_effect_does_no_harm() {
    fail(&[ErrorKind::Io], |number, step, first| {
        // What was opened or locked is always answered.
        let may = !matches!(step, Step::Open | Step::Create | Step::Lock);
        if number == first && may { Verdict::FailLate(io::ErrorKind::Other) } else { Verdict::Go }
    });
}

#[test]
fn a_disk_that_is_full_says_so_until_there_is_room() {
    fail(&[ErrorKind::StorageFull], |number, step, first| {
        let is_full = number >= first
            && !HARMLESS.contains(&step)
            && !matches!(step, Step::Open | Step::SetLen | Step::Sync | Step::Remove | Step::SyncFolder | Step::Rename);
        if is_full { Verdict::Fail(io::ErrorKind::StorageFull) } else { Verdict::Go }
    });
}

#[test]
fn syncs_that_fail_for_a_while_are_never_believed_afterwards() {
    fail(&[ErrorKind::Io], |number, step, first| {
        let is_failing = number >= first && matches!(step, Step::Sync | Step::SyncFolder);
        if is_failing { Verdict::Fail(io::ErrorKind::Other) } else { Verdict::Go }
    });
}

#[test]
fn a_disk_on_which_every_change_fails_for_a_while_is_survived() {
    fail(&[ErrorKind::Io], |number, step, first| {
        let is_failing = number >= first && !HARMLESS.contains(&step) && step != Step::Open;
        if is_failing { Verdict::Fail(io::ErrorKind::Other) } else { Verdict::Go }
    });
}

#[test]
fn what_a_killed_writer_left_unsynced_is_not_built_upon_after_a_failed_sync() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let (first, second) = (scene.open(&world.process()).unwrap(), scene.open(&world.process()).unwrap());
    first.disk.on_each_call(|_, step| if step == Step::Sync { Verdict::Die } else { Verdict::Go });
    first.save("b", "1").unwrap_err();
    let mut has_failed = false;
    second.disk.on_each_call(move |_, step| match step {
        Step::Sync if !std::mem::replace(&mut has_failed, true) => Verdict::Fail(io::ErrorKind::Other),
        _ => Verdict::Go,
    });
    assert_eq!(second.save("a", "2").unwrap_err().kind(), ErrorKind::Io);
    let found = second.contents().unwrap();
    goes_on(&Opens { scene: &scene, world: &world, keys: &["old"] }, &second, found, "after the failed sync");
}

#[test]
fn a_file_that_may_only_be_read_is_read() {
    let scene = Scene::new();
    let world = scene.world(&["a"]);
    let before = world.bytes(Path::new(PATH));
    world.tables().is_read_only = true;
    let process = scene.open(&world.process()).unwrap();
    assert_eq!(process.contents().unwrap(), contents(&[("a", "first")]));
    let every_day = [process.save("a", "2"), process.delete("a"), import(&process), process.clear()];
    for done in every_day.into_iter().chain([process.rotate().map(drop), change_key(&scene, &process)]) {
        let error = done.unwrap_err();
        assert!(error.kind() == ErrorKind::PermissionDenied && error.hint().is_some(), "{error:?}");
    }
    assert_eq!(process.contents().unwrap(), contents(&[("a", "first")]));
    assert_eq!(world.bytes(Path::new(PATH)), before);
    assert_eq!(world.names(), ["vault.tv"]);
}
