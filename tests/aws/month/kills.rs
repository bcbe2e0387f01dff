//! Processes that are killed at random: while they do nothing, and at a call of whatever they do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use secrets_manager_simulator::gate::{Call, Gate, Passage, Phase, Verdict};
use tokio::task::JoinError;
use tokio::time::sleep;

use crate::ledger::HOUR;
use crate::month::worker::{Worker, access_key};
use crate::month::{Month, WORKERS};

/// What a process is killed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    Idle,
    Refresh,
    /// A read that asks the service.
    Read,
    /// The write by which a reader gets a lease, as a rule an early one.
    Lease,
    SignIn,
    LogOut,
    Rotation,
}

impl Moment {
    pub(super) const ALL: [Self; 7] =
        [Self::Idle, Self::Refresh, Self::Read, Self::Lease, Self::SignIn, Self::LogOut, Self::Rotation];
}

/// What some process is to be killed at, and which one that will be.
#[derive(Default)]
pub(super) struct Kills(Mutex<State>);

#[derive(Default)]
struct State {
    due: Vec<Moment>,
    armed: Vec<Armed>,
    /// How often a process was killed at what.
    struck: BTreeMap<Moment, usize>,
    /// What died with each: refreshes that were not saved yet.
    died: Vec<Arc<AtomicUsize>>,
    began: usize,
}

struct Armed {
    number: usize,
    moment: Moment,
    access_key: String,
    /// How many calls still pass.
    left: usize,
    phase: Phase,
    kill: Box<dyn FnOnce() + Send>,
}

/// Ends with what the process was to be killed at; another one is then, if it was not.
pub(super) struct Doomed<'a>(&'a Kills, usize);

impl Drop for Doomed<'_> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap();
        if let Some(at) = state.armed.iter().position(|armed| armed.number == self.1) {
            let moment = state.armed.swap_remove(at).moment;
            state.due.push(moment);
        }
    }
}

impl Kills {
    /// Whether one is to be killed at this; it is taken for one, then.
    fn take(&self, moment: Moment) -> bool {
        let mut state = self.0.lock().unwrap();
        let at = state.due.iter().position(|due| *due == moment);
        at.map(|at| state.due.swap_remove(at)).is_some()
    }

    fn arm(
        &self,
        moment: Moment,
        access_key: String,
        (left, phase): (usize, Phase),
        kill: Box<dyn FnOnce() + Send>,
    ) -> Doomed<'_> {
        let mut state = self.0.lock().unwrap();
        state.began += 1;
        let number = state.began;
        state.armed.push(Armed { number, moment, access_key, left, phase, kill });
        Doomed(self, number)
    }

    fn note(&self, moment: Moment, died: Option<Arc<AtomicUsize>>) {
        let mut state = self.0.lock().unwrap();
        *state.struck.entry(moment).or_default() += 1;
        state.died.extend(died);
    }

    pub(super) fn struck(&self) -> BTreeMap<Moment, usize> {
        self.0.lock().unwrap().struck.clone()
    }

    pub(super) fn assert_each_struck(&self, log_outs: usize) {
        let killed = self.struck();
        let missed = Moment::ALL.into_iter().filter(|moment| !killed.contains_key(moment)).collect::<Vec<_>>();
        assert!(missed.is_empty() || (missed == [Moment::LogOut] && log_outs == 0), "nobody was killed at {missed:?}");
    }

    /// How many refreshes they may have cost: one each, and more where more of them were under way in the process, or kept by
    /// it.
    pub(super) fn cost(&self) -> usize {
        self.0.lock().unwrap().died.iter().map(|died| died.load(Ordering::SeqCst).max(1)).sum()
    }
}

impl Gate for Kills {
    fn pass(&self, call: &Call, phase: Phase) -> Passage {
        let mut state = self.0.lock().unwrap();
        let is_at = |moment| match moment {
            Moment::Read => !call.operation.is_write(),
            Moment::Lease => call.operation.is_write(),
            _ => true,
        };
        let at = state.armed.iter_mut().position(|armed| {
            let is_meant = armed.access_key == call.access_key && armed.phase == phase && is_at(armed.moment);
            let strikes = is_meant && armed.left == 0;
            armed.left -= usize::from(is_meant && !strikes);
            strikes
        });
        let Some(Armed { kill, .. }) = at.map(|at| state.armed.swap_remove(at)) else {
            return Box::pin(std::future::ready(Verdict::Go));
        };
        Box::pin(async move {
            kill();
            // Here it ends, unless the service has it in another process.
            tokio::task::yield_now().await;
            Verdict::Go
        })
    }
}

impl fmt::Debug for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kills")
    }
}

/// What came of what a process did; nothing where it was killed.
pub(super) fn ended<T>(done: Result<T, JoinError>) -> Option<T> {
    match done {
        Ok(done) => Some(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

impl Month {
    /// Has this worker be killed at a call of what it begins, if one is to be killed at that.
    pub(super) async fn doomed(self: &Arc<Self>, moment: Moment, number: usize) -> Option<Doomed<'_>> {
        if !self.kills.take(moment) {
            return None;
        }
        let (left, phase) = self.draw(|random| (random.usize(..3), random.bool()));
        let left = if matches!(moment, Moment::SignIn | Moment::LogOut) { left } else { 0 };
        let fresh = self.fresh(number).await;
        let month = Arc::clone(self);
        let kill = Box::new(move || month.replace(moment, number, fresh).kill());
        Some(self.kills.arm(moment, access_key(number), (left, if phase { Phase::Before } else { Phase::After }), kill))
    }

    /// Has the operator be killed in the middle.
    pub(super) fn doomed_operator(&self, among: usize, task: tokio::task::AbortHandle) -> Doomed<'_> {
        let left = self.draw(|random| random.usize(..among));
        let month = Arc::clone(&self.kills);
        let kill = Box::new(move || {
            month.note(Moment::Rotation, None);
            task.abort();
        });
        self.kills.arm(Moment::Rotation, "operator".to_owned(), (left, Phase::Before), kill)
    }

    pub(super) async fn fresh(&self, number: usize) -> Arc<Worker> {
        Worker::start(&self.way, &self.time, number, &self.lines).await
    }

    /// Puts a new worker in the place of one that is to be killed, and answers that one.
    pub(super) fn replace(&self, moment: Moment, number: usize, fresh: Arc<Worker>) -> Arc<Worker> {
        let worker = std::mem::replace(&mut self.workers.lock().unwrap()[number], fresh);
        let kept = worker.unsaved();
        worker.died.fetch_add(kept, Ordering::SeqCst);
        self.kills.note(moment, Some(Arc::clone(&worker.died)));
        self.count(|counts| counts.lost += kept);
        println!("worker {number} is killed: {moment:?}");
        worker
    }

    /// Has workers be killed, some a day, until it is dropped.
    pub(super) async fn kill_at_random(self: &Arc<Self>) {
        let moments = [Moment::SignIn, Moment::LogOut, Moment::Read, Moment::Lease];
        self.kills.0.lock().unwrap().due.extend(moments);
        loop {
            sleep(self.between(HOUR / 2, 8 * HOUR)).await;
            let number = self.draw(|random| random.usize(..WORKERS));
            let fresh = self.fresh(number).await;
            self.replace(Moment::Idle, number, fresh).kill();
            sleep(self.between(HOUR / 2, 8 * HOUR)).await;
            let moment = moments[self.draw(|random| random.usize(..moments.len()))];
            self.kills.0.lock().unwrap().due.push(moment);
        }
    }
}
