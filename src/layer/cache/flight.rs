//! Reads that are under way, so that those who ask the same at once share one.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::error::Error;
use crate::layer::cache::question::{Found, Key};
use crate::layer::cache::shelf::Began;

/// One read of the store, and all who wait for it.
///
/// Whoever comes first makes it, in their own future and their own name; where that future is dropped, the next one does.
pub(super) struct Flight {
    pub(super) answer: OnceCell<Result<Found, Error>>,
    pub(super) began: Began,
    /// How many writes had ended when it began.
    pub(super) epoch: u64,
    process: u32,
}

/// The reads that are under way, each with the number of those who wait for it.
#[derive(Default)]
pub(super) struct Flights(HashMap<Key, (Arc<Flight>, usize)>);

impl Flights {
    /// The read of this key that is under way, or a new one. One that a write has ended since is left to those who were
    /// waiting before, and one from before a fork to nobody: there is no one left in this process to make it.
    pub(super) fn join(&mut self, key: &Key, epoch: u64, began: Began) -> Arc<Flight> {
        let process = std::process::id();
        if let Some((flight, seats)) = self.0.get_mut(key)
            && flight.epoch == epoch
            && flight.process == process
        {
            *seats += 1;
            return Arc::clone(flight);
        }
        let flight = Arc::new(Flight { answer: OnceCell::new(), began, epoch, process });
        self.0.insert(key.clone(), (Arc::clone(&flight), 1));
        flight
    }

    /// Somebody does not wait for it any more.
    pub(super) fn leave(&mut self, key: &Key, flight: &Arc<Flight>) {
        let Some((own, seats)) = self.0.get_mut(key) else { return };
        if Arc::ptr_eq(own, flight) {
            *seats -= 1;
            if *seats == 0 {
                self.0.remove(key);
            }
        }
    }

    /// It is answered: who comes now begins anew.
    pub(super) fn end(&mut self, key: &Key, flight: &Arc<Flight>) {
        if self.0.get(key).is_some_and(|(own, _)| Arc::ptr_eq(own, flight)) {
            self.0.remove(key);
        }
    }
}
