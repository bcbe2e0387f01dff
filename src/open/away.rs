//! What a store has for the time that it is out of reach, and what of it there is to say.

use std::path::Path;
use std::sync::Arc;

use crate::backend::fallback::FallbackBackend;
use crate::backend::fallback::journal::lock_file::LockFile;
use crate::backend::fallback::journal::{Journal, JournalStatus};
use crate::backend::leases::StandIn;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::identity::RecordName;
use crate::layer::journal::Journaled;
use crate::layer::unsaved::Unsaved;
use crate::operation::{Answer, Context};
use crate::store::TokenStore;
use crate::vault::Vault;

/// A copy, and a journal where there is one.
pub(super) struct AwayParts {
    pub(super) fallback: Arc<FallbackBackend>,
    pub(super) journal: Option<(Journal, LockFile)>,
    pub(super) is_alone: bool,
}

impl AwayParts {
    /// The lock of a journal's player lies beside it.
    pub(super) fn lock_of(journal: &Path) -> LockFile {
        let mut path = journal.as_os_str().to_owned();
        path.push(".player");
        LockFile::new(path)
    }

    pub(super) fn over(self, vault: &Arc<Vault>) -> Away {
        let Self { fallback, journal, is_alone } = self;
        let (vault, under) = (Arc::clone(vault), Arc::clone(&fallback));
        let layer = match journal {
            Some((journal, place)) => {
                Layer::Journaled(Arc::new(Journaled::new(vault, under, Arc::new(journal), place)))
            }
            None => Layer::Unsaved(Arc::new(Unsaved::new(vault, under))),
        };
        Away { fallback, layer, is_alone }
    }
}

/// The same, around a vault.
#[derive(Clone, Debug)]
pub(super) struct Away {
    fallback: Arc<FallbackBackend>,
    layer: Layer,
    /// It is declared that one process alone uses the store.
    is_alone: bool,
}

#[derive(Clone, Debug)]
enum Layer {
    Unsaved(Arc<Unsaved>),
    Journaled(Arc<Journaled>),
}

/// What there is to say of a store's copy and journal, without a call to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AwayStatus {
    /// Everything in the copy was so at this moment or later. `None`: it is not complete.
    pub copy_as_of: Option<Timestamp>,
    /// How old it may be for an answer.
    pub longest_age: std::time::Duration,
    /// What the journal holds, where there is one.
    pub journal: Option<JournalStatus>,
    /// Tokens that this process keeps until they can be saved.
    pub unsaved: usize,
}

impl Away {
    pub(super) fn store(&self) -> Arc<dyn TokenStore> {
        match &self.layer {
            Layer::Unsaved(layer) => Arc::clone(layer) as _,
            Layer::Journaled(layer) => Arc::clone(layer) as _,
        }
    }

    /// What leases are granted on while the store is out of reach.
    pub(super) fn stand_in(&self) -> Option<Arc<dyn StandIn>> {
        match &self.layer {
            Layer::Journaled(layer) if self.is_alone => Some(Arc::clone(layer) as _),
            _ => None,
        }
    }

    pub(super) fn journaled(&self) -> Option<&Journaled> {
        match &self.layer {
            Layer::Unsaved(_) => None,
            Layer::Journaled(layer) => Some(layer),
        }
    }

    /// Deletes the token with this id as the layer does. Answers which record that was.
    pub(super) async fn delete_record(&self, context: &Context, id: &str) -> Result<Answer<Option<RecordName>>> {
        match &self.layer {
            Layer::Unsaved(layer) => layer.delete_record(context, id).await,
            Layer::Journaled(layer) => layer.delete_record(context, id).await,
        }
    }

    pub(super) async fn status(&self) -> Result<AwayStatus> {
        let (journal, unsaved) = match &self.layer {
            Layer::Unsaved(layer) => (None, layer.unsaved()),
            Layer::Journaled(layer) => (Some(layer.journal().status().await?), layer.unsaved()),
        };
        let longest_age = self.fallback.options().longest_age;
        Ok(AwayStatus { copy_as_of: self.fallback.as_of().await?, longest_age, journal, unsaved })
    }
}
