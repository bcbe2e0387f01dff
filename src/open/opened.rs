//! A vault that is open, with the layers around it.

use std::sync::Arc;

#[cfg(feature = "audit")]
use crate::audit::{
    facts::{Facts, Subject},
    keys::Keys,
    line::Ending,
    recorder::{Recorder, RecorderOptions},
    sink::OpenSink,
};
#[cfg(feature = "audit")]
use crate::backend::audit_key::AuditKeySource;
use crate::backend::file::FileBackend;
use crate::backend::leases::Granter;
#[cfg(feature = "aws")]
use crate::backend::leases::SharedRecords;
use crate::backend::recovery::RecoveryWindow;
#[cfg(feature = "aws")]
use crate::backend::secrets_manager::SecretsManagerBackend;
use crate::clock::{Clock, SystemClock};
#[cfg(feature = "audit")]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::identity::RecordName;
#[cfg(feature = "audit")]
use crate::layer::audit::Audited;
use crate::layer::cache::Cache;
use crate::layer::cache::options::CacheOptions;
use crate::layer::coordinate::{CoordinateOptions, Coordinated};
#[cfg(feature = "provider")]
use crate::layer::fresh::Refresher;
#[cfg(feature = "aws")]
use crate::layer::journal::Journaled;
#[cfg(feature = "audit")]
use crate::layer::measure::Measured;
#[cfg(feature = "audit")]
use crate::metrics::Metrics;
#[cfg(feature = "aws")]
use crate::open::away::{Away, AwayStatus};
use crate::open::parts::Parts;
use crate::operation::{Answer, Context};
#[cfg(feature = "audit")]
use crate::operation::{Operation, Requests};
#[cfg(feature = "provider")]
use crate::provider::Provider;
use crate::store::TokenStore;
use crate::vault::Vault;

/// A vault that is open, and what its backend can do beyond keeping records.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The vault, without the layers around it.
    pub vault: Arc<Vault>,
    store: Arc<dyn TokenStore>,
    /// The same layers but the one that coordinates.
    plain: Arc<dyn TokenStore>,
    /// What all other layers go around.
    base: Arc<dyn TokenStore>,
    cache: Option<Arc<Cache>>,
    /// How readers are coordinated, by what name of this process, and the layer that does it.
    coordination: Option<(Arc<str>, CoordinateOptions)>,
    coordinated: Option<Arc<dyn TokenStore>>,
    #[cfg(feature = "audit")]
    audit_key: Option<Arc<dyn AuditKeySource>>,
    #[cfg(feature = "audit")]
    recorder: Option<Arc<Recorder>>,
    #[cfg(feature = "audit")]
    metrics: Option<Arc<Metrics>>,
    file: Option<Arc<FileBackend>>,
    #[cfg(feature = "aws")]
    aws: Option<Arc<SecretsManagerBackend>>,
    recovery: Option<Arc<dyn RecoveryWindow>>,
    #[cfg(feature = "aws")]
    away: Option<Away>,
}

impl Opened {
    pub(super) fn new(parts: Parts) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let vault = Arc::new(Vault::with_clock(parts.backend, clock));
        #[cfg(feature = "aws")]
        let away = parts.away.map(|away| away.over(&vault));
        #[cfg(feature = "aws")]
        let store: Arc<dyn TokenStore> = away.as_ref().map_or_else(|| Arc::clone(&vault) as _, Away::store);
        #[cfg(not(feature = "aws"))]
        let store: Arc<dyn TokenStore> = Arc::clone(&vault) as _;
        Self {
            store: Arc::clone(&store),
            plain: Arc::clone(&store),
            base: store,
            cache: None,
            coordination: None,
            coordinated: None,
            vault,
            #[cfg(feature = "audit")]
            audit_key: parts.audit_key,
            #[cfg(feature = "audit")]
            recorder: None,
            #[cfg(feature = "audit")]
            metrics: None,
            file: parts.file,
            #[cfg(feature = "aws")]
            aws: parts.aws,
            recovery: parts.recovery,
            #[cfg(feature = "aws")]
            away,
        }
    }

    /// The vault with its layers: what tokens are read and saved through.
    pub fn store(&self) -> &dyn TokenStore {
        &*self.store
    }

    /// The same, to be shared.
    pub fn shared_store(&self) -> Arc<dyn TokenStore> {
        Arc::clone(&self.store)
    }

    /// The vault with its layers but the one of [`coordinated`](Self::coordinated): who only looks takes no lease and waits for
    /// none.
    pub fn uncoordinated(&self) -> &dyn TokenStore {
        &*self.plain
    }

    /// The same, whose finds are answered from memory for a while.
    #[must_use]
    pub fn cached(mut self, options: CacheOptions) -> Self {
        self.cache = Some(Arc::new(Cache::new(Arc::clone(&self.base), options)));
        self.coordinated = self.coordinating();
        self.layered()
    }

    /// The cache, where there is one: for whoever has written past it, and to see what it does.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_deref()
    }

    /// The same, whose readers refresh one at a time. `holder` names this process to people.
    #[must_use]
    pub fn coordinated(mut self, holder: &str, options: CoordinateOptions) -> Self {
        self.coordination = Some((Arc::from(holder), options));
        self.coordinated = self.coordinating();
        self.layered()
    }

    /// What refreshes the tokens by itself, for whoever has no SDK that does: around all layers that were asked for by then.
    ///
    /// # Errors
    /// `InvalidInput` where the readers are not [`coordinated`](Self::coordinated): nothing would say who refreshes.
    #[cfg(feature = "provider")]
    pub fn refresher(&self, provider: Arc<dyn Provider>) -> Result<Refresher> {
        let Some((_, CoordinateOptions { clock, pause, .. })) = &self.coordination else {
            return Err(Error::invalid("nothing says who refreshes the tokens of this vault")
                .with_store(&self.vault)
                .with_hint("ask for `coordinated` before `refresher`"));
        };
        Ok(Refresher::new(self.shared_store(), provider, Arc::clone(clock), Arc::clone(pause)))
    }

    /// With all layers in their order, whichever was asked for first.
    fn layered(mut self) -> Self {
        self.plain = self.told(&self.inner());
        self.store = self.coordinated.as_ref().map_or_else(|| Arc::clone(&self.plain), |store| self.told(store));
        self
    }

    fn inner(&self) -> Arc<dyn TokenStore> {
        self.cache.as_ref().map_or_else(|| Arc::clone(&self.base), |cache| Arc::clone(cache) as _)
    }

    fn coordinating(&self) -> Option<Arc<dyn TokenStore>> {
        let (holder, options) = self.coordination.as_ref()?;
        let backend = Arc::clone(self.vault.backend());
        #[cfg(feature = "aws")]
        let shared = self.aws.clone().map(|aws| aws as Arc<dyn SharedRecords>);
        #[cfg(not(feature = "aws"))]
        let shared = None;
        let granter = Granter::new(backend, shared, Arc::clone(&options.clock));
        #[cfg(feature = "aws")]
        let granter = match self.away.as_ref().and_then(Away::stand_in) {
            Some(stand_in) => granter.with_stand_in(stand_in),
            None => granter,
        };
        Some(Arc::new(Coordinated::new(self.inner(), granter, holder, options.clone())))
    }

    /// With a line for each call, and measured, where that is so.
    fn told(&self, store: &Arc<dyn TokenStore>) -> Arc<dyn TokenStore> {
        let store = Arc::clone(store);
        #[cfg(feature = "audit")]
        let store: Arc<dyn TokenStore> = match &self.recorder {
            Some(recorder) => Arc::new(Audited::new(store, Arc::clone(recorder))),
            None => store,
        };
        #[cfg(feature = "audit")]
        let store: Arc<dyn TokenStore> = match &self.metrics {
            Some(metrics) => Arc::new(Measured::new(store, Arc::clone(metrics))),
            None => store,
        };
        store
    }

    /// The same, where every call leaves a line in `sink`. Asked for twice, the last one counts.
    ///
    /// # Errors
    /// As the backend has them, which keeps the key of the lines; `Unsupported` where it keeps none.
    #[cfg(feature = "audit")]
    pub async fn audited(
        mut self,
        sink: Arc<dyn OpenSink>,
        options: RecorderOptions,
        context: &Context,
    ) -> Result<Self> {
        let requests = Arc::new(Requests::default());
        let keys = self.audit_keys(&context.clone().with_requests(Arc::clone(&requests))).await?;
        let options = RecorderOptions { requests: requests.take(), ..options };
        self.recorder = Some(Arc::new(Recorder::new(sink, keys, options)));
        Ok(self.layered())
    }

    /// The same, where every call is counted and timed: the lines of [`audited`](Self::audited) count as a part of it. Asked for
    /// twice, the last one counts.
    #[cfg(feature = "audit")]
    #[must_use]
    pub fn measured(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self.layered()
    }

    /// What writes the lines, where lines are kept.
    #[cfg(feature = "audit")]
    pub fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.recorder.as_ref()
    }

    /// The keys of the vault's audit trail.
    ///
    /// # Errors
    /// As the backend has them; `Unsupported` where it keeps none.
    #[cfg(feature = "audit")]
    pub async fn audit_keys(&self, context: &Context) -> Result<Keys> {
        Keys::derive(&self.audit_key_source()?.audit_key(context).await?)
    }

    /// The same where the vault has them already: none are made.
    ///
    /// # Errors
    /// As [`audit_keys`](Self::audit_keys).
    #[cfg(feature = "audit")]
    pub async fn existing_audit_keys(&self, context: &Context) -> Result<Option<Keys>> {
        let key = self.audit_key_source()?.existing_audit_key(context).await?;
        key.as_ref().map(Keys::derive).transpose()
    }

    #[cfg(feature = "audit")]
    fn audit_key_source(&self) -> Result<&dyn AuditKeySource> {
        self.audit_key.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "this store keeps no key for an audit trail")
                .with_store(&self.vault)
                .with_hint("unset TOKENVAULT_AUDIT, or keep the vault in a file")
        })
    }

    /// Does what is no operation of a token store, leaves a line where lines are kept, and is measured where calls are.
    ///
    /// # Errors
    /// Those of `work`; those of [`Recorder::record`].
    #[cfg(feature = "audit")]
    pub async fn recorded<T>(
        &self,
        call: (&Context, Operation, Subject<'_>),
        work: impl AsyncFnOnce(&Context) -> Result<T>,
        facts: impl FnOnce(&Result<T>) -> Facts<'_>,
    ) -> Result<T> {
        let begun = self.metrics.as_ref().map(|metrics| metrics.begin(call.1));
        let mut told = (Ending::Ok, None);
        let mut note = |facts: &Facts<'_>| told = (facts.ending, facts.source);
        let result = match &self.recorder {
            Some(recorder) => {
                let record = recorder.record(call, work, |result| {
                    let facts = facts(result);
                    note(&facts);
                    facts
                });
                record.await
            }
            None => {
                let result = work(call.0).await;
                note(&facts(&result));
                result
            }
        };
        if let Some(begun) = begun {
            // Also what the trail refused is an error to whoever called.
            let (ending, source) = result.as_ref().map_or_else(|error| (Ending::of(error.kind()), None), |_| told);
            begun.end(ending, source);
        }
        result
    }

    /// What there is to say of the copy and the journal for the time that the store is out of reach; `None` where it has none.
    /// The store is not called.
    ///
    /// # Errors
    /// As the copy's file and the journal's have them.
    #[cfg(feature = "aws")]
    pub async fn away(&self) -> Result<Option<AwayStatus>> {
        match &self.away {
            Some(away) => away.status().await.map(Some),
            None => Ok(None),
        }
    }

    /// The layer with the journal, where the store has one.
    #[cfg(feature = "aws")]
    pub fn journaled(&self) -> Option<&Journaled> {
        self.away.as_ref().and_then(Away::journaled)
    }

    /// Deletes the token with this id, like the store with its layers. Answers which record that was.
    ///
    /// # Errors
    /// As the store has them; never because nothing matches.
    pub async fn delete_record(&self, context: &Context, id: &str) -> Result<Answer<Option<RecordName>>> {
        let deleted = self.delete_past_cache(context, id).await;
        if let Some(cache) = &self.cache {
            cache.clear();
        }
        deleted
    }

    async fn delete_past_cache(&self, context: &Context, id: &str) -> Result<Answer<Option<RecordName>>> {
        #[cfg(feature = "aws")]
        if let Some(away) = &self.away {
            return away.delete_record(context, id).await;
        }
        self.vault.delete_record(context, id).await
    }

    /// For what goes past the layers to the vault itself: that waits for what is in the journal. A [`cache`](Self::cache) does
    /// not hear of it.
    ///
    /// # Errors
    /// Why not all of that has come to the store.
    #[cfg_attr(not(feature = "aws"), expect(clippy::unused_async, reason = "there is a journal only with AWS"))]
    pub async fn played_back(&self, context: &Context) -> Result<&Arc<Vault>> {
        #[cfg(feature = "aws")]
        if let Some(journaled) = self.journaled() {
            journaled.play_back(context).await?;
        }
        #[cfg(not(feature = "aws"))]
        let _ = context;
        Ok(&self.vault)
    }

    /// The file under the vault, for what only a file can do: key rotation, backup, verification.
    ///
    /// # Errors
    /// `InvalidInput` where the vault is not kept in a file.
    pub fn file(&self) -> Result<&FileBackend> {
        self.file.as_deref().ok_or_else(|| {
            Error::invalid("this store is no file, and only a vault file has this")
                .with_store(&self.vault)
                .with_hint("name a vault file by --store file:PATH")
        })
    }

    /// What brings deleted tokens back, or takes them away for good, where the store keeps them for a while.
    pub fn recovery(&self) -> Option<&dyn RecoveryWindow> {
        self.recovery.as_deref()
    }

    /// The vault in AWS, for what only that can do: another KMS key, verification and repair of its index.
    ///
    /// # Errors
    /// `InvalidInput` where the vault is not kept in AWS.
    #[cfg(feature = "aws")]
    pub fn aws(&self) -> Result<&SecretsManagerBackend> {
        self.aws.as_deref().ok_or_else(|| {
            Error::invalid("this store is not in AWS, and only a vault there has this")
                .with_store(&self.vault)
                .with_hint("name a vault in AWS by --store aws:PREFIX")
        })
    }
}
