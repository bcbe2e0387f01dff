//! The queue of this process: one that finds itself in a fork is replaced.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::audit::fixed::Fixed;
use crate::audit::queue::Queue;

/// Where this process's queue stands, or still its parent's.
pub(crate) struct OwnQueue(ArcSwap<Queue>);

impl OwnQueue {
    pub(crate) fn new(fixed: Arc<Fixed>) -> Self {
        Self(ArcSwap::from_pointee(Queue::new(fixed)))
    }

    pub(crate) fn get(&self) -> Guard<Arc<Queue>> {
        let queue = self.0.load();
        if queue.is_ours() { queue } else { Guard::from_inner(self.instead_of(&queue)) }
    }

    /// The queue of this process, which takes the place of its parent's, unless another thread has put one there already.
    fn instead_of(&self, parents: &Arc<Queue>) -> Arc<Queue> {
        let ours = Arc::new(parents.after_fork());
        let found = Guard::into_inner(self.0.compare_and_swap(parents, Arc::clone(&ours)));
        if !Arc::ptr_eq(&found, parents) {
            return found;
        }
        // Its locks may be held by threads that do not exist here, and its chain is the parent's to go on with.
        std::mem::forget(found);
        ours
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::audit::keys::Keys;
    use crate::audit::stream_sink::{AuditStream, Stream};
    use crate::backend::audit_key::AuditKey;
    use crate::clock::SystemClock;

    /// Both have found the parent's, and then go on, one after the other.
    #[test]
    fn two_threads_of_a_fork_have_one_queue() {
        let fixed = Fixed {
            sink: Arc::new(AuditStream::new(Stream::Stderr, std::time::Duration::ZERO)),
            keys: Keys::derive(&AuditKey::new(&[7; 32])).unwrap(),
            clock: Arc::new(SystemClock),
            requests: Vec::new(),
            lost: AtomicU64::new(0),
        };
        let queue = OwnQueue::new(Arc::new(fixed));
        let parents = queue.get();
        let [first, second] = [queue.instead_of(&parents), queue.instead_of(&parents)];
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &parents));
        assert!(Arc::ptr_eq(&queue.get(), &first));
        drop((queue, second));
        assert_eq!(
            (Arc::strong_count(&first), Arc::strong_count(&parents)),
            (1, 2),
            "the parent's alone is never dropped"
        );
    }
}
