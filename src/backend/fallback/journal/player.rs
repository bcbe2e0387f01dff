//! Who plays a journal back: one process at a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Result;

/// The place that one process has at a time. It is free again when its holder is done, or is no more.
pub trait PlayerPlace: fmt::Debug + Send + Sync {
    /// Takes the place; `None` where another has it.
    ///
    /// # Errors
    /// As the operating system has them.
    fn try_take(&self) -> Result<Option<Box<dyn Send>>>;
}

/// The place within one process, for a journal in memory.
#[derive(Clone, Debug, Default)]
pub struct OneProcess(Arc<AtomicBool>);

struct Taken(Arc<AtomicBool>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl PlayerPlace for OneProcess {
    fn try_take(&self) -> Result<Option<Box<dyn Send>>> {
        let was_taken = self.0.swap(true, Ordering::AcqRel);
        Ok((!was_taken).then(|| Box::new(Taken(Arc::clone(&self.0))) as Box<dyn Send>))
    }
}
