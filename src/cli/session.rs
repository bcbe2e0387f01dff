//! What every command works with.

use crate::backend::file::KeySource;
use crate::cli::config::Settings;
use crate::cli::key;
use crate::cli::output::Output;
use crate::cli::report::Done;
use crate::error::Result;
use crate::open::{self, Opened, StoreLocation};
use crate::operation::Context;

/// Settings, output, and the context of the operations.
pub(super) struct Session {
    pub(super) settings: Settings,
    pub(super) out: Output,
    pub(super) context: Context,
}

impl Session {
    pub(super) fn new(settings: Settings) -> Done<Self> {
        let out = Output::stdout(&settings)?;
        Ok(Self { settings, out, context: Context::new().with_principal("tokenvault command line") })
    }

    /// Opens the vault that is set, asking for its passphrase where none is named.
    pub(super) async fn open(&self) -> Result<Opened> {
        self.open_at(&self.settings.store, || key::of_vault(&self.settings.key)).await
    }

    /// Opens another one.
    pub(super) async fn open_at(
        &self,
        store: &StoreLocation,
        key: impl FnOnce() -> Result<KeySource>,
    ) -> Result<Opened> {
        open::open(store, key, self.settings.lock_wait).await
    }
}
