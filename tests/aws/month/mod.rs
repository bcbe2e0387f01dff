//! A month of a fleet in virtual time: workers without shared memory, some of which keep what they could not save, hourly expiry,
//! sign-ups and log-outs, outages of AWS, a KMS rotation, workers that are killed, a provider that gives some users a new refresh
//! token each time.
//!
//! Shortened, since a month is millions of calls; docs/testing.md says how to run it at its full length.

mod counts;
mod kills;
mod life;
mod provider;
mod samples;
mod way;
mod worker;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use tokenvault::clock::{Clock, Timestamp};
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{AccessToken, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::ledger::{Account, DAY, assert_within_quotas, is_full, strict, told};
use crate::month::counts::Counts;
use crate::month::kills::{Kills, Moment, ended};
use crate::month::provider::{Given, Provider};
use crate::month::samples::Samples;
use crate::month::way::Way;
use crate::month::worker::{Lines, Worker};
use crate::simulated::{World, backend_by};
use crate::together::Together;

const WORKERS: usize = 50;
const MINUTE: Duration = Duration::from_secs(60);
const OUTAGE: Duration = Duration::from_secs(600);

/// How long after an outage it is still felt.
const FELT: Duration = Duration::from_secs(240);

/// A refreshed token that a worker keeps, whom its user goes on with.
struct Kept {
    number: usize,
    worker: Arc<Worker>,
    given: Given,
}

struct Month {
    world: World,
    way: Way,
    time: Arc<Together>,
    lines: Lines,
    workers: Mutex<Vec<Arc<Worker>>>,
    provider: Mutex<Provider>,
    random: Mutex<Rng>,
    counts: Mutex<Counts>,
    kills: Arc<Kills>,
    samples: Samples,
    /// The newest access token of each user whose save was acknowledged.
    ledger: Mutex<BTreeMap<usize, Given>>,
    /// Until when an outage is felt: what was under way tries on for a while, and memories are old.
    felt_until: Mutex<Timestamp>,
    /// What of each user's is refreshed and not saved.
    kept: Mutex<BTreeMap<usize, Kept>>,
    /// An outage is to begin between a refresh and its save.
    is_outage_due: AtomicBool,
    outage_began: Notify,
}

impl Month {
    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.random.lock().unwrap())
    }

    fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.counts.lock().unwrap());
    }

    fn any_worker(&self) -> (usize, Arc<Worker>) {
        let number = self.draw(|random| random.usize(..WORKERS));
        (number, Arc::clone(&self.workers.lock().unwrap()[number]))
    }

    /// Any, but for who has a token there that is not saved yet: an application goes on in the process that has it.
    fn worker_of(&self, user: usize) -> (usize, Arc<Worker>) {
        let kept = self.kept.lock().unwrap().remove(&user);
        if let Some(kept) = kept.filter(|kept| self.is_alive(kept.number, &kept.worker)) {
            let at = (kept.number, Arc::clone(&kept.worker));
            if at.1.unsaved() > 0 {
                self.kept.lock().unwrap().insert(user, kept);
                return at;
            }
            self.acknowledge(user, &kept.given);
        }
        self.any_worker()
    }

    fn is_alive(&self, number: usize, worker: &Arc<Worker>) -> bool {
        Arc::ptr_eq(&self.workers.lock().unwrap()[number], worker)
    }

    /// Says what happened, so that a failure can be understood.
    fn note(&self, what: impl FnOnce() -> String) {
        let is_calm = if self.is_calm() { "" } else { ", outage" };
        println!("{} s{is_calm}: {}", self.time.now().as_millis() as f64 / 1000.0 % 10_000_000.0, what());
    }

    fn is_calm(&self) -> bool {
        self.time.now() > *self.felt_until.lock().unwrap()
    }

    fn acknowledge(&self, user: usize, given: &Given) {
        let mut ledger = self.ledger.lock().unwrap();
        let held = ledger.entry(user).or_insert_with(|| given.clone());
        if given.expiry >= held.expiry {
            *held = given.clone();
        }
    }

    fn refuse(&self, kind: ErrorKind) {
        let is_calm = self.is_calm();
        self.count(|counts| {
            if is_calm {
                *counts.refused.entry(format!("{kind:?}")).or_default() += 1;
            } else {
                counts.in_outage += 1;
                counts.kinds_in_outage.insert(format!("{kind:?}"));
            }
        });
    }

    fn refuse_save(&self, kind: ErrorKind, (user, given): (usize, Given), (number, worker): (usize, &Arc<Worker>)) {
        let is_calm = self.is_calm();
        let is_kept = worker.keeps() && self.is_alive(number, worker);
        self.count(|counts| {
            counts.saves_in_outage += usize::from(!is_calm);
            counts.kept += usize::from(is_kept);
        });
        if is_kept {
            self.kept.lock().unwrap().insert(user, Kept { number, worker: Arc::clone(worker), given });
        }
        self.refuse(kind);
    }

    async fn kill_after(&self, number: usize, delay: Duration) {
        self.note(|| format!("worker {number} is killed"));
        let fresh = self.fresh(number).await;
        let worker = self.replace(Moment::Refresh, number, fresh);
        tokio::spawn(async move {
            sleep(delay).await;
            worker.kill();
        });
    }
}

impl Month {
    /// Breaks every connection for ten minutes, from a refresh on.
    async fn outage(&self) {
        self.is_outage_due.store(true, Ordering::SeqCst);
        self.outage_began.notified().await;
        sleep(OUTAGE).await;
        self.world.simulator.clear_faults();
    }

    /// A token was refreshed by this worker, and is not saved yet.
    fn note_refresh(&self, number: usize, worker: &Arc<Worker>) {
        if worker.keeps() && self.is_alive(number, worker) && self.is_outage_due.swap(false, Ordering::SeqCst) {
            *self.felt_until.lock().unwrap() = self.time.now().after(OUTAGE + FELT);
            self.world.simulator.inject(Fault::new(Failure::ConnectionLost));
            self.outage_began.notify_one();
        }
    }

    /// By an operator who is killed in the middle, and then by another.
    async fn rotate(&self, users: usize) {
        let rotate = || {
            let (clock, pause) = (Arc::clone(&self.time) as _, Arc::clone(&self.time) as _);
            let operator = backend_by(&self.world.simulator, "operator", clock, pause);
            tokio::spawn(async move { operator.rotate_key(&Context::new(), "new", &|_, _| ()).await.unwrap() })
        };
        let first = rotate();
        let doomed = self.doomed_operator(users, first.abort_handle());
        assert!(ended(first.await).is_none(), "who rotates is killed");
        drop(doomed);
        assert!(ended(rotate().await).is_some());
    }

    async fn new(seed: u64, way: fn(&World) -> Way) -> Arc<Self> {
        let kills = Arc::new(Kills::default());
        let world = World::under(strict(seed).gate(Arc::clone(&kills) as _), "old").await;
        // Until every read shows the vault that was made just now.
        world.simulator.clock().advance(MINUTE);
        let (time, lines) = (Arc::new(Together::new(world.simulator.clone())), Lines::default());
        let way = way(&world);
        let mut workers = Vec::new();
        for number in 0..WORKERS {
            workers.push(Worker::start(&way, &time, number, &lines).await);
        }
        Arc::new(Self {
            world,
            way,
            time,
            lines,
            workers: Mutex::new(workers),
            provider: Mutex::default(),
            random: Mutex::new(Rng::with_seed(seed)),
            counts: Mutex::default(),
            kills,
            samples: Samples::default(),
            ledger: Mutex::default(),
            felt_until: Mutex::default(),
            kept: Mutex::default(),
            is_outage_due: AtomicBool::default(),
            outage_began: Notify::new(),
        })
    }

    /// Lets `users` live for so long, with what happens meanwhile.
    async fn pass(self: &Arc<Self>, users: usize, length: Duration) {
        let mut lives = tokio::task::JoinSet::new();
        for user in 0..users {
            let month = Arc::clone(self);
            lives.spawn(async move { month.life(user, users, length).await });
        }
        let events = async {
            let began = Instant::now();
            for event in 0..4 {
                sleep_until(began + length / 5 * (event + 1)).await;
                match event {
                    1 => self.rotate(users).await,
                    _ => self.outage().await,
                }
            }
        };
        let month = Arc::clone(self);
        let sampling = tokio::spawn(async move { month.sample().await });
        let month = Arc::clone(self);
        let killing = tokio::spawn(async move { month.kill_at_random().await });
        let all_end = async {
            while let Some(life) = lives.join_next().await {
                life.unwrap();
            }
        };
        tokio::join!(events, all_end);
        sampling.abort();
        killing.abort();
    }

    /// Reads everything back by another process: each user's newest token, and nothing beside them.
    async fn assert_nothing_is_lost_or_doubled(&self) {
        let still_kept: usize = self.workers.lock().unwrap().iter().map(|worker| worker.unsaved()).sum();
        assert_eq!(still_kept, 0, "what was kept is saved");
        let users: Vec<usize> = self.kept.lock().unwrap().keys().copied().collect();
        users.into_iter().for_each(|user| drop(self.worker_of(user)));
        sleep(MINUTE).await;
        self.time.now();
        let reader = self.world.vault("reader");
        let tokens = reader.get_tokens(&Context::new()).await.unwrap().value;
        let text = |token: &tokenvault::token::OAuthToken, field| token.get(field).unwrap().expose().to_owned();
        let found: BTreeMap<String, _> = tokens.iter().map(|token| (text(token, UserName), token)).collect();
        assert_eq!(found.len(), tokens.len(), "a token is doubled");
        let ledger = self.ledger.lock().unwrap();
        assert_eq!(found.len(), ledger.len(), "as many as are signed in");
        for (user, given) in &*ledger {
            let token = found.get(&format!("user {user}")).unwrap_or_else(|| panic!("user {user} is lost"));
            assert_eq!(text(token, AccessToken), given.access_token, "the newest token of user {user} is lost");
            assert_eq!(text(token, RefreshToken), given.refresh_token);
        }
    }
}

impl Month {
    /// Says what came of it.
    fn tell(&self, length: Duration) {
        let (counts, provider) = (self.counts.lock().unwrap(), self.provider.lock().unwrap());
        let (account, counters) = (Account::of(&self.world), self.world.simulator.counters());
        let (calls, throttled) = (counters.total(), counters.refused("ThrottlingException"));
        let share = length.as_secs_f64() / (30.0 * DAY.as_secs_f64());
        let dollars = calls as f64 * CALLS + (account.tokens + account.pages) as f64 * SECRET * share;
        println!("{counts:?}\n{account}");
        println!("{} refreshes, {} of them again for want of a save", provider.refreshes, provider.needless);
        println!("{calls} calls, {throttled} refused for their rate, {dollars:.2} dollars");
        let (calm, felt, killed) = (&counts.calm, &counts.felt, self.kills.struck());
        println!("killed at {killed:?}");
        println!("{} of {} reads waited; in outages {} of {}", calm.waited, calm.reads, felt.waited, felt.reads);
    }

    fn assert_refreshes_are_few(&self, counts: &Counts, needless: usize) {
        assert!(
            needless + counts.kept <= counts.unsaved + counts.lost,
            "one refresh per expiry, and one more where a save was cut off and nobody kept the token"
        );
        assert!(counts.kept >= 3, "each outage begins at a save whose token is kept");
        assert!(counts.unsaved <= counts.cut_off + counts.saves_in_outage, "a save is cut off by a kill or an outage");
        // Not kills alone: three of four workers keep nothing, so what an outage refuses them is refreshed again, too.
        let forgotten = counts.unsaved - counts.cut_off - counts.kept;
        assert!(needless <= self.kills.cost() + forgotten, "{} refreshes are one too many", needless);
    }
}

/// What the service charges (docs/costs.md): for 10,000 calls, and for a secret and month.
const CALLS: f64 = 0.05 / 10_000.0;
const SECRET: f64 = 0.40;

async fn month(users: usize, length: Duration, way: fn(&World) -> Way) {
    let seed = fastrand::u64(..);
    println!("{users} users, {} h, seed {seed}", length.as_secs() / 3600);
    let month = Month::new(seed, way).await;
    month.pass(users, length).await;
    // What took hours is told before it is judged.
    month.samples.write();
    month.tell(length);
    month.assert_nothing_is_lost_or_doubled().await;
    month.world.assert_under("new", "after the rotation");
    assert_within_quotas(&month.world);

    let (counts, provider) = (month.counts.lock().unwrap(), month.provider.lock().unwrap());
    let (calm, killed) = (&counts.calm, month.kills.struck());
    let busy = counts.refused.get("Busy").copied().unwrap_or_default();
    assert_eq!(counts.refused.len(), usize::from(busy > 0), "{:?}", counts.refused);
    assert!(
        busy * 1000 < counts.reads + 2000 * (counts.unsaved + killed[&Moment::Lease]),
        "who waits for a worker that was killed is told so: {busy}"
    );
    month.assert_refreshes_are_few(&counts, provider.needless);
    let passing = ["Busy", "Unavailable"].map(str::to_owned).into();
    assert!(counts.kinds_in_outage.is_subset(&passing), "{:?}", counts.kinds_in_outage);
    assert_eq!(month.lines.0.load(Ordering::SeqCst), counts.operations, "a line for each operation");
    assert!(calm.waited * 100 < calm.reads, "{} of {} reads waited", calm.waited, calm.reads);
    let expiries = users * usize::try_from(length.as_secs()).unwrap() / 3600;
    assert!(counts.saves * 2 > expiries && counts.in_outage > 0, "something has happened");
    month.kills.assert_each_struck(counts.log_outs);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_loses_and_doubles_nothing_and_refreshes_once() {
    let (users, days) = if is_full() { (1000, 30) } else { (30, 2) };
    let (users, days) = (told("TOKENVAULT_SIMULATE_USERS", users), told("TOKENVAULT_SIMULATE_DAYS", days));
    month(users, DAY * u32::try_from(days).unwrap(), Way::in_process).await;
}

#[tokio::test(start_paused = true)]
async fn a_fleet_over_sockets_loses_and_doubles_nothing_and_refreshes_once() {
    let (users, length) = if is_full() { (200, DAY) } else { (30, DAY / 3) };
    month(users, length, Way::over_sockets).await;
}
