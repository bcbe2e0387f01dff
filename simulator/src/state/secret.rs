//! One secret: what is known of it, and its versions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::ServiceError;
use crate::state::version::{CURRENT, Version};

/// Why and until when a secret cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    /// What DescribeSecret shows.
    pub(crate) requested: Timestamp,
    /// What DeleteSecret answers: the date from which it may go for good.
    pub(crate) due: Timestamp,
    /// Deleted without a window: it can't be restored.
    pub(crate) forced: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) description: Option<String>,
    /// None is the key of the service, aws/secretsmanager.
    pub(crate) key: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) policy: Option<String>,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
    pub(crate) accessed: Option<Timestamp>,
    pub(crate) deletion: Option<Deletion>,
    /// In the order of their making.
    pub(crate) versions: Vec<Arc<Version>>,
}

impl Secret {
    pub(crate) fn version(&self, id: &str) -> Option<&Version> {
        self.versions.iter().map(Arc::as_ref).find(|version| version.id == id)
    }

    pub(crate) fn version_mut(&mut self, id: &str) -> Option<&mut Version> {
        self.versions.iter_mut().find(|version| version.id == id).map(Arc::make_mut)
    }

    pub(crate) fn labelled(&self, label: &str) -> Option<&Version> {
        self.versions.iter().map(Arc::as_ref).find(|version| version.labels.contains(label))
    }

    pub(crate) fn current(&self) -> Option<&Version> {
        self.labelled(CURRENT)
    }

    /// Refuses what may not be done to a secret that is marked for deletion.
    pub(crate) fn usable(&self) -> Result<(), ServiceError> {
        match self.deletion {
            None => Ok(()),
            Some(_) => Err(ServiceError::invalid_request(
                "You can't perform this operation on the secret because it was marked for deletion.",
            )),
        }
    }

    /// Makes room for one more version: removes the oldest ones without a label that have reached `age`, as many as are
    /// over `limit`.
    ///
    /// # Errors
    ///
    /// More than `limit` remain, because they are too young or labelled.
    pub(crate) fn prune(&mut self, limit: usize, age: Duration, now: Timestamp) -> Result<(), ServiceError> {
        let mut surplus = self.versions.len().saturating_sub(limit);
        self.versions.retain(|version| {
            let removable = version.labels.is_empty() && now.since(version.created) >= age;
            let removed = removable && surplus > 0;
            surplus -= usize::from(removed);
            !removed
        });
        if surplus == 0 {
            return Ok(());
        }
        Err(ServiceError::limit(format!(
            "The request failed because it would exceed one of the Secrets Manager quotas: more than {limit} versions."
        )))
    }
}
