//! Waiting, in a way that tests can cut short.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// What [`Pause::pause`] answers.
pub type Paused<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Waits. Whatever waits takes one of these, so that tests pass the time at once.
pub trait Pause: fmt::Debug + Send + Sync {
    /// Ends after `duration`.
    fn pause(&self, duration: Duration) -> Paused<'_>;
}

/// Waits by tokio's timer, and so needs a runtime of tokio's with time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemPause;

impl Pause for SystemPause {
    fn pause(&self, duration: Duration) -> Paused<'_> {
        Box::pin(tokio::time::sleep(duration))
    }
}
