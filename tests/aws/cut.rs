//! Where a process stops, or is stopped by the service, for good or for the moment: at a chosen call.

use std::sync::Mutex;

use secrets_manager_simulator::gate::{Call, Failure, Gate, Passage, Phase, Verdict};

/// Cuts the process [`VICTIM`] off at one of its calls.
#[derive(Debug, Default)]
pub(crate) struct Cut(Mutex<State>);

/// The access key of the process that is cut off.
pub(crate) const VICTIM: &str = "victim";

/// What becomes of the calls after the one that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// They fail, too.
    Gone,
    /// They pass.
    Back,
}

#[derive(Debug)]
struct State {
    is_armed: bool,
    /// How many calls fail before the others pass.
    times: usize,
    /// How many calls still pass.
    left: usize,
    /// Whether the next one has its effect, and only its answer is lost.
    with_effect: bool,
    failure: Failure,
    last: Option<u64>,
    was_cut: bool,
}

impl Default for State {
    fn default() -> Self {
        let failure = Failure::ConnectionLost;
        Self { is_armed: false, times: usize::MAX, left: 0, with_effect: false, failure, last: None, was_cut: false }
    }
}

impl Cut {
    /// Lets so many calls pass, and cuts off the next, with its effect or without.
    pub(crate) fn arm(&self, left: usize, with_effect: bool) {
        self.arm_and(left, with_effect, Then::Gone);
    }

    pub(crate) fn arm_and(&self, left: usize, with_effect: bool, then: Then) {
        let times = if then == Then::Back { 1 } else { usize::MAX };
        self.arm_for(left, with_effect, times);
    }

    /// Lets so many calls pass, and cuts off the next `times`, the first of them with its effect or without.
    pub(crate) fn arm_for(&self, left: usize, with_effect: bool, times: usize) {
        *self.0.lock().unwrap() = State { is_armed: true, times, left, with_effect, ..State::default() };
    }

    /// Lets so many calls pass, and fails all others so, without an effect.
    pub(crate) fn fail(&self, left: usize, failure: Failure) {
        *self.0.lock().unwrap() = State { is_armed: true, left, failure, ..State::default() };
    }

    /// Lets all calls pass.
    pub(crate) fn lift(&self) {
        self.0.lock().unwrap().is_armed = false;
    }

    pub(crate) fn was_cut(&self) -> bool {
        self.0.lock().unwrap().was_cut
    }

    /// Whether calls pass again.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.0.lock().unwrap();
        state.was_cut && !state.is_armed
    }

    fn verdict(&self, call: &Call, phase: Phase) -> Verdict {
        let mut state = self.0.lock().unwrap();
        if !state.is_armed || call.access_key != VICTIM {
            return Verdict::Go;
        }
        match phase {
            Phase::Before if state.left > 0 => {
                state.left -= 1;
                Verdict::Go
            }
            Phase::Before if state.with_effect => {
                state.with_effect = false;
                state.last = Some(call.number);
                Verdict::Go
            }
            Phase::After if state.last != Some(call.number) => Verdict::Go,
            _ => {
                state.was_cut = true;
                state.times -= 1;
                state.is_armed = state.times > 0;
                Verdict::Fail(state.failure.clone())
            }
        }
    }
}

impl Gate for Cut {
    fn pass(&self, call: &Call, phase: Phase) -> Passage {
        Box::pin(std::future::ready(self.verdict(call, phase)))
    }
}
