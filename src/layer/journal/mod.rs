//! What the store cannot take while it is out of reach goes into a journal, is acknowledged from there, and played back.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Mutex as Turn;

use crate::backend::Backend;
use crate::backend::fallback::FallbackBackend;
use crate::backend::fallback::journal::Journal;
use crate::backend::fallback::journal::overlay::Overlay;
use crate::backend::fallback::journal::overlay::appending::brings_secrets;
use crate::backend::fallback::journal::player::PlayerPlace;
use crate::backend::fallback::journal::state::State;
use crate::backend::fallback::options::FallbackOptions;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::identity::RecordName;
use crate::layer::journal::standing::Standing;
use crate::layer::kept::{Attempt, Queue, locked};
use crate::lookup::{LookupKey, LookupKind};
use crate::matching;
use crate::operation::{Answer, Context, Source};
use crate::pause::within;
use crate::store::{Saved, TokenStore};
use crate::token::OAuthToken;
use crate::vault::Vault;
use crate::vault::begun::Begun;

mod alone;
mod playing;
mod standing;
mod strays;

/// A vault over a store with a copy and a journal, as callers see it.
///
/// # What it promises
/// - **Writes** that the store fails in a passing way ([`Retry::Later`]), or does not answer in time, go into the journal and
///   are durable there before they are acknowledged, marked as [`Source::Journal`]. Whatever is refused is refused: no right,
///   no key, no token that can be stored.
/// - **Reads** may be answered by the copy ([`FallbackBackend`] says when), with what is in the journal over it, for every process
///   that has it. A refusal of the store stands.
/// - **In order.** Each later operation plays back first what is in the journal, one process at a time. What is behind an entry
///   waits for it, or goes into the journal as well.
/// - **By the rules.** An entry whose record nobody has written meanwhile becomes what was acknowledged. Else the rules of
///   base and sign-in decide, a deletion holds for the sign-in that it saw, and one of all tokens for what there was then.
///   What does not stand is kept in the journal for 30 days.
/// - **Killed** at any moment, nothing that was acknowledged is lost, and nothing is made twice.
pub struct Journaled {
    inner: Arc<Vault>,
    fallback: Arc<FallbackBackend>,
    journal: Arc<Journal>,
    place: Box<dyn PlayerPlace>,
    turn: Turn<()>,
    /// What neither the store nor the journal took. Of this process, wiped with it.
    strays: Mutex<Queue>,
    trying: Turn<()>,
}

impl Journaled {
    /// Over `inner`, a vault over `fallback`. `place` is taken by whichever process plays `journal` back.
    pub fn new(
        inner: Arc<Vault>,
        fallback: Arc<FallbackBackend>,
        journal: Arc<Journal>,
        place: impl PlayerPlace + 'static,
    ) -> Self {
        let (place, turn, strays, trying) = (Box::new(place), Turn::new(()), Mutex::default(), Turn::new(()));
        Self { inner, fallback, journal, place, turn, strays, trying }
    }

    /// The journal.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Plays back all that is in the journal: for whoever goes past this layer then.
    ///
    /// # Errors
    /// Why not all of it has come to the store.
    pub async fn play_back(&self, context: &Context) -> Result<()> {
        match self.play(context, true).await? {
            Standing::Empty => Ok(()),
            Standing::Waiting(error) | Standing::Blocked(error) => {
                Err(error.with_hint("the journal holds writes that go first; try again when the store is in reach"))
            }
        }
    }

    /// Deletes the token with this id. Answers which record that was.
    ///
    /// # Errors
    /// As the store has them; never because nothing matches.
    pub async fn delete_record(&self, context: &Context, id: &str) -> Result<Answer<Option<RecordName>>> {
        let standing = self.begin(context, None).await?;
        let meant = self.meant(context, id).await;
        let answer = self.delete_behind(context, id, standing).await?;
        locked(&self.strays).forget(id, meant.as_deref());
        Ok(answer)
    }

    async fn delete_behind(
        &self,
        context: &Context,
        id: &str,
        standing: Standing,
    ) -> Result<Answer<Option<RecordName>>> {
        let cause = match standing {
            Standing::Waiting(error) => error,
            Standing::Blocked(error) if self.concerns(&OAuthToken::new().with_id(id)).await? => return Err(error),
            _ => match self.in_time(self.inner.delete_record(context, id)).await {
                Err(error) if error.retry() == Retry::Later => error,
                outcome => return outcome,
            },
        };
        let answer = self.offline().delete_record(context, id).await?;
        if answer.value.is_none() && !self.is_known_gone(RecordName::parse(id)).await? {
            // That the copy has none says nothing.
            return Err(cause);
        }
        Ok(of_journal(answer.value))
    }

    fn options(&self) -> &FallbackOptions {
        self.fallback.options()
    }

    /// By the vault's rules over what the journal and the copy have: a deletion becomes an entry.
    fn offline(&self) -> Vault {
        self.vault_over(&Arc::new(Overlay::of_writer(&self.fallback, &self.journal, (None, None))))
    }

    fn vault_over(&self, overlay: &Arc<Overlay>) -> Vault {
        Vault::with_clock(Arc::clone(overlay) as Arc<dyn Backend>, Arc::clone(&self.options().clock))
    }

    async fn in_time<T>(&self, asked: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let in_time = within(&*self.options().pause, self.options().first_wait, asked).await;
        in_time.unwrap_or_else(|| {
            self.fallback.note_failure();
            Err(self.fallback.no_answer())
        })
    }

    /// Saves a token in the store, or in the journal where the store is out of reach: as one sign-in, whichever of the two took it
    /// unheard.
    async fn write(
        &self,
        context: &Context,
        token: &mut OAuthToken,
        begun: Begun,
        standing: &Standing,
    ) -> Result<Answer<Saved>> {
        let mut own = token.clone();
        let cause = match standing {
            Standing::Waiting(error) => error.again(),
            Standing::Blocked(error) if self.concerns(token).await.map_err(|error| self.untaken(error))? => {
                return Err(error.again());
            }
            _ => match self.in_time(self.inner.save_begun(context, &mut own, begun)).await {
                Err(error) if error.retry() == Retry::Later => error,
                outcome => {
                    *token = own;
                    return outcome;
                }
            },
        };
        let written = self.write_offline(context, token, begun).await;
        written.map_err(|error| self.untaken(error))?.ok_or(cause)
    }

    /// Saves a token in the journal; `None` where its record is not there, and is not known to be deleted.
    async fn write_offline(
        &self,
        context: &Context,
        token: &mut OAuthToken,
        begun: Begun,
    ) -> Result<Option<Answer<Saved>>> {
        let overlay = Overlay::of_writer(&self.fallback, &self.journal, (Some(token.clone()), begun.kept_since));
        let (overlay, mut own) = (Arc::new(overlay), token.clone());
        match self.vault_over(&overlay).save_begun(context, &mut own, begun).await {
            Ok(answer) => {
                if overlay.is_withheld() && !brings_secrets(token.fields(), own.fields()) {
                    token.set_id(own.id());
                } else {
                    *token = own;
                }
                Ok(Some(of_journal(answer.value)))
            }
            Err(error) if error.kind() == ErrorKind::Gone => {
                let names = begun.names().chain(token.base().map(|base| base.record));
                let is_known = self.is_known_gone(names.chain(token.id().and_then(RecordName::parse))).await?;
                if is_known { Err(error) } else { Ok(None) }
            }
            Err(error) => Err(error),
        }
    }

    /// What the journal said to a save: whatever it is, trying again may help once the disk is mended, and a refresh token may be spent.
    fn untaken(&self, cause: Error) -> Error {
        if cause.retry() == Retry::Later || cause.is_final() { cause } else { self.unwritable(cause) }
    }

    /// Whether the journal says that a token is deleted, by itself or among all that were seen then; or the copy, that it was.
    async fn is_known_gone(&self, names: impl IntoIterator<Item = RecordName> + Send) -> Result<bool> {
        let cleared = self.journal.clearings(&self.journal.mark().await?).await?;
        let names: Vec<RecordName> = names.into_iter().collect();
        for name in names {
            let is_cleared = cleared.iter().any(|(_, clearing)| clearing.seen.contains_key(&name));
            let is_gone = is_cleared || self.fallback.is_gone(name).await;
            if is_gone || matches!(self.journal.state(name).await?, Some(State::Deleted { .. })) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an entry of the journal is of the token's record.
    async fn concerns(&self, token: &OAuthToken) -> Result<bool> {
        let names = token.base().map(|base| base.record).into_iter().chain(token.id().and_then(RecordName::parse));
        for name in names {
            if self.journal.state(name).await?.is_some() {
                return Ok(true);
            }
        }
        let mut keys = matching::keys(token.fields());
        keys.extend(token.id().map(|id| LookupKey::new(LookupKind::Id, id)));
        Ok(self.journal.mark().await?.has_clear() || !self.journal.resolve(&keys).await?.is_empty())
    }

    /// Whether a token is the journal's.
    async fn has(&self, token: &OAuthToken) -> Result<bool> {
        let Some(base) = token.base() else { return Ok(false) };
        Ok(self.journal.state(base.record).await?.is_some())
    }

    /// For a read, once the journal was played back as far as it goes; `None` where there is nothing in it. An answer of the copy
    /// is then to be looked for again beside the journal: a write may have gone there since.
    async fn reader(&self, context: &Context) -> Result<Option<(Arc<Overlay>, Vault)>> {
        if matches!(self.begin(context, Some(self.options().first_wait)).await?, Standing::Empty) {
            return Ok(None);
        }
        Ok(Some(self.read_over()))
    }

    /// What is in the journal over the store, or over its copy.
    fn read_over(&self) -> (Arc<Overlay>, Vault) {
        let overlay = Arc::new(Overlay::of_reader(&self.fallback, &self.journal));
        let vault = self.vault_over(&overlay);
        (overlay, vault)
    }

    /// That something was not found, where only the journal was asked, says nothing.
    fn missing(&self, overlay: &Overlay) -> Result<()> {
        if overlay.is_partial() { Err(self.fallback.no_answer()) } else { Ok(()) }
    }
}

fn of_journal<T>(value: T) -> Answer<T> {
    Answer { source: Source::Journal, ..Answer::of_store(value) }
}

impl fmt::Display for Journaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

impl fmt::Debug for Journaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journaled").field("inner", &self.inner).field("journal", &self.journal).finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TokenStore for Journaled {
    async fn find_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<bool>> {
        let reading = context.clone().accepting_copy();
        let mut own = token.clone();
        let (overlay, vault) = match self.reader(context).await? {
            Some(reader) => reader,
            None => {
                let answer = self.inner.find_token(&reading, &mut own).await?;
                if answer.source != Source::Fallback {
                    *token = own;
                    return Ok(answer);
                }
                own = token.clone();
                self.read_over()
            }
        };
        let answer = vault.find_token(&reading, &mut own).await?;
        if !answer.value {
            return self.missing(&overlay).map(|()| answer);
        }
        let source = if self.has(&own).await? { Source::Journal } else { answer.source };
        *token = own;
        Ok(Answer { source, ..answer })
    }

    async fn find_token_by_id(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        let reading = context.clone().accepting_copy();
        let (overlay, vault) = match self.reader(context).await? {
            Some(reader) => reader,
            None => {
                let answer = self.inner.find_token_by_id(&reading, id).await?;
                if answer.source != Source::Fallback {
                    return Ok(answer);
                }
                self.read_over()
            }
        };
        let Answer { value, source, request_ids } = vault.find_token_by_id(&reading, id).await?;
        let Some(token) = value else {
            self.missing(&overlay)?;
            return Ok(Answer { value: None, source, request_ids });
        };
        let source = if self.has(&token).await? { Source::Journal } else { source };
        Ok(Answer { value: Some(token), source, request_ids })
    }

    async fn save_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<Saved>> {
        let attempt = Attempt::begin(&self.strays, token, self.options().clock.now());
        let outcome = async {
            let standing = self.begin(context, Some(self.options().first_wait)).await;
            let standing = standing.map_err(|error| self.untaken(error))?;
            self.write(context, token, attempt.begun(), &standing).await
        }
        .await;
        let hint = "the token is kept in this process while it runs, which tries to save it at each later operation; once it has ended, save it again";
        attempt.end(outcome, || self.offline(), hint).await
    }

    async fn delete_token(&self, context: &Context, id: &str) -> Result<Answer<bool>> {
        Ok(self.delete_record(context, id).await?.map(|record| record.is_some()))
    }

    async fn get_tokens(&self, context: &Context) -> Result<Answer<Vec<Arc<OAuthToken>>>> {
        let reading = context.clone().accepting_copy();
        let Some((_, vault)) = self.reader(context).await? else {
            return self.inner.get_tokens(&reading).await;
        };
        let mut answer = vault.get_tokens(&reading).await?;
        for token in &answer.value {
            if self.has(token).await? {
                answer.source = Source::Journal;
            }
        }
        Ok(answer)
    }

    async fn delete_tokens(&self, context: &Context) -> Result<Answer<usize>> {
        let answer = match self.begin(context, None).await? {
            Standing::Blocked(error) => return Err(error),
            Standing::Waiting(_) => None,
            // However long that takes: what is broken off would be acknowledged, and be begun anew by each play-back.
            Standing::Empty => match self.inner.delete_tokens(context).await {
                Err(error) if error.retry() == Retry::Later => None,
                outcome => Some(outcome?),
            },
        };
        let answer = match answer {
            Some(answer) => answer,
            None => of_journal(self.offline().delete_tokens(context).await?.value),
        };
        locked(&self.strays).clear();
        Ok(answer)
    }
}
