//! Random writes by processes of two machines that are cut off and killed at random. Where all is over: one record for a user,
//! of one write and not mixed of two; and of each user's writes the last that was acknowledged stands, or is told of as one
//! that did not, or was ended by a log-out. And no sign-in is there that a log-out has ended.

use std::collections::{HashMap, HashSet};

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::secret::SecretText;
use tokenvault::store::{Outcome, TokenStore};
use tokenvault::token::OAuthToken;

use crate::going::{Going, now};
use crate::journal::machine::{Machine, Worker};
use crate::process::{access, of};
use crate::scene::SECOND;
use crate::scripted::Fate;

const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// The last write of a user's token that was acknowledged, while nothing else was tried since.
#[derive(Debug)]
struct Last {
    access: String,
    /// A log-out that was acknowledged before may end it.
    may_be_ended: bool,
}

struct Lives {
    random: fastrand::Rng,
    machines: [Machine; 2],
    workers: [Worker; 4],
    /// Every set of tokens that anybody tried to save: access token, refresh token.
    tried: HashMap<String, String>,
    last: HashMap<&'static str, Last>,
    /// Of each worker, what it found some time ago and may refresh late.
    held: HashMap<(usize, &'static str), OAuthToken>,
    /// The refresh tokens of sign-ins that were ended by a log-out which was acknowledged.
    ended: HashSet<String>,
    /// Those of sign-ins that the journal took while it was unknown whether the store had: they may be in both.
    unclear: HashSet<String>,
    /// Of each machine, whether a log-out waits in its journal: of a user, or of all.
    waiting: [HashMap<&'static str, ()>; 2],
    steps: u64,
    journaled: usize,
    killed: usize,
}

impl Lives {
    fn new(seed: u64) -> Self {
        let first = Machine::first();
        let machines = [first.another(), first];
        let workers = [0, 0, 1, 1].map(|which: usize| machines[which].process());
        Self {
            random: fastrand::Rng::with_seed(seed),
            machines,
            workers,
            tried: HashMap::new(),
            last: HashMap::new(),
            held: HashMap::new(),
            ended: HashSet::new(),
            unclear: HashSet::new(),
            waiting: [HashMap::new(), HashMap::new()],
            steps: 0,
            journaled: 0,
            killed: 0,
        }
    }

    fn step(&mut self) {
        self.steps += 1;
        let which = self.random.usize(..4);
        let machine = which / 2;
        self.machines[machine].time.advance(self.random.u32(1..40) * SECOND);
        self.machines[machine].store.next([]);
        if self.random.u8(..8) == 0 {
            match self.random.bool() {
                true => self.machines[machine].is_away(),
                false => self.machines[machine].store.otherwise(Fate::Done),
            }
        }
        let user = USERS[self.random.usize(..3)];
        match self.random.u8(..16) {
            0..=3 => self.save(which, user, true),
            4..=10 => self.save(which, user, false),
            11 | 12 => self.delete(which, user),
            13 if self.random.u8(..4) == 0 => self.clear(which),
            _ => _ = self.find(which, user),
        }
        if self.workers[machine * 2].entries() == 0 {
            self.waiting[machine].clear();
        }
    }

    fn find(&self, which: usize, user: &str) -> Option<OAuthToken> {
        self.workers[which].find(user).ok()?.0
    }

    /// Lets things go wrong in the next call. Answers whether it does.
    fn script(&mut self, machine: usize) -> bool {
        let way = if self.random.bool() { &self.machines[machine].store } else { &self.machines[machine].kept };
        let fate = match self.random.u8(..6) {
            0 => Fate::Never,
            1 => Fate::Late(SECOND * 1_000_000),
            2 => Fate::Fails(ErrorKind::Unavailable),
            3 => Fate::Lost(ErrorKind::Unavailable),
            _ => return false,
        };
        let at = self.random.usize(..24);
        way.next(std::iter::repeat_n(Fate::Done, at).chain([fate]));
        true
    }

    /// A token of this user to be refreshed, at times one that was found long ago.
    fn for_refresh(&mut self, which: usize, user: &'static str) -> Option<OAuthToken> {
        let found = self.find(which, user);
        if self.random.u8(..4) == 0
            && let Some(held) = self.held.get(&(which, user))
        {
            return Some(held.clone());
        }
        self.held.extend(found.clone().map(|found| ((which, user), found)));
        found
    }

    /// After a call that was not answered: its process is no more.
    fn restart(&mut self, which: usize) {
        self.killed += 1;
        let machine = &self.machines[which / 2];
        machine.store.next([]);
        machine.kept.next([]);
        self.workers[which] = machine.process();
    }

    fn save(&mut self, which: usize, user: &'static str, is_sign_in: bool) {
        let (number, machine) = (self.steps, which / 2);
        let (own, refresh) = (format!("access {number}"), format!("refresh {number}"));
        let end = (1_800_000_000_000 + number * 600_000).to_string();
        let found = if is_sign_in { None } else { self.for_refresh(which, user) };
        let mut token = match found {
            Some(mut found) => {
                found.set(Field::AccessToken, Some(SecretText::new(&own)));
                found
            }
            None => of(user, &own, 0).with(Field::RefreshToken, &refresh),
        };
        token.set(Field::ExpiresIn, Some(SecretText::new(&end)));
        let is_refresh = token.id().is_some();
        self.tried.insert(own.clone(), token.fields().text(Field::RefreshToken).unwrap().to_owned());
        let is_scripted = self.script(machine);
        let context = Context::new();
        let outcome = Going::unsure(self.workers[which].layer.save_token(&context, &mut token)).step();
        let is_known = outcome
            .as_ref()
            .is_some_and(|outcome| outcome.as_ref().is_ok_and(|answer| answer.value.outcome != Outcome::Superseded));
        let is_journaled = matches!(&outcome, Some(Ok(answer)) if answer.source == Source::Journal);
        self.journaled += usize::from(is_journaled);
        if is_journaled && is_scripted && !is_refresh {
            self.unclear.insert(refresh);
        }
        let may_be_ended = is_refresh && self.waiting.iter().any(|waiting| waiting.contains_key(user));
        self.last.remove(user);
        if is_known {
            self.last.insert(user, Last { access: own, may_be_ended });
        }
        match outcome {
            None => self.restart(which),
            // What was not acknowledged would be tried again by a process that lives.
            Some(Err(_)) => self.restart(which),
            Some(Ok(_)) => self.quiet(machine),
        }
    }

    fn quiet(&self, machine: usize) {
        self.machines[machine].store.next([]);
        self.machines[machine].kept.next([]);
    }

    fn delete(&mut self, which: usize, user: &'static str) {
        let Some(found) = self.find(which, user) else { return };
        let id = found.id().unwrap().to_owned();
        self.script(which / 2);
        let context = Context::new();
        let outcome = Going::unsure(self.workers[which].layer.delete_token(&context, &id)).step();
        let refresh = found.fields().text(Field::RefreshToken).unwrap();
        if matches!(&outcome, Some(Ok(answer)) if answer.value) && !self.unclear.contains(refresh) {
            self.ended.insert(refresh.to_owned());
        }
        self.last.remove(user);
        self.waiting[which / 2].insert(user, ());
        if outcome.is_none() { self.restart(which) } else { self.quiet(which / 2) }
    }

    fn clear(&mut self, which: usize) {
        self.script(which / 2);
        let context = Context::new();
        let outcome = Going::unsure(self.workers[which].layer.delete_tokens(&context)).step();
        self.last.clear();
        self.waiting[which / 2].extend(USERS.map(|user| (user, ())));
        if outcome.is_none() { self.restart(which) } else { self.quiet(which / 2) }
    }

    fn check(&mut self) {
        let mut lost = Vec::new();
        for which in [0, 1, 0] {
            self.machines[which].is_back();
            self.quiet(which);
            let worker = self.machines[which].process();
            worker.list().unwrap();
            assert_eq!(worker.entries(), 0);
            lost.extend(worker.lost().into_iter().map(|(_, access)| access));
        }
        let stored = now(self.machines[0].plain.get_tokens(&Context::new())).unwrap().value;
        for user in USERS {
            let own: Vec<_> = stored.iter().filter(|token| token.user_name() == Some(user)).collect();
            assert!(own.len() <= 1, "{user} has {} records", own.len());
            let held = own.first().map(|token| access(token));
            if let Some(token) = own.first() {
                let refresh = token.fields().text(Field::RefreshToken).map(str::to_owned);
                assert_eq!(self.tried.get(&access(token)), refresh.as_ref(), "of one write");
                assert!(!self.ended.contains(&refresh.unwrap()), "{user} was logged out");
            }
            let Some(last) = self.last.get(user) else { continue };
            let stands = held.as_ref() == Some(&last.access);
            assert!(stands || last.may_be_ended || lost.contains(&last.access), "{user}: {last:?}, stored {held:?}");
        }
    }
}

#[test]
fn nothing_that_was_acknowledged_vanishes() {
    let (mut journaled, mut killed, mut ended) = (0, 0, 0);
    for _ in 0..400 {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut lives = Lives::new(seed);
        (0..60).for_each(|_| lives.step());
        lives.check();
        journaled += lives.journaled;
        killed += lives.killed;
        ended += lives.ended.len();
    }
    assert!(ended > 500, "{ended} sign-ins were ended");
    assert!(journaled > 500 && killed > 200, "{journaled} writes went into a journal, {killed} processes were killed");
}
