//! What a test may know that no client can: the secrets as they are, without a call.

use std::collections::BTreeSet;
use std::fmt;

use crate::clock::Timestamp;
use crate::state::secret::Secret;
use crate::state::version::SecretValue;

/// A secret as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretView {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The KMS key of its next version; none is aws/secretsmanager.
    pub key: Option<String>,
    /// Since when it is marked for deletion.
    pub deleted: Option<Timestamp>,
    /// In the order of their making, unlabelled ones included.
    pub versions: Vec<VersionView>,
}

/// A version as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct VersionView {
    /// The VersionId.
    pub id: String,
    /// Its staging labels.
    pub labels: BTreeSet<String>,
    /// When it was made.
    pub created: Timestamp,
    /// The KMS keys that it lies under; none is aws/secretsmanager.
    pub keys: Vec<String>,
    /// SecretString's bytes, or SecretBinary.
    pub value: Vec<u8>,
}

impl fmt::Debug for VersionView {
    /// Without the value.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("VersionView");
        shown.field("id", &self.id).field("labels", &self.labels).field("created", &self.created);
        shown.finish_non_exhaustive()
    }
}

impl SecretView {
    /// The version that a label is on.
    pub fn labelled(&self, label: &str) -> Option<&VersionView> {
        self.versions.iter().find(|version| version.labels.contains(label))
    }

    pub(crate) fn of(secret: &Secret) -> Self {
        let versions = secret.versions.iter().map(|version| VersionView {
            id: version.id.clone(),
            labels: version.labels.clone(),
            created: version.created,
            keys: version.keys.clone(),
            value: match &version.value {
                SecretValue::Text(text) => text.clone().into_bytes(),
                SecretValue::Binary(bytes) => bytes.clone(),
            },
        });
        Self {
            name: secret.name.clone(),
            arn: secret.arn.clone(),
            key: secret.key.clone(),
            deleted: secret.deletion.map(|deletion| deletion.requested),
            versions: versions.collect(),
        }
    }
}
