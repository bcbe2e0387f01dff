//! Opening a store to look at it: itself, without a copy beside it, and what that copy says.

use std::time::Duration;

#[cfg(feature = "audit")]
use crate::audit::keys::Keys;
use crate::backend::file::KeySource;
#[cfg(all(feature = "audit", feature = "aws"))]
use crate::error::ErrorKind;
use crate::error::Result;
#[cfg(feature = "aws")]
use crate::open::fallback::{self, CopyState};
use crate::open::opened::Opened;
#[cfg(feature = "aws")]
use crate::open::parts::Parts;
use crate::open::{StoreLocation, open};
#[cfg(feature = "audit")]
use crate::operation::Context;

/// A store that is looked at.
#[derive(Debug)]
#[non_exhaustive]
pub struct Looked {
    /// The store itself. Its copy, if it has one, neither answers for it nor follows it.
    pub opened: Opened,
    /// The copy that is fallen back on, and the journal beside it, where the location names them.
    #[cfg(feature = "aws")]
    pub copy: Option<CopyState>,
}

#[cfg(feature = "audit")]
impl Looked {
    /// The keys of the vault's audit trail, where it has them; where the store is out of reach, those that its copy has. None
    /// are made.
    ///
    /// # Errors
    /// As the store has them.
    pub async fn audit_keys(&self, context: &Context) -> Result<Option<Keys>> {
        match self.opened.existing_audit_keys(context).await {
            #[cfg(feature = "aws")]
            Err(error) if error.kind() == ErrorKind::Unavailable => match &self.copy {
                Some(copy) => copy.audit_key().await?.as_ref().map(Keys::derive).transpose()?.map(Some).ok_or(error),
                None => Err(error),
            },
            found => found,
        }
    }
}

/// Opens the store at `location` without making or changing anything, also not the copy that is fallen back on. `key` is asked
/// for where the store, or its copy, has one.
///
/// # Errors
/// As [`open`] has them. What is wrong with the copy is in what is found of it.
pub async fn look(
    location: &StoreLocation,
    key: impl FnOnce() -> Result<KeySource>,
    lock_wait: Duration,
) -> Result<Looked> {
    #[cfg(feature = "aws")]
    if let StoreLocation::Aws(aws) = location {
        let reached = aws.reach().await.map_err(|error| error.with_store(location))?;
        let copy = fallback::look(aws, &reached.address, key, lock_wait).await;
        return Ok(Looked { opened: Opened::new(Parts::of_aws(reached.backend)), copy });
    }
    Ok(Looked {
        opened: open(location, key, lock_wait).await?,
        #[cfg(feature = "aws")]
        copy: None,
    })
}
