//! Time that passes when it is told to, for whoever asks for it and for whoever waits.

use std::future::poll_fn;
use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokenvault::clock::{Clock, ManualClock, Timestamp};
use tokenvault::pause::{Pause, Paused};

#[derive(Debug)]
pub(crate) struct Hourglass {
    clock: ManualClock,
    waiting: Mutex<Vec<Waker>>,
}

impl Hourglass {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new(Timestamp::from_millis(1_800_000_000_000));
        Self { clock, waiting: Mutex::default() }
    }

    pub(crate) fn advance(&self, duration: Duration) {
        self.clock.advance(duration);
        self.waiting.lock().unwrap().drain(..).for_each(Waker::wake);
    }

    pub(crate) fn set_back(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap();
        self.clock.set(Timestamp::from_micros(self.now().as_micros() - micros));
    }

    /// A moment as the SDKs write an expiry.
    pub(crate) fn millis_in(&self, duration: Duration) -> String {
        self.now().after(duration).as_millis().to_string()
    }
}

impl Clock for Hourglass {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Pause for Hourglass {
    fn pause(&self, duration: Duration) -> Paused<'_> {
        let end = self.now().after(duration);
        Box::pin(poll_fn(move |context| {
            if self.now() >= end {
                return Poll::Ready(());
            }
            self.waiting.lock().unwrap().push(context.waker().clone());
            Poll::Pending
        }))
    }
}
