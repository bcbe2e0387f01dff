//! Work that is under way, and goes on only when it is told to: no runtime, and no order but the test's own.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

pub(crate) struct Going<'a, T>(Pin<Box<dyn Future<Output = T> + 'a>>);

impl<'a, T> Going<'a, T> {
    /// Begins, and goes on until it has to wait. Whoever need not wait is not what was meant.
    pub(crate) fn begun(work: impl Future<Output = T> + 'a) -> Self {
        let mut going = Self(Box::pin(work));
        assert!(going.step().is_none(), "nothing kept it waiting");
        going
    }

    /// Not begun yet.
    #[allow(dead_code, reason = "not every test that has this needs it")]
    pub(crate) fn unsure(work: impl Future<Output = T> + 'a) -> Self {
        Self(Box::pin(work))
    }

    /// Goes on as far as it can.
    pub(crate) fn step(&mut self) -> Option<T> {
        match self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// Goes on to its end, which nothing may keep waiting.
    pub(crate) fn ended(mut self) -> T {
        self.step().unwrap()
    }
}

/// Work that nothing may keep waiting.
pub(crate) fn now<T>(work: impl Future<Output = T>) -> T {
    Going(Box::pin(work)).ended()
}
