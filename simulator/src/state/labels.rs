//! Staging labels: where they are, and how they move.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::ServiceError;
use crate::state::secret::Secret;
use crate::state::version::{CURRENT, PREVIOUS};

/// Gives `labels` to a version, taking each from wherever it is. Where AWSCURRENT moves, AWSPREVIOUS goes to the
/// version it left.
pub(crate) fn attach(secret: &mut Secret, to: &str, labels: &BTreeSet<String>) {
    let left = labels.contains(CURRENT).then(|| secret.current().map(|version| version.id.clone())).flatten();
    for label in labels {
        place(secret, to, label);
    }
    if let Some(left) = left.filter(|left| left != to) {
        place(secret, &left, PREVIOUS);
    }
}

pub(crate) fn detach(secret: &mut Secret, label: &str) {
    for version in secret.versions.iter_mut().filter(|version| version.labels.contains(label)) {
        Arc::make_mut(version).labels.remove(label);
    }
}

fn place(secret: &mut Secret, to: &str, label: &str) {
    detach(secret, label);
    if let Some(version) = secret.version_mut(to) {
        version.labels.insert(label.to_owned());
    }
}

/// Refuses a secret whose versions hold more than `limit` labels together.
pub(crate) fn within(secret: &Secret, limit: usize) -> Result<(), ServiceError> {
    let count: usize = secret.versions.iter().map(|version| version.labels.len()).sum();
    if count <= limit {
        return Ok(());
    }
    Err(ServiceError::limit(format!(
        "The request failed because it would exceed one of the Secrets Manager quotas: more than {limit} staging labels."
    )))
}
