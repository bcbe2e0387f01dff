//! An audit trail on standard output or standard error: what container platforms ship to their logs.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::audit::sink::{End, OpenSink, Sink};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};

/// A stream of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A stream, and how long it may keep a write waiting.
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
        Ok(StreamSink { out: File::from(own), wait: self.wait, clock: Arc::new(SystemClock) })
    }
}

/// A stream that is open.
#[derive(Debug)]
pub(crate) struct StreamSink {
    out: File,
    wait: Duration,
    clock: Arc<dyn Clock>,
}

impl StreamSink {
    /// One line.
    pub(crate) fn write_line(&self, line: &[u8]) -> io::Result<()> {
        self.write_before(line, self.clock.now().after(self.wait))
    }

    /// Line by line, each by one write: a pipe takes so much at once or nothing of it. No more is waited than until `end`.
    fn write_before(&self, lines: &[u8], end: Timestamp) -> io::Result<()> {
        lines.split_inclusive(|byte| *byte == b'\n').try_for_each(|line| self.write_one(line, end))
    }

    fn write_one(&self, line: &[u8], end: Timestamp) -> io::Result<()> {
        loop {
            self.wait_for_room(end)?;
            match (&self.out).write(line) {
                Ok(written) if written == line.len() => return Ok(()),
                Ok(_) => return Err(io::Error::new(io::ErrorKind::WriteZero, "only a part of a line was taken")),
                // Another process took the room.
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn wait_for_room(&self, end: Timestamp) -> io::Result<()> {
        // A clock that was set back makes it no longer than a whole wait.
        let left = end.since(self.clock.now()).min(self.wait);
        let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX);
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
    async fn write(&mut self, lines: &[u8], _: Timestamp) -> io::Result<()> {
        // One wait for all of them: who shares the write waits for each.
        self.write_before(lines, self.clock.now().after(self.wait))
    }

    /// Nobody can read what was written to a stream.
    async fn end(&mut self, _: Option<&str>) -> io::Result<End> {
        Ok(End::default())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read};
    use std::os::fd::OwnedFd;
    use std::sync::Mutex;

    use super::*;

    const LINE: [u8; 4096] = {
        let mut line = [b'x'; 4096];
        line[4095] = b'\n';
        line
    };

    /// Six seconds pass between two looks at the clock, and a reader takes a line out of the pipe before every second one.
    #[derive(Debug)]
    struct SlowReader(Mutex<(PipeReader, u64)>);

    impl Clock for SlowReader {
        fn now(&self) -> Timestamp {
            let (pipe, looks) = &mut *self.0.lock().unwrap();
            if *looks % 2 == 1 {
                pipe.read_exact(&mut [0; LINE.len()]).unwrap();
            }
            *looks += 1;
            Timestamp::from_millis(*looks * 6000)
        }
    }

    #[tokio::test]
    async fn all_lines_of_a_write_wait_no_longer_than_one_may() {
        let (reader, writer) = io::pipe().unwrap();
        let out = File::from(OwnedFd::from(writer));
        let filling = StreamSink { out: out.try_clone().unwrap(), wait: Duration::ZERO, clock: Arc::new(SystemClock) };
        while filling.write_line(&LINE).is_ok() {}
        let clock = Arc::new(SlowReader(Mutex::new((reader, 0))));
        let mut sink = StreamSink { out, wait: Duration::from_secs(5), clock: Arc::clone(&clock) as _ };
        let failure = sink.write(&LINE.repeat(3), Timestamp::default()).await.unwrap_err();
        assert_eq!(failure.kind(), io::ErrorKind::TimedOut);
        assert_eq!(clock.0.lock().unwrap().1, 3, "for the first line there was room, and for the second no time");
    }
}
