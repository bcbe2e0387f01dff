//! Waiting, in a way that tests can cut short.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
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

/// What `future` comes to, or `None` where `duration` passes before. Nothing is waited for where it is ready.
pub(crate) async fn within<T>(
    pause: &dyn Pause,
    duration: Duration,
    future: impl Future<Output = T> + Send,
) -> Option<T> {
    let (mut future, mut end) = (pin!(future), None);
    poll_fn(|context| {
        if let Poll::Ready(value) = future.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        end.get_or_insert_with(|| pause.pause(duration)).as_mut().poll(context).map(|()| None)
    })
    .await
}
