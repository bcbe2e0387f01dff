//! Standard input that holds secrets: read into memory of bounded size that is wiped, also when it grows.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// The most that is held of it at a time.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// How much is asked for at a time.
const CHUNK: usize = 16 * 1024;

/// What has been read and not yet been taken.
pub(super) struct SecretInput<R> {
    source: R,
    buffer: Zeroizing<Vec<u8>>,
}

impl SecretInput<File> {
    /// Standard input itself: std's own reader would keep a copy in a buffer that is never wiped.
    pub(super) fn stdin() -> Result<Self> {
        let own = io::stdin().as_fd().try_clone_to_owned().map_err(unreadable)?;
        Ok(Self::new(File::from(own)))
    }
}

impl<R: Read> SecretInput<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, buffer: Zeroizing::new(Vec::new()) }
    }

    /// What is held.
    pub(super) fn held(&self) -> &[u8] {
        &self.buffer
    }

    /// Reads more. Answers whether there was any.
    ///
    /// # Errors
    /// `InvalidInput` where more would have to be held than is allowed.
    pub(super) fn read_more(&mut self) -> Result<bool> {
        let held = self.buffer.len();
        if held == MAX_BYTES {
            return Err(Error::invalid(format!("standard input has more than {MAX_BYTES} bytes in one piece"))
                .with_hint("check what is piped in"));
        }
        if held == self.buffer.capacity() {
            self.grow();
        }
        let end = (held + CHUNK).min(self.buffer.capacity()).min(MAX_BYTES);
        self.buffer.resize(end, 0);
        let place = self.buffer.get_mut(held..).unwrap_or_default();
        let read = loop {
            match self.source.read(place) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(held + *read.as_ref().unwrap_or(&0));
        read.map(|count| count > 0).map_err(unreadable)
    }

    /// By hand, because a `Vec` that grows by itself leaves the old copy behind.
    fn grow(&mut self) {
        let capacity = (self.buffer.capacity() * 2).max(CHUNK);
        let mut larger = Zeroizing::new(Vec::with_capacity(capacity));
        larger.extend_from_slice(&self.buffer);
        self.buffer = larger;
    }

    /// Lets go of the first `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        let held = self.buffer.len();
        let rest = held.saturating_sub(count);
        self.buffer.copy_within(held - rest.., 0);
        if let Some(stale) = self.buffer.get_mut(rest..) {
            stale.fill(0);
        }
        self.buffer.truncate(rest);
    }

    /// All of it, without the line end that a pipe from `echo` brings along.
    ///
    /// # Errors
    /// `InvalidInput` for too much, and for what is not UTF-8.
    pub(super) fn into_line(mut self) -> Result<Zeroizing<String>> {
        while self.read_more()? {}
        let bytes = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Error::invalid("standard input is not UTF-8 text").with_hint("check what is piped in"))?;
        Ok(Zeroizing::new(Box::<str>::from(text).into_string()))
    }
}

fn unreadable(cause: io::Error) -> Error {
    Error::new(ErrorKind::Io, "standard input could not be read")
        .with_source(cause)
        .with_hint("pipe the tokens in, as in: tokenvault save < tokens.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out a few bytes at a time, as a pipe may.
    struct Trickle<'b>(&'b [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, place: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(place.len()).min(7);
            let (now, later) = self.0.split_at(count);
            place[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    #[test]
    fn a_line_arrives_whole_and_without_its_end() {
        let long = "é".repeat(10_000);
        for end in ["", "\n", "\r\n"] {
            let text = format!("{long}{end}");
            assert_eq!(*SecretInput::new(Trickle(text.as_bytes())).into_line().unwrap(), long);
        }
        assert_eq!(*SecretInput::new(Trickle(b"a\n\n")).into_line().unwrap(), "a\n");
        assert!(SecretInput::new(Trickle(b"\xff")).into_line().is_err());
    }

    #[test]
    fn what_is_consumed_is_gone_and_the_rest_stays() {
        let mut input = SecretInput::new(Trickle(b"secret then more"));
        while input.read_more().unwrap() {}
        input.consume(7);
        assert_eq!(input.held(), b"then more");
        input.consume(100);
        assert_eq!(input.held(), b"");
    }

    #[test]
    fn input_without_end_is_refused() {
        let mut input = SecretInput::new(io::repeat(b'x'));
        let error = loop {
            match input.read_more() {
                Ok(more) => assert!(more),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), input.held().len()), (ErrorKind::InvalidInput, MAX_BYTES));
    }
}
