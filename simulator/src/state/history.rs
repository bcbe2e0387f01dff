//! What a secret was before, for reads that lag behind.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::state::secret::Secret;

/// A state that was replaced, and when.
#[derive(Clone, Debug)]
struct Past {
    state: Option<Arc<Secret>>,
    until: Timestamp,
}

/// A name's states: the one that holds, and those that a lagging read may still see.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    present: Option<Arc<Secret>>,
    /// The oldest first.
    past: Vec<Past>,
    /// From when on there is a secret, or a new one is allowed: a deleted name stays taken for a while.
    pub(crate) taken_until: Option<Timestamp>,
}

impl History {
    pub(crate) fn present(&self) -> Option<&Arc<Secret>> {
        self.present.as_ref()
    }

    /// Replaces the state, keeping the old one for reads not older than `oldest`.
    pub(crate) fn replace(&mut self, state: Option<Arc<Secret>>, now: Timestamp, oldest: Timestamp) {
        self.past.retain(|past| past.until >= oldest);
        let before = std::mem::replace(&mut self.present, state);
        // Where nothing may lag, nothing is kept.
        if oldest < now {
            self.past.push(Past { state: before, until: now });
        }
    }

    /// Changes what is no matter of consistency, such as the day of the last read.
    pub(crate) fn note(&mut self, change: impl FnOnce(&mut Secret)) {
        if let Some(present) = &mut self.present {
            change(Arc::make_mut(present));
        }
    }

    /// How many states, the present one included, a read may see that is not staler than `oldest`.
    pub(crate) fn visible(&self, oldest: Timestamp) -> usize {
        1 + self.past.iter().rev().take_while(|past| past.until >= oldest).count()
    }

    /// The state `back` changes ago; 0 is the present one.
    pub(crate) fn view(&self, back: usize) -> Option<&Arc<Secret>> {
        match back.checked_sub(1) {
            None => self.present.as_ref(),
            Some(back) => self.past.iter().rev().nth(back).and_then(|past| past.state.as_ref()),
        }
    }

    /// How many changes ago the state held that a replica shows which lags behind to `time`.
    pub(crate) fn back_at(&self, time: Timestamp) -> usize {
        self.past.iter().rev().take_while(|past| past.until > time).count()
    }

    /// Whether nothing is left to remember.
    pub(crate) fn is_over(&self, now: Timestamp, oldest: Timestamp) -> bool {
        let free = self.taken_until.is_none_or(|until| until <= now);
        self.present.is_none() && free && self.past.iter().all(|past| past.until < oldest)
    }
}
