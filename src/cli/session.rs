//! What every command works with.

use std::sync::Arc;

use crate::backend::file::KeySource;
use crate::cli::config::Settings;
use crate::cli::key;
use crate::cli::output::Output;
use crate::cli::report::Done;
use crate::error::Result;
use crate::layer::coordinate::CoordinateOptions;
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
        let principal = settings.audit.as_ref().and_then(|audit| audit.principal.clone());
        let principal = principal.unwrap_or_else(|| Arc::from(format!("uid {}", nix::unistd::Uid::current())));
        let caller = format!("tokenvault command line, process {}", std::process::id());
        let context = Context::new().with_principal(principal).with_caller(caller);
        Ok(Self { settings, out, context })
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
        let opened = open::open(store, key, self.settings.lock_wait).await?;
        self.audited(opened).await
    }

    /// Opens the vault that is set, with readers that refresh one at a time.
    pub(super) async fn open_coordinated(&self) -> Result<Opened> {
        let key = || key::of_vault(&self.settings.key);
        let opened = open::open(&self.settings.store, key, self.settings.lock_wait).await?;
        let holder = format!("tokenvault token, process {}", std::process::id());
        self.audited(opened.coordinated(&holder, CoordinateOptions::default())).await
    }

    async fn audited(&self, opened: Opened) -> Result<Opened> {
        match &self.settings.audit {
            Some(audit) => opened.audited(audit.sink(), audit.options(), &self.context).await,
            None => Ok(opened),
        }
    }
}
