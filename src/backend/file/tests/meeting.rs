//! Two processes that meet: the second runs between any two steps of the first.

use std::sync::{Arc, Mutex};

use crate::backend::file::tests::scene::{Contents, Process, Scene, contents};
use crate::backend::file::tests::sim_world::{Verdict, World};
use crate::error::{ErrorKind, Result};

/// Whether it took effect; else it must have been refused because of a lock.
fn was_done(met: Result<()>) -> bool {
    let Err(error) = met else { return true };
    assert!(error.kind() == ErrorKind::Busy && error.hint().is_some(), "{error:?}");
    false
}

/// Two who met.
pub(super) struct Met<'a> {
    pub(super) scene: &'a Scene,
    pub(super) world: World,
    first: Process,
    second: Process,
    /// What was there before, and what is to be there now.
    pub(super) before: &'a Contents,
    pub(super) expected: Contents,
}

/// Before each call to the disk of the first in turn, the second acts once: it is done wholly or answered `Busy`.
pub(super) fn meet(
    act: impl Fn(&Process),
    other: impl Fn(&Process) -> Result<()> + Copy + Send + 'static,
    after: &[(&str, &str)],
) {
    meet_and_look(act, other, after, |Met { scene, world, first, second, mut expected, .. }| {
        other(&second).unwrap();
        first.rotate().unwrap();
        drop((first, second));
        expected.extend(contents(after));
        assert_eq!(scene.found(&world), expected);
        assert_eq!(world.names(), ["vault.tv"]);
    });
}

/// The same with a look of one's own at what came of it.
pub(super) fn meet_and_look(
    act: impl Fn(&Process),
    other: impl Fn(&Process) -> Result<()> + Copy + Send + 'static,
    after: &[(&str, &str)],
    look: impl Fn(Met<'_>),
) {
    let scene = Scene::new();
    let start = scene.image(&["a", "b"]);
    let before = scene.found(&World::from_image(&start));
    let (mut done, mut refused) = (0, 0);
    for step in 0.. {
        let world = World::from_image(&start);
        let (first, second) = (scene.open(&world.process()).unwrap(), scene.open(&world.process()).unwrap());
        let met = Arc::new(Mutex::new(None));
        let (log, mut turn) = (Arc::clone(&met), Some(second));
        first.disk.on_each_call(move |number, _| {
            if let Some(second) = turn.take_if(|_| number == step) {
                *log.lock().unwrap() = Some((other(&second), second));
            }
            Verdict::Go
        });
        act(&first);
        first.disk.on_each_call(|_, _| Verdict::Go);
        let Some((met, second)) = met.lock().unwrap().take() else {
            break;
        };
        let mut expected = before.clone();
        if was_done(met) {
            done += 1;
            expected.extend(contents(after));
        } else {
            refused += 1;
        }
        assert_eq!(first.contents().unwrap(), expected, "before call {step}");
        assert_eq!(second.contents().unwrap(), expected, "before call {step}");
        look(Met { scene: &scene, world, first, second, before: &before, expected });
    }
    println!("{done} times done, {refused} times refused");
    assert!(done > 0 && refused > 0, "the second met both: a lock, and none");
}
