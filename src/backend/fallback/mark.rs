//! What the copy says of itself: of which store it is one, and as of when.

use std::sync::Arc;

use crate::backend::Change;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::fields::{Field, Fields};
use crate::identity::{Lineage, RecordName, Version};
use crate::record::{Record, Writer};
use crate::secret::SecretText;

/// Begins the entry that names the store. No id that can be stored has a control character in it, so nobody asks for one
/// of these.
const OF: &str = "copy of\u{1f}";

/// Where the key of the audit trail is: in a field that nothing is found by.
const AUDIT_KEY: Field = Field::ClientSecret;

/// Begins the name of a record that is gone.
const GONE: &str = "gone\u{1f}";

/// A record of the copy that is no token's, under a name of its own: sealed like the others, and changed in the same
/// commits. Every change of the copy is a change of the mark, so it is also what decides between two that change the copy
/// at once.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) version: Version,
    /// One for each time that the copy was begun anew: what was read for the one before has no place in it.
    pub(super) beginning: Lineage,
    /// Everything in the copy was so at this moment or later, and everything that there was is in it. `None`: it is not
    /// complete.
    pub(super) as_of: Option<Timestamp>,
    /// The store of which this is a copy.
    pub(super) of: Arc<str>,
    /// What was taken out since the copy was completed: a list that began before may still show it.
    pub(super) gone: Vec<RecordName>,
    /// The key of the store's audit trail, in hexadecimal digits.
    pub(super) audit_key: Option<SecretText>,
}

impl Mark {
    pub(super) const NAME: RecordName = RecordName::from_bytes(*b"tv fallback copy");

    /// Of a copy in which there is nothing yet.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub(super) fn first(of: &Arc<str>) -> Result<Self> {
        let (version, beginning) = (Version::first()?, Lineage::first()?);
        Ok(Self { version, beginning, as_of: None, of: Arc::clone(of), gone: Vec::new(), audit_key: None })
    }

    pub(super) fn read(record: &Record) -> Self {
        let entries = |begin: &'static str| record.ids.iter().filter_map(move |id| id.strip_prefix(begin));
        Self {
            version: record.version,
            beginning: record.lineage,
            as_of: Some(record.saved_at).filter(|at| *at != Timestamp::default()),
            of: entries(OF).next().map(Arc::from).unwrap_or_default(),
            gone: entries(GONE).filter_map(RecordName::parse).collect(),
            audit_key: record.fields.get(AUDIT_KEY).cloned(),
        }
    }

    /// Whether the copy was neither begun anew nor completed since it bore `earlier`.
    pub(super) fn is_no_later_than(&self, earlier: &Self) -> bool {
        self.beginning == earlier.beginning && self.as_of == earlier.as_of
    }

    pub(super) fn is_of(&self, store: &str) -> bool {
        &*self.of == store
    }

    /// The commit's part that puts this in the place of `old`.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub(super) fn replacing(&self, old: Option<Version>) -> Result<Change> {
        let version = old.map_or(Ok(self.version), |old| old.next())?;
        let gone = self.gone.iter().map(|name| format!("{GONE}{name}"));
        let mut fields = Fields::new();
        fields.set(AUDIT_KEY, self.audit_key.clone());
        let record = Record {
            name: Self::NAME,
            version,
            fields: Arc::new(fields),
            ids: std::iter::once(format!("{OF}{}", self.of)).chain(gone).map(Arc::from).collect(),
            adopted: Vec::new(),
            lineage: self.beginning,
            longest_life: None,
            first_refresh: None,
            created_at: Timestamp::default(),
            saved_at: self.as_of.unwrap_or_default(),
            writer: Writer::Save,
            lease: None,
        };
        Ok(Change { name: Self::NAME, expected: old, value: Some(Arc::new(record)) })
    }
}
