//! The secrets there are, by name, and what becomes of deleted ones.

pub(crate) mod history;
pub(crate) mod labels;
pub(crate) mod secret;
pub(crate) mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::state::history::History;
use crate::state::secret::Secret;

/// Something that happens by itself at a set time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The secret goes for good.
    Purge,
    /// Nothing remembers the name any more.
    Forget,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    names: BTreeMap<String, History>,
    /// How many of them have a secret.
    count: usize,
    due: BTreeSet<(Timestamp, String, Due)>,
    /// When each name's secret goes, to find it in `due`.
    ends: BTreeMap<String, Timestamp>,
}

impl State {
    pub(crate) fn history(&self, name: &str) -> Option<&History> {
        self.names.get(name)
    }

    pub(crate) fn present(&self, name: &str) -> Option<&Arc<Secret>> {
        self.names.get(name).and_then(History::present)
    }

    /// Every name that has a secret or may still seem to have one, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&String, &History)> {
        self.names.iter()
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// Puts the secret in the place of the one of its name; lagging reads may see the old one back to `oldest`.
    pub(crate) fn replace(&mut self, secret: Secret, now: Timestamp, oldest: Timestamp) {
        let history = self.names.entry(secret.name.clone()).or_default();
        self.count += usize::from(history.present().is_none());
        history.replace(Some(Arc::new(secret)), now, oldest);
    }

    /// Changes what is no matter of consistency.
    pub(crate) fn note(&mut self, name: &str, change: impl FnOnce(&mut Secret)) {
        if let Some(history) = self.names.get_mut(name) {
            history.note(change);
        }
    }

    /// Sets the end of a secret, in the place of an earlier one.
    pub(crate) fn schedule_end(&mut self, at: Timestamp, name: &str) {
        self.unschedule_end(name);
        self.ends.insert(name.to_owned(), at);
        self.due.insert((at, name.to_owned(), Due::Purge));
    }

    pub(crate) fn unschedule_end(&mut self, name: &str) {
        if let Some(at) = self.ends.remove(name) {
            self.due.remove(&(at, name.to_owned(), Due::Purge));
        }
    }

    pub(crate) fn schedule_forgetting(&mut self, at: Timestamp, name: &str) {
        self.due.insert((at, name.to_owned(), Due::Forget));
    }

    /// What is due next until `now`, taken off the list.
    pub(crate) fn next_due(&mut self, now: Timestamp) -> Option<(Timestamp, String, Due)> {
        self.due.first().filter(|(at, _, _)| *at <= now)?;
        self.due.pop_first()
    }

    /// Removes a secret; the name stays taken until `free`.
    pub(crate) fn purge(
        &mut self,
        name: &str,
        at: Timestamp,
        oldest: Timestamp,
        free: Timestamp,
    ) -> Option<Arc<Secret>> {
        let history = self.names.get_mut(name)?;
        let gone = history.present().cloned();
        self.count -= usize::from(gone.is_some());
        self.ends.remove(name);
        history.replace(None, at, oldest);
        history.taken_until = Some(free);
        gone
    }

    /// Drops a name that nothing remembers.
    pub(crate) fn forget(&mut self, name: &str, now: Timestamp, oldest: Timestamp) {
        if self.names.get(name).is_some_and(|history| history.is_over(now, oldest)) {
            self.names.remove(name);
        }
    }
}
