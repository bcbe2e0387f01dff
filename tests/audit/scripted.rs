//! A sink that does as it is told.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokenvault::audit::sink::{End, OpenSink, Sink};
use tokenvault::clock::Timestamp;
use tokenvault::error::{Error, ErrorKind, Result};

/// What becomes of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// It is taken.
    Take,
    /// There is no room.
    Full,
    /// So many bytes of it are taken.
    Short(usize),
    /// There is nobody.
    Gone,
    /// It waits until it is let go.
    Hang,
}

#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The acts of the writes to come, and what comes after.
    pub(crate) script: Vec<Act>,
    pub(crate) always: Option<Act>,
    pub(crate) cannot_open: bool,
    pub(crate) is_distant: bool,
    /// Nobody knows whether what was taken is where it can be found.
    pub(crate) is_unsettled: bool,
    /// Whoever asks for what was taken finds nothing.
    pub(crate) is_gone: bool,
    /// What was taken.
    pub(crate) bytes: Vec<u8>,
    pub(crate) writes: usize,
    pub(crate) opened: usize,
}

#[derive(Clone, Default)]
pub(crate) struct Scripted {
    pub(crate) told: Arc<Mutex<Told>>,
    pub(crate) release: Arc<tokio::sync::Notify>,
    pub(crate) arrived: Arc<tokio::sync::Notify>,
}

impl Scripted {
    pub(crate) fn always(act: Act) -> Self {
        let sink = Self::default();
        sink.told.lock().unwrap().always = Some(act);
        sink
    }

    pub(crate) fn then(script: &[Act]) -> Self {
        let sink = Self::default();
        sink.told.lock().unwrap().script = script.to_vec();
        sink
    }

    /// As a service is.
    pub(crate) fn distant() -> Self {
        let sink = Self::default();
        sink.told.lock().unwrap().is_distant = true;
        sink
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.told.lock().unwrap().bytes.clone()
    }

    pub(crate) fn set(&self, act: Act) {
        self.told.lock().unwrap().always = Some(act);
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl fmt::Display for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scripted")
    }
}

impl OpenSink for Scripted {
    fn open(&self) -> Result<Box<dyn Sink>> {
        let mut told = self.told.lock().unwrap();
        told.opened += 1;
        if told.cannot_open {
            return Err(Error::new(ErrorKind::Unavailable, "nobody opens it"));
        }
        Ok(Box::new(self.clone()))
    }

    fn is_distant(&self) -> bool {
        self.told.lock().unwrap().is_distant
    }
}

#[async_trait]
impl Sink for Scripted {
    async fn write(&mut self, lines: &[u8], _: Timestamp) -> io::Result<()> {
        let act = {
            let mut told = self.told.lock().unwrap();
            told.writes += 1;
            if told.script.is_empty() { told.always.clone().unwrap_or(Act::Take) } else { told.script.remove(0) }
        };
        match act {
            Act::Take => self.told.lock().unwrap().bytes.extend_from_slice(lines),
            Act::Full => return Err(io::ErrorKind::StorageFull.into()),
            Act::Gone => return Err(io::ErrorKind::NotFound.into()),
            Act::Short(count) => {
                self.told.lock().unwrap().bytes.extend_from_slice(&lines[..count.min(lines.len() - 1)]);
                return Err(io::ErrorKind::WriteZero.into());
            }
            Act::Hang => {
                self.arrived.notify_one();
                self.release.notified().await;
                self.told.lock().unwrap().bytes.extend_from_slice(lines);
            }
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        !self.told.lock().unwrap().is_unsettled
    }

    async fn settle(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.told.lock().unwrap().is_gone) {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(())
        }
    }

    async fn end(&mut self, _: Option<&str>) -> io::Result<End> {
        let bytes = self.bytes();
        Ok(End { mac: None, is_torn: bytes.last().is_some_and(|byte| *byte != b'\n') })
    }
}
