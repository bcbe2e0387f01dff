//! The conformance suite: what every store and every backend promises, one small function for each promise.
//!
//! For authors of other backends and of layers. A test file names a factory, and each promise becomes a test:
//!
//! ```
//! use std::sync::Arc;
//! use tokenvault::backend::{Backend, memory::MemoryBackend};
//! use tokenvault::store::TokenStore;
//! use tokenvault::vault::Vault;
//!
//! async fn vault() -> Arc<dyn TokenStore> {
//!     Arc::new(Vault::new(Arc::new(MemoryBackend::new())))
//! }
//!
//! tokenvault::conformance_tests!(over_memory, vault);
//! tokenvault::backend_conformance_tests!(memory, || async { Arc::new(MemoryBackend::new()) as Arc<dyn Backend> });
//! ```
//!
//! | macro | the factory gives | for |
//! |---|---|---|
//! | [`conformance_tests!`](crate::conformance_tests) | an empty store | every store and layer |
//! | [`backend_conformance_tests!`](crate::backend_conformance_tests) | an empty backend | every backend |
//! | [`shared_conformance_tests!`](crate::shared_conformance_tests) | two handles of the same empty records | backends that several handles or processes may open |
//!
//! Each test calls the factory anew. What must outlive a test (a temporary folder) goes into [`Fresh::keeping`]. A
//! promise that a store cannot keep is not switched off here: its author calls the functions of the other themes one by
//! one, and says which are missing.

use std::any::Any;
use std::fmt;
use std::pin::Pin;

pub mod backend;
pub mod deleting;
pub mod exactness;
pub mod finding;
pub mod handles;
pub mod hostile;
pub mod identifiers;
pub mod lineage;
mod list;
pub mod lookups;
pub mod overtaken;
pub mod races;
pub mod saving;
pub mod sdk_table;
mod steps;

/// What one promise is tried on, and what must outlive it.
pub struct Fresh<S> {
    /// The store, the backend, or the two handles.
    pub subject: S,
    _keeper: Option<Box<dyn Any>>,
}

impl<S> Fresh<S> {
    /// `subject`, and something that is dropped when the test has ended.
    pub fn keeping(subject: S, keeper: impl Any) -> Self {
        Self { subject, _keeper: Some(Box::new(keeper)) }
    }
}

impl<S> From<S> for Fresh<S> {
    fn from(subject: S) -> Self {
        Self { subject, _keeper: None }
    }
}

impl<S: fmt::Debug> fmt::Debug for Fresh<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Runs one promise on a runtime of its own, with several threads: races are part of the suite.
///
/// # Panics
/// Where the promise is broken, or where the system gives no threads.
pub fn run(promise: impl Future<Output = ()>) {
    // In a box, so that the runtime is not compiled anew for each of a thousand tests.
    run_boxed(Box::pin(promise));
}

#[expect(clippy::expect_used, reason = "a test without a runtime has nothing else to say")]
fn run_boxed(promise: Pin<Box<dyn Future<Output = ()> + '_>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("the system gives no threads").block_on(promise);
}
