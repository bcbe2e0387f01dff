//! What every command works with.

use std::sync::{Arc, Mutex, PoisonError};

use crate::audit::keys::Keys;
use crate::audit::recorder::Recorder;
use crate::backend::file::KeySource;
use crate::cli::config::Settings;
use crate::cli::key;
use crate::cli::output::Output;
use crate::cli::report::Done;
use crate::error::Result;
use crate::layer::coordinate::CoordinateOptions;
use crate::metrics::Metrics;
use crate::open::look::{Looked, look};
use crate::open::opened::Opened;
use crate::open::{self, StoreLocation};
use crate::operation::Context;

/// Settings, output, and the context of the operations.
pub(super) struct Session {
    pub(super) settings: Settings,
    pub(super) out: Output,
    pub(super) context: Context,
    /// What has written lines.
    recorders: Mutex<Vec<Arc<Recorder>>>,
}

impl Session {
    pub(super) fn new(settings: Settings) -> Done<Self> {
        let out = Output::stdout(&settings)?;
        let caller = format!("tokenvault command line, process {}", std::process::id());
        let context = Context::new().with_caller(caller);
        Ok(Self { settings, out, context, recorders: Mutex::default() })
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
        self.watched(opened, store).await
    }

    /// Opens the vault that is set to look at it: nothing is made or changed. Where a trail is kept, and the vault has a key for
    /// it already, the look leaves a line.
    pub(super) async fn look(&self) -> Result<Looked> {
        let key = || key::of_vault(&self.settings.key);
        look(&self.settings.store, key, self.settings.lock_wait).await
    }

    /// The keys of the vault's audit trail, for who reads it: the vault is opened as for a look, and `None` where it has none yet.
    pub(super) async fn audit_keys(&self) -> Result<Option<Keys>> {
        self.look().await?.audit_keys(&self.context).await
    }

    /// The same vault, with a line for each call where one can be left without making the trail's key.
    ///
    /// # Errors
    /// As the trail's place has them.
    pub(super) async fn watched_if_keyed(&self, opened: Opened) -> Result<Opened> {
        #[cfg(feature = "aws")]
        if let Ok(aws) = opened.aws()
            && self.settings.audit.is_some()
            && !aws.has_audit_key(&self.context).await?
        {
            return Ok(opened);
        }
        self.watched(opened, &self.settings.store).await
    }

    /// Opens the vault that is set, with readers that refresh one at a time.
    pub(super) async fn open_coordinated(&self) -> Result<Opened> {
        let key = || key::of_vault(&self.settings.key);
        let opened = open::open(&self.settings.store, key, self.settings.lock_wait).await?;
        let holder = format!("tokenvault token, process {}", std::process::id());
        self.watched(opened.coordinated(&holder, CoordinateOptions::default()), &self.settings.store).await
    }

    /// With a line for each call, and with its metrics, as is set.
    async fn watched(&self, opened: Opened, store: &StoreLocation) -> Result<Opened> {
        let opened = self.audited(opened, store).await?;
        Ok(match self.settings.metrics {
            Some(stream) => opened.measured(Arc::new(Metrics::to_stream(stream)?)),
            None => opened,
        })
    }

    async fn audited(&self, opened: Opened, store: &StoreLocation) -> Result<Opened> {
        let Some(audit) = &self.settings.audit else { return Ok(opened) };
        let options = audit.options(store.region()).await;
        let opened = opened.audited(audit.sink().await?, options, &self.context).await?;
        self.recorders.lock().unwrap_or_else(PoisonError::into_inner).extend(opened.recorder().cloned());
        Ok(opened)
    }

    /// Ends the audit trail: a service cannot be waited for when the program is about to end.
    pub(super) async fn finish(&self) {
        let recorders = std::mem::take(&mut *self.recorders.lock().unwrap_or_else(PoisonError::into_inner));
        for recorder in recorders {
            recorder.finish().await;
        }
    }
}
