//! Where a process stops: at a chosen call.

use std::sync::Mutex;

use secrets_manager_simulator::gate::{Call, Failure, Gate, Passage, Phase, Verdict};

/// Cuts the process "victim" off at one of its calls.
#[derive(Debug, Default)]
pub(crate) struct Cut(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_armed: bool,
    /// How many calls still pass.
    left: usize,
    /// Whether the next one has its effect, and only its answer is lost.
    with_effect: bool,
    last: Option<u64>,
    was_cut: bool,
}

impl Cut {
    /// Lets so many calls pass, and cuts off the next, with its effect or without.
    pub(crate) fn arm(&self, left: usize, with_effect: bool) {
        *self.0.lock().unwrap() = State { is_armed: true, left, with_effect, last: None, was_cut: false };
    }

    pub(crate) fn was_cut(&self) -> bool {
        self.0.lock().unwrap().was_cut
    }

    fn verdict(&self, call: &Call, phase: Phase) -> Verdict {
        let mut state = self.0.lock().unwrap();
        if !state.is_armed || call.access_key != "victim" {
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
                Verdict::Fail(Failure::ConnectionLost)
            }
        }
    }
}

impl Gate for Cut {
    fn pass(&self, call: &Call, phase: Phase) -> Passage {
        Box::pin(std::future::ready(self.verdict(call, phase)))
    }
}
