//! Random reads and writes by two processes with one copy and by others without, where the store and the copy fail at
//! random: whatever the copy answers was true not longer ago than the age, is no older than what was acknowledged or shown,
//! and lacks nothing that was there all the time.

use std::collections::HashMap;
use std::sync::Arc;

use tokenvault::backend::Backend;
use tokenvault::clock::{Clock, Timestamp};
use tokenvault::error::ErrorKind;
use tokenvault::identity::{RecordName, Version};
use tokenvault::operation::{Context, Source};
use tokenvault::record::Record;

use crate::going::now;
use crate::scene::{LONGEST, SECOND, Scene, next_of, record};
use crate::scripted::{Fate, Scripted};

const KINDS: [ErrorKind; 4] =
    [ErrorKind::Unavailable, ErrorKind::Unavailable, ErrorKind::Busy, ErrorKind::PermissionDenied];

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
        let there: HashMap<_, _> = now(scene.store.inner.list(&Context::new()))
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

    fn name_of(&self, version: Version) -> RecordName {
        let mut states = self.0.values().flat_map(|life| life.states.iter().filter_map(|state| state.1.as_ref()));
        states.find(|record| record.version == version).unwrap().name
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

struct Lives {
    random: fastrand::Rng,
    scene: Scene,
    processes: [Scene; 2],
    world: World,
    served: usize,
}

impl Lives {
    fn new(seed: u64) -> Self {
        let scene = Scene::new();
        let processes = [scene.another(), scene.another()];
        Self { random: fastrand::Rng::with_seed(seed), scene, processes, world: World::default(), served: 0 }
    }

    fn step(&mut self) {
        self.scene.time.advance(self.random.u32(..120) * SECOND);
        if self.random.u8(..20) == 0 {
            if self.random.bool() { self.scene.is_away() } else { self.scene.is_back() }
        }
        if self.random.u8(..40) == 0 {
            // A process ends, and another begins, which knows only of what was acknowledged.
            self.scene.copy.next([]);
            let which = self.random.usize(..2);
            self.world.0.values_mut().for_each(|life| life.floor[which] = life.acknowledged);
            self.processes[which] = self.scene.another();
        }
        script(&self.scene.store, &mut self.random, &KINDS, 12);
        script(&self.scene.copy, &mut self.random, &[ErrorKind::Io], 40);
        let which = self.random.usize(..2);
        match self.random.u8(..12) {
            0..=3 => self.write(which),
            4 if self.random.u8(..8) == 0 => self.clear(which),
            4 | 5 => self.write_elsewhere(),
            6 | 7 => self.read(which),
            _ => self.find_or_list(which),
        }
    }

    /// One of the records that there are, or none.
    fn any(&mut self) -> Option<Arc<Record>> {
        let mut held: Vec<_> = self.world.0.values().filter_map(|life| life.states.last()?.1.clone()).collect();
        held.sort_unstable_by_key(|record| record.name);
        (!held.is_empty() && self.random.u8(..4) > 0).then(|| held.swap_remove(self.random.usize(..held.len())))
    }

    fn any_user(&mut self) -> &'static str {
        USERS[self.random.usize(..USERS.len())]
    }

    /// What becomes of `old`: another state, or nothing.
    fn any_next(&mut self, old: Option<&Record>) -> Option<Arc<Record>> {
        let user = self.any_user();
        match old {
            None => Some(record(user)),
            Some(old) => (self.random.u8(..4) > 0).then(|| next_of(old, user)),
        }
    }

    fn write(&mut self, which: usize) {
        let old = self.any();
        let new = self.any_next(old.as_deref());
        let done = self.processes[which].write(old.as_deref(), new.as_ref());
        self.world.look(&self.scene);
        if done.is_ok() {
            self.world.floor(old.map_or_else(|| new.unwrap().name, |old| old.name), &[0, 1]);
        }
    }

    fn clear(&mut self, which: usize) {
        let done = now(self.processes[which].fallback.clear(&Context::new()));
        self.world.look(&self.scene);
        if done.is_ok() {
            let names: Vec<_> = self.world.0.keys().copied().collect();
            names.into_iter().for_each(|name| self.world.floor(name, &[0, 1]));
        }
    }

    fn write_elsewhere(&mut self) {
        let old = self.any();
        let new = self.any_next(old.as_deref());
        self.scene.written_elsewhere(old.as_deref(), new.as_ref());
        self.world.look(&self.scene);
    }

    fn read(&mut self, which: usize) {
        let Some(old) = self.any() else { return };
        match self.processes[which].read(old.name) {
            Ok((Some(version), Source::Fallback)) => {
                self.world.check(old.name, version, which, self.scene.time.now());
                self.served += 1;
            }
            Ok((_, source)) => {
                assert_eq!(source, Source::Store);
                self.world.floor(old.name, &[which]);
            }
            Err(_) => {}
        }
    }

    fn find_or_list(&mut self, which: usize) {
        let user = self.random.bool().then(|| self.any_user());
        let process = &self.processes[which];
        let answer = user.map_or_else(|| process.list(), |user| process.find(user));
        let Ok((versions, Source::Fallback)) = answer else { return };
        self.served += 1;
        let at = self.scene.time.now();
        let names: Vec<RecordName> = versions.iter().map(|version| self.world.name_of(*version)).collect();
        for (name, version) in names.iter().zip(&versions) {
            self.world.check(*name, *version, which, at);
        }
        for name in self.world.lasting(user, at) {
            assert!(names.contains(&name), "{name} was there all the time");
        }
    }
}

#[test]
fn what_the_copy_answers_was_true_within_the_age() {
    let mut served = 0;
    for _ in 0..300 {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut lives = Lives::new(seed);
        (0..400).for_each(|_| lives.step());
        served += lives.served;
    }
    assert!(served > 1000, "the copy answered {served} times only");
}
