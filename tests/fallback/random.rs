//! Random reads and writes by two processes with one copy and by others without, where the store and the copy fail at
//! random: whatever the copy answers was true not longer ago than the age, is no older than what was acknowledged or shown,
//! and lacks nothing that was there all the time.

use std::collections::HashMap;
use std::sync::Arc;

use tokenvault::clock::{Clock, Timestamp};
use tokenvault::error::ErrorKind;
use tokenvault::identity::{RecordName, Version};
use tokenvault::operation::{Context, Source};
use tokenvault::record::Record;

use crate::going::now;
use crate::scene::{LONGEST, SECOND, Scene, next_of, record};
use crate::scripted::{Fate, Scripted};

const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// What a record was, and from when on.
#[derive(Default)]
struct Life {
    states: Vec<(Timestamp, Option<Arc<Record>>)>,
    /// The state that a reader of each process, or of the copy, must not fall behind.
    floor: [usize; 2],
    /// The state that was acknowledged last by one with the copy.
    acknowledged: usize,
}

#[derive(Default)]
struct World(HashMap<RecordName, Life>);

impl World {
    /// What has happened in the store since it was last looked at.
    fn look(&mut self, scene: &Scene) {
        let at = scene.time.now();
        let there: HashMap<_, _> = now(tokenvault::backend::Backend::list(&*scene.store.inner, &Context::new()))
            .unwrap()
            .value
            .into_iter()
            .map(|record| (record.name, record))
            .collect();
        for name in there.keys() {
            self.0.entry(*name).or_default();
        }
        for (name, life) in &mut self.0 {
            let state = there.get(name).cloned();
            let last = life.states.last().and_then(|last| last.1.as_ref()).map(|record| record.version);
            if last != state.as_ref().map(|record| record.version) {
                life.states.push((at, state));
            }
        }
    }

    fn floor(&mut self, name: RecordName, processes: &[usize]) {
        let Some(life) = self.0.get_mut(&name) else { return };
        let last = life.states.len() - 1;
        for process in processes {
            life.floor[*process] = last;
        }
        if processes.len() == 2 {
            life.acknowledged = last;
        }
    }

    /// Whether the copy may say this at `at` to a reader of this process.
    fn check(&self, name: RecordName, version: Version, process: usize, at: Timestamp) {
        let life = &self.0[&name];
        let is_it = |state: &(Timestamp, Option<Arc<Record>>)| state.1.as_ref().is_some_and(|r| r.version == version);
        let index = life.states.iter().position(is_it).unwrap();
        let until = life.states.get(index + 1).map(|next| next.0);
        assert!(until.is_none_or(|until| at.since(until) <= LONGEST), "it was over before");
        assert!(index >= life.floor[process], "state {index} after {}", life.floor[process]);
    }

    /// The records of this user, or all, that were there all the time that the copy may be from.
    fn lasting(&self, user: Option<&str>, at: Timestamp) -> Vec<RecordName> {
        let is_lasting = |life: &&Life| {
            let within = life.states.iter().enumerate().filter(|(index, _)| {
                let until = life.states.get(index + 1).map_or(at, |next| next.0);
                at.since(until) <= LONGEST
            });
            let begins = life.states.first().is_some_and(|first| at.since(first.0) > LONGEST);
            let mut states = within.map(|(_, state)| &state.1);
            begins
                && states.all(|state| state.as_ref().is_some_and(|record| user.is_none_or(|user| is_of(record, user))))
        };
        let lasting = self.0.iter().filter(|(_, life)| is_lasting(life));
        lasting.map(|(name, _)| *name).collect()
    }
}

fn is_of(record: &Record, user: &str) -> bool {
    record.fields.text(tokenvault::fields::Field::UserName) == Some(user)
}

fn script(store: &Scripted, random: &mut fastrand::Rng, kinds: &[ErrorKind], one_in: u32) {
    let fates = (0..4).map(|_| {
        let kind = kinds[random.usize(..kinds.len())];
        match random.u32(..one_in) {
            0 => Fate::Fails(kind),
            1 => Fate::Lost(kind),
            _ => Fate::Done,
        }
    });
    store.next(fates.collect::<Vec<_>>());
}

fn life(seed: u64) -> usize {
    let mut random = fastrand::Rng::with_seed(seed);
    let scene = Scene::new();
    let mut processes = [scene.another(), scene.another()];
    let (mut world, mut held, mut served) = (World::default(), Vec::<Arc<Record>>::new(), 0);
    let store_kinds = [ErrorKind::Unavailable, ErrorKind::Unavailable, ErrorKind::Busy, ErrorKind::PermissionDenied];
    for _ in 0..400 {
        scene.time.advance(random.u32(..120) * SECOND);
        if random.u8(..20) == 0 {
            if random.bool() { scene.is_away() } else { scene.is_back() }
        }
        if random.u8(..40) == 0 {
            // A process ends, and another begins.
            scene.copy.next([]);
            let which = random.usize(..2);
            // It knows only of what was acknowledged.
            world.0.values_mut().for_each(|life| life.floor[which] = life.acknowledged);
            processes[which] = scene.another();
        }
        script(&scene.store, &mut random, &store_kinds, 12);
        script(&scene.copy, &mut random, &[ErrorKind::Io], 40);
        let which = random.usize(..2);
        let process = &processes[which];
        let old = (!held.is_empty() && random.u8(..4) > 0).then(|| held[random.usize(..held.len())].clone());
        let user = USERS[random.usize(..USERS.len())];
        let at = |scene: &Scene| scene.time.now();
        match random.u8(..12) {
            0..=2 => {
                let new = old.as_ref().map_or_else(|| record(user), |old| next_of(old, user));
                let done = process.write(old.as_deref(), Some(&new));
                world.look(&scene);
                if done.is_ok() {
                    world.floor(new.name, &[0, 1]);
                }
            }
            3 => {
                if let Some(old) = &old {
                    let done = process.write(Some(old), None);
                    world.look(&scene);
                    if done.is_ok() {
                        world.floor(old.name, &[0, 1]);
                    }
                }
            }
            4 if random.u8(..8) == 0 => {
                let done = now(tokenvault::backend::Backend::clear(&*process.fallback, &Context::new()));
                world.look(&scene);
                if done.is_ok() {
                    let names: Vec<_> = world.0.keys().copied().collect();
                    names.into_iter().for_each(|name| world.floor(name, &[0, 1]));
                }
            }
            4 | 5 => {
                let new = old.as_ref().map_or_else(|| record(user), |old| next_of(old, user));
                let value = (old.is_none() || random.bool()).then_some(&new);
                let commit = crate::scene::commit(old.as_deref(), value);
                _ = now(tokenvault::backend::Backend::commit(&*scene.store.inner, &Context::new(), commit));
                world.look(&scene);
            }
            6 | 7 => {
                let Some(old) = old else { continue };
                match process.read(old.name) {
                    Ok((Some(version), Source::Fallback)) => {
                        world.check(old.name, version, which, at(&scene));
                        served += 1;
                    }
                    Ok((None, source)) => {
                        assert_eq!(source, Source::Store);
                        world.floor(old.name, &[which]);
                    }
                    Ok(_) => world.floor(old.name, &[which]),
                    Err(_) => {}
                }
            }
            _ => {
                let is_find = random.bool();
                let answer = if is_find { process.find(user) } else { process.list() };
                let Ok((versions, Source::Fallback)) = answer else { continue };
                served += 1;
                let name_of = |version: &Version| {
                    let states = |life: &Life| life.states.iter().filter_map(|s| s.1.clone()).collect::<Vec<_>>();
                    let mut all = world.0.values().flat_map(states);
                    all.find(|record| record.version == *version).unwrap().name
                };
                let names: Vec<RecordName> = versions.iter().map(name_of).collect();
                for (name, version) in names.iter().zip(&versions) {
                    world.check(*name, *version, which, at(&scene));
                }
                for name in world.lasting(is_find.then_some(user), at(&scene)) {
                    assert!(names.contains(&name), "{name} was there all the time");
                }
            }
        }
        held = world.0.values().filter_map(|life| life.states.last()?.1.clone()).collect();
        held.sort_unstable_by_key(|record| record.name);
    }
    served
}

#[test]
fn what_the_copy_answers_was_true_within_the_age() {
    let mut served = 0;
    for _ in 0..300 {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        served += life(seed);
    }
    assert!(served > 1000, "the copy answered {served} times only");
}
