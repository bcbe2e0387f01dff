//! Edits of the pages of the index, and the line in which they wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backend::Claim;
use crate::backend::secrets_manager::naming::PagePlace;
use crate::backend::secrets_manager::page::{Entry, Page};
use crate::backend::secrets_manager::value::Head;
use crate::backend::secrets_manager::version::VersionId;
use crate::identity::RecordName;
use crate::lookup::LookupKey;

/// A page as it was read.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    /// What the next version follows from.
    pub(super) id: VersionId,
    pub(super) head: Head,
    pub(super) page: Page,
}

impl Loaded {
    /// Takes in what another version of the same page lists; it comes after both.
    pub(super) fn take_in(&mut self, other: &Self, place: &PagePlace) {
        self.page.unite(&other.page, place);
        self.head.sequence = self.head.sequence.max(other.head.sequence);
    }
}

/// An entry that leads nowhere: to be taken out unless it was written for a later state than `seen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeftOver {
    pub(super) key: LookupKey,
    pub(super) name: RecordName,
    pub(super) seen: u64,
}

/// What is to be changed on a page, and what that rests on.
#[derive(Debug, Default)]
pub(super) struct Edit {
    pub(super) claims: Vec<Claim>,
    pub(super) add: Vec<Entry>,
    pub(super) take_out: Vec<LeftOver>,
    /// Write the page in any case: nobody who read it before can write it then.
    pub(super) is_fence: bool,
    pub(super) outcome: Mutex<Option<Outcome>>,
}

impl Edit {
    pub(super) fn answer(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    pub(super) fn answered(&self) -> Option<Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_new(&self, page: &Page) -> bool {
        let stands = |entry: &Entry| {
            page.of_key(entry.key).iter().any(|other| other.name == entry.name && other.sequence >= entry.sequence)
        };
        self.is_fence || !self.add.iter().all(stands)
    }
}

/// What came of an edit.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The page stands as it is here.
    Done(Arc<Loaded>),
    /// A claim does not hold.
    Refused,
    /// The page has been split: its keys are on others.
    Moved,
}

/// What one process knows of a page beside its content.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Edits that wait to be written, all of them by whoever has the turn.
    waiting: Mutex<Vec<Arc<Edit>>>,
    pub(super) turn: tokio::sync::Mutex<()>,
    /// The furthest that this process has seen it come.
    sequence: AtomicU64,
    /// The last version that was not of our making, once it has been told of.
    told_of: Mutex<Option<VersionId>>,
}

impl Slot {
    /// Notes that the page has come so far.
    pub(super) fn sees(&self, sequence: u64) {
        self.sequence.fetch_max(sequence, Ordering::SeqCst);
    }

    /// The furthest that this process has seen it come; 0 where it has not seen it at all.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence.load(Ordering::SeqCst)
    }

    /// Whether this version, which is not of our making, has not been told of before.
    pub(super) fn is_news(&self, id: &VersionId) -> bool {
        let mut told_of = self.told_of.lock().unwrap_or_else(PoisonError::into_inner);
        told_of.replace(id.clone()).as_ref() != Some(id)
    }

    pub(super) fn waiting(&self) -> MutexGuard<'_, Vec<Arc<Edit>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
