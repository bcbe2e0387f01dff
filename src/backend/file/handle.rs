//! A process's handle: its view of the file, and its writing thread.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::backend::file::core::Core;
use crate::backend::file::writer::{self, Request, Work};
use crate::error::{Error, ErrorKind, Result};

pub(super) struct Handle {
    process: u32,
    core: Arc<Core>,
    /// Started with the first write: a process that only reads has no thread.
    writer: OnceLock<Sender<Request>>,
}

impl Handle {
    pub(super) fn new(core: Core) -> Self {
        Self { process: std::process::id(), core: Arc::new(core), writer: OnceLock::new() }
    }

    /// Whether this process made it, and not the one it was forked from.
    pub(super) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    pub(super) async fn write(&self, work: Work, wait: Duration) -> Result<usize> {
        let (reply, answer) = oneshot::channel();
        let gone = || Error::new(ErrorKind::Internal, "the writing thread has ended");
        self.writer()?.send(Request { work, wait, reply }).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    fn writer(&self) -> Result<&Sender<Request>> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let started = writer::start(Arc::clone(&self.core))?;
        // Where two started one, the second ends with its sender.
        Ok(self.writer.get_or_init(|| started))
    }
}
