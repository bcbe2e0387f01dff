//! A gate that holds every call until a test lets it go: interleavings of several clients can be enumerated with it, and
//! a client dropped at any point.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::gate::{Call, Gate, Passage, Phase, Verdict};

/// Holds calls. Clones are the same turnstile.
#[derive(Clone, Default)]
pub struct Turnstile {
    shared: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    open: bool,
    waiting: BTreeMap<(u64, Phase), Slot>,
    observers: Vec<Waker>,
}

struct Slot {
    call: Call,
    verdict: Option<Verdict>,
    waker: Option<Waker>,
}

impl fmt::Debug for Turnstile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Turnstile").field("waiting", &self.waiting()).finish()
    }
}

impl Turnstile {
    /// A turnstile that holds every call.
    pub fn new() -> Self {
        Self::default()
    }

    /// The calls that are held, by number: each before or after its effect.
    pub fn waiting(&self) -> Vec<(Call, Phase)> {
        let held = self.held();
        let waiting = held.waiting.iter().filter(|(_, slot)| slot.verdict.is_none());
        waiting.map(|((_, phase), slot)| (slot.call.clone(), *phase)).collect()
    }

    /// Waits until that many calls are held.
    pub async fn holds(&self, calls: usize) {
        std::future::poll_fn(|context| {
            let mut held = self.held();
            if held.waiting.values().filter(|slot| slot.verdict.is_none()).count() >= calls {
                return Poll::Ready(());
            }
            held.observers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Lets a held call go on as the verdict says; false where no such call is held.
    pub fn release(&self, number: u64, phase: Phase, verdict: Verdict) -> bool {
        let mut held = self.held();
        let Some(slot) = held.waiting.get_mut(&(number, phase)).filter(|slot| slot.verdict.is_none()) else {
            return false;
        };
        slot.verdict = Some(verdict);
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
        true
    }

    /// Lets everything through, from the held calls on.
    pub fn open(&self) {
        self.held().open = true;
        for (call, phase) in self.waiting() {
            self.release(call.number, phase, Verdict::Go);
        }
    }

    /// Holds every call that arrives from here on.
    pub fn close(&self) {
        self.held().open = false;
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for Turnstile {
    fn pass(&self, call: &Call, phase: Phase) -> Passage {
        Box::pin(Waiting { turnstile: self.clone(), call: call.clone(), phase })
    }
}

/// One call at the turnstile. Dropped with the client that gave it up.
struct Waiting {
    turnstile: Turnstile,
    call: Call,
    phase: Phase,
}

impl Future for Waiting {
    type Output = Verdict;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Verdict> {
        let mut held = self.turnstile.held();
        let key = (self.call.number, self.phase);
        if let Some(verdict) = held.waiting.get_mut(&key).and_then(|slot| slot.verdict.take()) {
            held.waiting.remove(&key);
            return Poll::Ready(verdict);
        }
        if held.open {
            return Poll::Ready(Verdict::Go);
        }
        let new = || Slot { call: self.call.clone(), verdict: None, waker: None };
        let slot = held.waiting.entry(key).or_insert_with(new);
        slot.waker = Some(context.waker().clone());
        for observer in held.observers.drain(..) {
            observer.wake();
        }
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.turnstile.held().waiting.remove(&(self.call.number, self.phase));
    }
}
