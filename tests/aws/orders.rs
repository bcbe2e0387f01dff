//! All orders of two actors' calls that differ, each of them once.
//!
//! Of two neighbouring calls of different actors nobody can tell which came first where they are of different secrets, or
//! where both only read. So of all orders that come of each other by swapping such neighbours one is played: dynamic
//! partial-order reduction (Flanagan and Godefroid, POPL 2005) with sleep sets (Godefroid, LNCS 1032, 1996).
//!
//! That holds for a service that shows what was written last and limits no rates, and for actors that share nothing but
//! it and the clock. Waits are jittered, and nothing looks at seconds; a call after which an actor lets a minute pass
//! counts as one that conflicts with every other. Names of tokens are random, and some calls go in the order of names:
//! an order that does not repeat as it was is played again until it does.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::gate::Call;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::switches::Staleness;
use tokenvault::error::Result;

use crate::schedules::{ACTORS, Act, AtGate, Held, Played, Schedule, Waiting, play};
use crate::simulated::World;

/// What may decide how others go on, wherever it lies between their calls.
const LONG: Duration = Duration::from_mins(1);

/// How often an order is played that does not repeat.
const MOST_REPEATS: u32 = 100;

/// The same where not all orders are to be played: chance does as well then.
const FEW_REPEATS: u32 = 4;

/// Whether it can be told which of two actors' calls went first.
fn conflict(one: &Call, other: &Call) -> bool {
    let is_name = |secret: &Option<String>| secret.as_ref().is_some_and(|secret| !secret.starts_with("arn:"));
    let are_apart = is_name(&one.secret) && is_name(&other.secret) && one.secret != other.secret;
    !are_apart && (one.operation.is_write() || other.operation.is_write())
}

/// A call that went.
struct Step {
    actor: usize,
    call: Call,
    is_long: bool,
    /// Which of its actor's calls it is, from 1.
    ordinal: usize,
}

impl Step {
    fn conflicts(&self, call: &Call, is_long: bool) -> bool {
        self.is_long || is_long || conflict(&self.call, call)
    }
}

/// A moment at which the order could have gone another way.
#[derive(Default)]
struct Node {
    chosen: usize,
    /// What went, with its secret by number: the same each time the order is played.
    told: Option<(Operation, Option<usize>)>,
    /// Whether the call that went was long, of each actor that went first here.
    is_long: [bool; 2],
    /// Who has to go first here as well.
    wanted: [bool; 2],
    /// Who went first here, with all that can follow.
    done: [bool; 2],
    /// Whose call was played before, in an order that is the same but for such swaps; and whether it is long.
    asleep: [Option<bool>; 2],
}

#[derive(Default)]
struct Orders {
    nodes: Vec<Node>,
    steps: Vec<Step>,
    secrets: Vec<String>,
    /// How many of each actor's calls each actor can know of.
    knows: [[usize; 2]; 2],
    waiting: Waiting,
    asleep: [Option<bool>; 2],
    is_unlike: bool,
}

impl Orders {
    fn begin(&mut self) {
        *self = Self { nodes: std::mem::take(&mut self.nodes), ..Self::default() };
    }

    /// Finds the last call of the other that conflicts with this one and need not come before it: then it is also played
    /// after it.
    fn find_race(&mut self, actor: usize, call: &Call, is_long: bool) {
        let other = 1 - actor;
        let mut of_other = self.steps.iter().enumerate().rev().filter(|(_, step)| step.actor == other);
        if let Some((at, step)) = of_other.find(|(_, step)| step.conflicts(call, is_long))
            && step.ordinal > self.knows[actor][other]
        {
            self.nodes[at].wanted[actor] = true;
        }
    }

    fn told(&mut self, call: &Call) -> (Operation, Option<usize>) {
        let secret = call.secret.as_ref().map(|secret| {
            let known = self.secrets.iter().position(|known| known == secret);
            known.unwrap_or_else(|| {
                self.secrets.push(secret.clone());
                self.secrets.len() - 1
            })
        });
        (call.operation, secret)
    }

    /// Goes on to the next order; false after the last.
    fn advance(&mut self) -> bool {
        while let Some(node) = self.nodes.last_mut() {
            node.done[node.chosen] = true;
            let other = 1 - node.chosen;
            if node.wanted[other] && !node.done[other] && node.asleep[other].is_none() {
                (node.chosen, node.told) = (other, None);
                return true;
            }
            self.nodes.pop();
        }
        false
    }
}

impl Schedule for Orders {
    fn choose(&mut self, waiting: &Waiting) -> Option<usize> {
        let at = self.steps.len();
        for actor in [0, 1] {
            if let Some(call) = &waiting[actor] {
                self.find_race(actor, call, false);
            }
        }
        if at == self.nodes.len() {
            let last = self.steps.last().map_or(0, |step| step.actor);
            let can_go = |actor: &usize| waiting[*actor].is_some() && self.asleep[*actor].is_none();
            let chosen = [last, 1 - last].into_iter().find(can_go)?;
            self.nodes.push(Node { chosen, asleep: self.asleep, ..Node::default() });
        }
        let chosen = self.nodes[at].chosen;
        let told = waiting[chosen].as_ref().map(|call| self.told(call));
        let node = &mut self.nodes[at];
        self.is_unlike = told.is_none() || node.told.is_some_and(|before| told != Some(before));
        node.told = node.told.or(told);
        self.waiting.clone_from(waiting);
        (!self.is_unlike).then_some(chosen)
    }

    fn went(&mut self, took: Duration) {
        let at = self.steps.len();
        let (actor, is_long) = (self.nodes[at].chosen, took >= LONG);
        let (call, other) = (self.waiting[actor].take().unwrap(), 1 - actor);
        if is_long {
            self.find_race(actor, &call, true);
        }
        let before = self.steps.iter().rev().filter(|step| step.actor == other);
        let known = before.filter(|step| step.conflicts(&call, is_long)).map(|step| step.ordinal).next();
        let knows = &mut self.knows[actor];
        knows[other] = knows[other].max(known.unwrap_or_default());
        knows[actor] += 1;
        let step = Step { actor, call, is_long, ordinal: knows[actor] };
        let node = &mut self.nodes[at];
        node.is_long[actor] = is_long;
        let sleeping = node.asleep[other].or(node.done[other].then_some(node.is_long[other]));
        let is_untouched =
            |is_long: &bool| self.waiting[other].as_ref().is_some_and(|call| !step.conflicts(call, *is_long));
        self.asleep = [None; 2];
        self.asleep[other] = sleeping.filter(is_untouched);
        self.steps.push(step);
    }
}

/// Plays two acts on copies of a world, in all orders or in so many; `judge` looks at how each came out.
pub(crate) async fn in_orders(
    before: &World,
    (what, bound): (&str, usize),
    acts: impl Fn(&World) -> [Act; 2],
    judge: impl AsyncFn(&World, [Result<()>; 2], &str),
) {
    let switches = before.simulator.switches();
    assert!(switches.staleness == Staleness::Off && !switches.throttle, "see above");
    let mut orders = Orders::default();
    let (mut played, mut given_up, mut repeats) = (0, 0, 0);
    let mut is_all = false;
    // Where there are more, half of them are a sample; and those in which one is frozen for a while.
    while !is_all && (bound == usize::MAX || played < bound.div_ceil(2)) {
        orders.begin();
        let (is_played, calls) = one(before, &acts, &mut orders, what, &judge).await;
        if orders.is_unlike {
            repeats += 1;
            assert!(repeats < MOST_REPEATS, "{what}: the order does not repeat: {calls:#?}");
            if bound < usize::MAX && repeats >= FEW_REPEATS {
                break;
            }
            continue;
        }
        repeats = 0;
        played += usize::from(is_played);
        given_up += usize::from(!is_played);
        is_all = !orders.advance();
    }
    if is_all {
        println!("{what}: all {played} orders that differ; {given_up} given up as no others");
        return;
    }
    let held = each_held(before, &acts, what, &judge).await;
    let seed = fastrand::u64(..);
    println!("{what}: {held} orders in which one is held; {bound} others, half of them by chance, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in played..bound {
        one(before, &acts, &mut random, what, &judge).await;
    }
}

/// Holds each of the two after each of its calls until the other has come to its end. Answers how many orders that were.
async fn each_held(
    before: &World,
    acts: &impl Fn(&World) -> [Act; 2],
    what: &str,
    judge: &impl AsyncFn(&World, [Result<()>; 2], &str),
) -> usize {
    let mut played = 0;
    for actor in [0, 1] {
        for calls in 0.. {
            let mut held = Held::new(actor, calls);
            one(before, acts, &mut held, &format!("{what}, {} held after {calls} calls", ACTORS[actor]), judge).await;
            if !held.was_held() {
                break;
            }
            played += 1;
        }
    }
    played
}

/// Plays one order. Answers whether it came to its end, and the calls.
async fn one(
    before: &World,
    acts: &impl Fn(&World) -> [Act; 2],
    schedule: &mut dyn Schedule,
    what: &str,
    judge: &impl AsyncFn(&World, [Result<()>; 2], &str),
) -> (bool, Vec<String>) {
    let gate = AtGate::default();
    let world = World { simulator: before.simulator.forked(Arc::new(gate.clone())) };
    let Played { ended, calls } = play(&gate, world.simulator.clock(), acts(&world), schedule).await;
    let is_played = ended.is_some();
    if let Some(ended) = ended {
        judge(&world, ended, &format!("{what}, in the order {calls:#?}")).await;
    }
    (is_played, calls)
}
