//! A process's handle: its view of the file, and who writes to it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::backend::file::core::Core;
use crate::backend::file::opening::io_error;
use crate::backend::file::queue::{Queue, Request, Work};
use crate::backend::file::writer;
use crate::error::{Error, ErrorKind, Result};

pub(super) struct Handle {
    process: u32,
    core: Arc<Core>,
    queue: Arc<Queue>,
    /// Started when first needed: a process that only reads, or writes one thing at a time, has no thread.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    pub(super) fn new(core: Core) -> Self {
        let (core, queue) = (Arc::new(core), Arc::new(Queue::default()));
        Self { process: std::process::id(), core, queue, thread: Mutex::new(None) }
    }

    /// Whether this process made it, and not the one it was forked from.
    pub(super) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// Writes. A commit that finds nobody else writing is written on this thread: handing it over would cost as much
    /// again as a sync of a fast disk. Whatever may take longer is left to the background thread.
    pub(super) async fn write(&self, work: Work, wait: Duration) -> Result<usize> {
        let (reply, answer) = oneshot::channel();
        let may_lead = matches!(&work, Work::Commit(commit) if commit.changes.len() <= writer::MAX_LED);
        let give_up = self.core.waited().saturating_add(wait);
        match self.queue.enter(Request { work, give_up, reply }, may_lead) {
            Some(request) => {
                let left_over = writer::lead(&self.core, request);
                let is_left_over = left_over.is_some();
                self.queue.done(left_over);
                if is_left_over {
                    self.start_thread()?;
                }
            }
            None => self.start_thread()?,
        }
        answer.await.map_err(|_| Error::new(ErrorKind::Internal, "the writing thread has ended"))?
    }

    fn start_thread(&self) -> Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let (core, queue) = (Arc::clone(&self.core), Arc::clone(&self.queue));
            let started = std::thread::Builder::new()
                .name("tokenvault-writer".to_owned())
                .spawn(move || writer::run(&core, &queue));
            *thread = Some(started.map_err(|error| io_error("start the writing thread", error))?);
        }
        Ok(())
    }
}

impl Drop for Handle {
    /// Waits for what was handed over.
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        self.queue.close();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the vault's writing thread panicked");
        }
    }
}
