//! Two processes whose calls go in an order that a test chooses: each call waits at a gate until it may go.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use secrets_manager_simulator::clock::Clock;
use secrets_manager_simulator::gate::{Call, Gate, Passage, Phase, Verdict};
use secrets_manager_simulator::turnstile::Turnstile;
use tokenvault::error::Result;

pub(crate) const ACTORS: [&str; 2] = ["first", "second"];

/// More calls than two that get in each other's way should ever make.
const MOST_CALLS: usize = 4000;

/// Holds the calls of the actors before their effect, and lets everybody else's through.
#[derive(Clone, Debug, Default)]
pub(crate) struct AtGate(Turnstile);

impl Gate for AtGate {
    fn pass(&self, call: &Call, phase: Phase) -> Passage {
        if phase == Phase::Before && ACTORS.contains(&call.access_key.as_str()) {
            return self.0.pass(call, phase);
        }
        Box::pin(std::future::ready(Verdict::Go))
    }
}

/// The call of each actor that goes next: of several that one makes at once, the first that came.
pub(crate) type Waiting = [Option<Call>; 2];

impl AtGate {
    fn waiting(&self) -> Waiting {
        let held = self.0.waiting();
        ACTORS.map(|actor| held.iter().map(|(call, _)| call).find(|call| call.access_key == actor).cloned())
    }
}

/// Chooses whose call goes.
pub(crate) trait Schedule {
    /// Which actor; none to give the order up.
    fn choose(&mut self, waiting: &Waiting) -> Option<usize>;

    /// The call that was chosen went, and so much time passed until its actor waited again.
    fn went(&mut self, took: Duration);
}

/// Any of those that wait.
impl Schedule for fastrand::Rng {
    fn choose(&mut self, waiting: &Waiting) -> Option<usize> {
        let actors: Vec<usize> = (0..2).filter(|actor| waiting[*actor].is_some()).collect();
        self.choice(actors)
    }

    fn went(&mut self, _: Duration) {}
}

/// One stops after so many of its calls, as a process may that is frozen, until the other has come to its end.
#[derive(Debug)]
pub(crate) struct Held {
    actor: usize,
    left: usize,
    was_held: bool,
}

impl Held {
    pub(crate) fn new(actor: usize, calls: usize) -> Self {
        Self { actor, left: calls, was_held: false }
    }

    /// Whether it made more calls than that.
    pub(crate) fn was_held(&self) -> bool {
        self.was_held
    }
}

impl Schedule for Held {
    fn choose(&mut self, waiting: &Waiting) -> Option<usize> {
        let other = 1 - self.actor;
        let is_waiting = waiting[self.actor].is_some();
        if is_waiting && self.left > 0 {
            self.left -= 1;
            return Some(self.actor);
        }
        self.was_held |= is_waiting;
        if waiting[other].is_some() { Some(other) } else { is_waiting.then_some(self.actor) }
    }

    fn went(&mut self, _: Duration) {}
}

pub(crate) type Act = Pin<Box<dyn Future<Output = Result<()>>>>;

/// Whether there is more to do than to wait for a call.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Actor {
    act: Option<Act>,
    woken: Arc<Woken>,
    ended: Option<Result<()>>,
}

impl Actor {
    /// Runs until nothing is left to do but to wait at the gate, or at all.
    async fn run(&mut self, is_waiting: impl Fn() -> bool) {
        let waker = Waker::from(Arc::clone(&self.woken));
        self.woken.0.store(true, Ordering::SeqCst);
        while self.woken.0.swap(false, Ordering::SeqCst) || !is_waiting() {
            let Some(act) = &mut self.act else { return };
            if let Poll::Ready(result) = act.as_mut().poll(&mut Context::from_waker(&waker)) {
                (self.act, self.ended) = (None, Some(result));
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// How it went: how each act ended, unless the order was given up; and the calls in the order in which they went.
pub(crate) struct Played {
    pub(crate) ended: Option<[Result<()>; 2]>,
    pub(crate) calls: Vec<String>,
}

/// Runs two acts, whose calls go as the schedule chooses.
pub(crate) async fn play(gate: &AtGate, clock: &Clock, acts: [Act; 2], schedule: &mut dyn Schedule) -> Played {
    let mut actors = acts.map(|act| Actor { act: Some(act), woken: Arc::default(), ended: None });
    for (at, actor) in actors.iter_mut().enumerate() {
        actor.run(|| gate.waiting()[at].is_some()).await;
    }
    let mut calls = Vec::new();
    while actors.iter().any(|actor| actor.ended.is_none()) {
        let waiting = gate.waiting();
        let Some(at) = schedule.choose(&waiting) else { return Played { ended: None, calls } };
        let call = waiting[at].as_ref().unwrap();
        calls.push(format!("{} {} {}", call.access_key, call.operation, call.secret.as_deref().unwrap_or("several")));
        assert!(calls.len() < MOST_CALLS, "they get in each other's way without end: {calls:#?}");
        let before = clock.now();
        assert!(gate.0.release(call.number, Phase::Before, Verdict::Go));
        actors[at].run(|| gate.waiting()[at].is_some()).await;
        schedule.went(clock.now().since(before));
    }
    Played { ended: Some(actors.map(|actor| actor.ended.unwrap())), calls }
}

#[allow(clippy::disallowed_methods, reason = "how long to test is the tester's word")]
pub(crate) fn bound(unless_told: usize) -> usize {
    let told = std::env::var("TOKENVAULT_SCHEDULES").ok().and_then(|text| text.parse().ok());
    match told.unwrap_or(unless_told) {
        0 => usize::MAX,
        bound => bound,
    }
}
