//! An audit trail on standard output or standard error: what container platforms ship to their logs.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use async_trait::async_trait;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::audit::sink::{End, OpenSink, Sink};
use crate::error::{Error, ErrorKind, Result};

/// A stream of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A stream, and how long it may keep a line waiting.
#[derive(Clone, Copy, Debug)]
pub struct AuditStream {
    stream: Stream,
    wait: Duration,
}

impl AuditStream {
    /// `stream`; who reads it may let it be full for `wait`.
    pub fn new(stream: Stream, wait: Duration) -> Self {
        Self { stream, wait }
    }
}

impl fmt::Display for AuditStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        })
    }
}

impl OpenSink for AuditStream {
    fn open(&self) -> Result<Box<dyn Sink>> {
        Ok(Box::new(self.opened()?))
    }
}

impl AuditStream {
    /// Opens it.
    ///
    /// # Errors
    /// `Unavailable` where it is closed.
    pub(crate) fn opened(&self) -> Result<StreamSink> {
        // Not std's: that one has a buffer, which takes a line without anybody having it.
        let own = match self.stream {
            Stream::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        };
        let own = own.map_err(|cause| {
            Error::new(ErrorKind::Unavailable, format!("{self} cannot be written to")).with_source(cause)
        })?;
        Ok(StreamSink { out: File::from(own), wait: self.wait })
    }
}

/// A stream that is open.
#[derive(Debug)]
pub(crate) struct StreamSink {
    out: File,
    wait: Duration,
}

impl StreamSink {
    /// One line, by one write: a pipe takes so much at once or nothing of it.
    pub(crate) fn write_line(&self, line: &[u8]) -> io::Result<()> {
        loop {
            self.wait_for_room()?;
            match (&self.out).write(line) {
                Ok(written) if written == line.len() => return Ok(()),
                Ok(_) => return Err(io::Error::new(io::ErrorKind::WriteZero, "only a part of a line was taken")),
                // Another process took the room.
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn wait_for_room(&self) -> io::Result<()> {
        let millis = u16::try_from(self.wait.as_millis()).unwrap_or(u16::MAX);
        let mut asked = [PollFd::new(self.out.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut asked, PollTimeout::from(millis)) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::TimedOut, "nobody reads it")),
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl Sink for StreamSink {
    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        lines.split_inclusive(|byte| *byte == b'\n').try_for_each(|line| self.write_line(line))
    }

    /// Nobody can read what was written to a stream.
    async fn end(&mut self, _: Option<&str>) -> io::Result<End> {
        Ok(End::default())
    }
}
