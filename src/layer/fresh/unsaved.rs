//! Refreshed tokens that are not saved, or not yet.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::fields::Field;
use crate::identity::RecordName;
use crate::token::OAuthToken;

/// As many are kept; what comes then is not.
const MAX_UNSAVED: usize = 1000;

/// One of them.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) token: OAuthToken,
    /// When it was last tried in vain.
    pub(super) failed_at: Option<Timestamp>,
}

/// All that this process has, by their records. Wiped with it.
#[derive(Default)]
pub(super) struct Unsaved(Mutex<HashMap<RecordName, Kept>>);

impl Unsaved {
    fn all(&self) -> MutexGuard<'_, HashMap<RecordName, Kept>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.all().len()
    }

    /// The record of the first that is meant.
    pub(super) fn find(&self, is_meant: impl Fn(RecordName, &OAuthToken) -> bool) -> Option<RecordName> {
        self.all().iter().find_map(|(record, kept)| is_meant(*record, &kept.token).then_some(*record))
    }

    pub(super) fn get(&self, record: RecordName) -> Option<Kept> {
        self.all().get(&record).cloned()
    }

    pub(super) fn keep(&self, token: &OAuthToken) {
        let Some(record) = record_of(token) else { return };
        let mut all = self.all();
        if all.len() < MAX_UNSAVED || all.contains_key(&record) {
            all.insert(record, Kept { token: token.clone(), failed_at: None });
        } else {
            tracing::warn!(%record, "too many refreshed tokens are not saved: this one is not kept for a later call");
        }
    }

    /// Another may be kept by now.
    pub(super) fn forget(&self, saved: &OAuthToken) {
        let Some(record) = record_of(saved) else { return };
        let mut all = self.all();
        if all.get(&record).is_some_and(|kept| kept.token.get(Field::AccessToken) == saved.get(Field::AccessToken)) {
            all.remove(&record);
        }
    }

    /// It was tried in vain.
    pub(super) fn note_failure(&self, token: &OAuthToken, now: Timestamp) {
        let Some(record) = record_of(token) else { return };
        if let Some(kept) = self.all().get_mut(&record) {
            kept.failed_at = Some(now);
        }
    }
}

/// The record that a token was handed out of.
pub(super) fn record_of(token: &OAuthToken) -> Option<RecordName> {
    token.base().map(|base| base.record)
}
