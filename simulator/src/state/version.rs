//! One version of a secret.

use std::collections::BTreeSet;
use std::fmt;

use crate::clock::Timestamp;

/// The label of the version that reads mean which name none.
pub(crate) const CURRENT: &str = "AWSCURRENT";

/// The label of the version that was current before.
pub(crate) const PREVIOUS: &str = "AWSPREVIOUS";

/// A secret value, as it was given.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum SecretValue {
    Text(String),
    Binary(Vec<u8>),
}

impl SecretValue {
    /// Its size as the service counts it: the text's UTF-8 bytes, or the decoded bytes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretValue({} bytes)", self.size())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// The ClientRequestToken that made it.
    pub(crate) id: String,
    pub(crate) value: SecretValue,
    /// The keys it is encrypted under; empty means the service's own.
    pub(crate) keys: Vec<String>,
    pub(crate) created: Timestamp,
    /// The day it was last read.
    pub(crate) accessed: Option<Timestamp>,
    /// In the order in which the service lists them: by name.
    pub(crate) labels: BTreeSet<String>,
}
