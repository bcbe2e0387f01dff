//! What takes the lines.

use std::fmt;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;

use crate::audit::keys::Mac;
use crate::clock::Timestamp;
use crate::error::Result;

/// Takes lines.
///
/// # Contract
/// - **Accepted or not.** `Ok` says that all of it was taken, by who keeps it: the kernel for a file or a pipe, a service
///   for its log. Anything else says that some or all of it may be missing. Then this sink is given up and another one is
///   opened. What was refused is sent again where the sink is gone ([`io::ErrorKind::NotFound`]), or where a call went on without it.
/// - **Whole lines.** A line of at most 4,096 bytes is never mixed with one of another writer.
/// - **In time.** A sink bounds how long it waits for its service: nobody else does.
/// - **Cancellation.** Where a write's future is dropped, its lines count as not taken.
#[async_trait]
pub trait Sink: fmt::Debug + Send {
    /// Takes these lines: one or more, each with its line break. `now` is by the recorder's clock.
    ///
    /// # Errors
    /// Where they were not all taken.
    async fn write(&mut self, lines: &[u8], now: Timestamp) -> io::Result<()>;

    /// Whether all that was taken is known to be where others find it. Until then the writer remembers it, and writes it again
    /// where the sink turns out to be gone ([`io::ErrorKind::NotFound`]).
    fn is_settled(&self) -> bool {
        true
    }

    /// Finds out.
    ///
    /// # Errors
    /// `NotFound` where the sink is gone.
    async fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// What is there already, but for the lines of the chain `except`.
    ///
    /// # Errors
    /// Where it cannot be read, or what is there is no audit trail.
    async fn end(&mut self, except: Option<&str>) -> io::Result<End>;
}

/// What a sink ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The MAC of the last line, whoever wrote it; `None` where there is none, or nobody can know.
    pub mac: Option<Mac>,
    /// Behind it is a piece of a line.
    pub is_torn: bool,
}

/// Opens a sink: at first use, after a failure, and in a process that was forked.
pub trait OpenSink: fmt::Debug + fmt::Display + Send + Sync {
    /// Opens it.
    ///
    /// # Errors
    /// Where it cannot be used.
    fn open(&self) -> Result<Box<dyn Sink>>;

    /// Whether a write waits for a service. Then it is made by a task of its own, in the runtime of whoever came first, and
    /// where calls go on without their lines nobody waits for it.
    fn is_distant(&self) -> bool {
        false
    }
}

impl<S: OpenSink + ?Sized> OpenSink for Arc<S> {
    fn open(&self) -> Result<Box<dyn Sink>> {
        (**self).open()
    }

    fn is_distant(&self) -> bool {
        (**self).is_distant()
    }
}
