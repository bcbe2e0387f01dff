//! Records in AWS Secrets Manager: one secret for each token, and an index in secrets of its own.
//!
//! ```text
//! {prefix}/token/{record}           a token, or the tombstone of one
//! {prefix}/index                    the root of the index
//! {prefix}/index/{epoch}/{digits}   its other pages, once it has been split
//! {prefix}/audit-key                the key of the audit trail, once there is one
//! {prefix}/doctor/{number}          what a doctor tries rights on
//! ```
//! | subject | file |
//! |---|---|
//! | names of secrets | `naming.rs` |
//! | identifiers of versions, compare-and-swap | `version.rs` |
//! | what secrets hold | `value.rs` |
//! | calls, retries, pace, faults | `calls.rs`, `pace.rs`, `fault.rs` |
//! | tokens; what is known of them; old versions in force again | `tokens.rs`; `known.rs`; `set_back.rs`, `labels.rs` |
//! | pages of the index, and writing them | `page.rs`, `index.rs`, `line.rs` (who waits), `edit.rs` |
//! | commits, clearing, what deletions have left | `commit.rs`, `clear.rs`, `left_over.rs` |
//! | what is there; what is wrong with it; mending it; what is lost, in words | `census.rs`; `survey.rs`; `repair.rs`; `lost.rs` |
//! | reading many at once | `batch.rs` |
//! | the vault's KMS key, and a change of it | `vault_key.rs`, `key_change.rs`, `key_report.rs`, `upkeep_calls.rs` |
//! | what is left of deleted tokens | `recovery.rs` |
//! | what the vault is made of; which rights there are | `look.rs`; `rights.rs`, `probe.rs` |
//! | the audit trail's key | `audit_key.rs` |

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;

use crate::backend::secrets_manager::calls::{Asked, Calls};
use crate::backend::secrets_manager::census::Census;
use crate::backend::secrets_manager::commit::Committer;
use crate::backend::secrets_manager::index::Index;
use crate::backend::secrets_manager::key_change::KeyChange;
use crate::backend::secrets_manager::key_report::{KeyReport, Progress};
use crate::backend::secrets_manager::naming::{Prefix, is_kms_key_id};
use crate::backend::secrets_manager::pace::{FIRST_RATE, Pace};
use crate::backend::secrets_manager::page::{Entry, seconds};
use crate::backend::secrets_manager::repair::{Repair, Told};
use crate::backend::secrets_manager::survey::Survey;
use crate::backend::secrets_manager::tokens::{State, Tokens};
use crate::backend::secrets_manager::vault_key::VaultKey;
use crate::backend::{Backend, Candidates, Commit};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::identity::RecordName;
use crate::lookup::LookupKey;
use crate::operation::{Answer, Context};
use crate::pause::{Pause, SystemPause};
use crate::record::Record;

mod age;
mod audit_key;
mod batch;
mod calls;
mod census;
mod clear;
mod commit;
mod edit;
mod fault;
mod host;
mod index;
mod key_change;
pub mod key_report;
mod known;
mod labels;
mod left_over;
mod line;
pub mod look;
mod lost;
pub mod naming;
mod pace;
mod page;
mod probe;
mod recovery;
pub mod repair;
pub mod rights;
mod set_back;
pub mod survey;
mod tokens;
mod upkeep_calls;
mod value;
mod vault_key;
mod version;

/// An entry younger than this may lead to a secret that is being made, or that a read does not show yet.
const YOUNG: Duration = Duration::from_mins(5);

/// How often a secret is looked for that a young entry leads to.
const MAX_LOOKS: u32 = 5;

/// How to keep records in Secrets Manager.
#[derive(Clone, Debug)]
pub struct SecretsManagerOptions {
    /// What the names of all secrets begin with.
    pub prefix: Prefix,
    /// The KMS key of a vault that is made; the account's `aws/secretsmanager` where none is named. One that is there
    /// has a key already, in its index, and is what counts: where another is named, a warning says so.
    pub kms_key_id: Option<String>,
    /// How many days a deleted secret can be restored: 7 to 30.
    pub recovery_days: i64,
    /// How many writes per second to begin with; they rise while they pass, to 50 at most, and halve when one is throttled.
    pub first_rate: f64,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Waits.
    pub pause: Arc<dyn Pause>,
}

impl SecretsManagerOptions {
    /// Under this prefix, with the account's key, a week to restore, and the system's clock.
    pub fn new(prefix: Prefix) -> Self {
        Self {
            prefix,
            kms_key_id: None,
            recovery_days: 7,
            first_rate: FIRST_RATE,
            clock: Arc::new(SystemClock),
            pause: Arc::new(SystemPause),
        }
    }
}

/// A backend over AWS Secrets Manager.
///
/// # Contract
/// As [`Backend`]'s, within what an eventually consistent service can give:
/// - a commit of several records checks all expectations first and then changes the records one by one: where it is
///   broken off, some are changed;
/// - a read that begins after a commit was answered sees that commit through the handle that made it; through another it
///   may come late, for as long as the service needs to show it: nobody is promised more (API reference, ListSecrets);
/// - where an answer was lost, and the record has been deleted since, a commit that took effect may answer `Conflict`.
///
/// # Security
/// Values are encrypted by the service, under a KMS key. Names hold nothing of a token; values of the index hold hashes
/// of user names and tokens, and are as secret as the tokens.
pub struct SecretsManagerBackend {
    prefix: Prefix,
    calls: Arc<Calls>,
    index: Index,
    tokens: Tokens,
}

impl SecretsManagerBackend {
    /// A backend that makes its calls by `client`, whose own retries should be off: they are made here.
    pub fn new(client: Client, options: SecretsManagerOptions) -> Self {
        let SecretsManagerOptions { prefix, kms_key_id, recovery_days, first_rate, clock, pause } = options;
        let pace = Pace::new(clock, pause, first_rate);
        let calls = Arc::new(Calls::new(client, pace, VaultKey::new(kms_key_id), recovery_days));
        let index = Index::new(Arc::clone(&calls), prefix.clone());
        let tokens = Tokens::new(Arc::clone(&calls), prefix.clone());
        Self { prefix, calls, index, tokens }
    }

    /// What the names of its secrets begin with.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Makes a new vault: an index without entries.
    ///
    /// # Errors
    /// `InvalidInput` where there is one.
    pub async fn create(&self, context: &Context) -> Result<Answer<()>> {
        let asked = Asked::new(context);
        self.index.create(&asked, self.calls.key.named().map(str::to_owned)).await?;
        Ok(answer((), asked))
    }

    /// Moves the vault to another KMS key, while it is in use: first the root of the index, so that new tokens come under
    /// the new key, then every page and token, until a pass finds nothing to move. What was broken off is taken up by
    /// calling it again.
    ///
    /// The report says what is under other keys all the same. Those must neither be disabled nor deleted while it has a
    /// current or recoverable value.
    ///
    /// # Errors
    /// `InvalidInput` for what is no id, alias or ARN of a key; `PermissionDenied` where the key cannot be used, with
    /// nothing changed. It needs UpdateSecret, DescribeSecret and ListSecretVersionIds on the prefix, kms:Encrypt on the
    /// new key, and ListSecrets to look for what was deleted.
    pub async fn rotate_key(
        &self,
        context: &Context,
        kms_key_id: &str,
        progress: Progress<'_>,
    ) -> Result<Answer<KeyReport>> {
        if !is_kms_key_id(kms_key_id) {
            return Err(Error::invalid("that is no id, alias or ARN of a KMS key").with_store(self));
        }
        let (index, tokens, prefix) = (&self.index, &self.tokens, &self.prefix);
        let asked = Asked::new(context);
        let change = KeyChange { index, tokens, prefix, key: kms_key_id, progress };
        let report = change.run(&asked).await.map_err(|error| error.with_store(self))?;
        Ok(answer(report, asked))
    }

    /// Holds the index against the secrets, and reads every one of them.
    ///
    /// Needs ListSecrets, whose answer may be five minutes old: what was made within that time is found by the index
    /// alone.
    ///
    /// # Errors
    /// `PermissionDenied` where ListSecrets is not granted. What is wrong with the vault is no error, but in the survey.
    pub async fn verify(&self, context: &Context) -> Result<Answer<Survey>> {
        let asked = Asked::new(context);
        let survey = self.census().survey(&asked).await.map_err(|error| error.with_store(self))?;
        Ok(answer(survey, asked))
    }

    /// Builds the index anew from all of it that reads and from the secrets, while the vault is in use, and answers what
    /// is wrong with it then. It takes ten minutes at the least, since what AWS lists may be five minutes old.
    ///
    /// Dropped or killed at any moment, it leaves a vault that works, or one that says "try again" to writers until the
    /// repair is run anew.
    ///
    /// # Errors
    /// As [`verify`](Self::verify); `Busy` where another repair is under way.
    pub async fn repair(&self, context: &Context, told: Told<'_>) -> Result<Answer<Survey>> {
        let asked = Asked::new(context);
        let repair = Repair { census: self.census(), committer: self.committer(), told };
        let survey = repair.run(&asked).await.map_err(|error| error.with_store(self))?;
        Ok(answer(survey, asked))
    }

    fn census(&self) -> Census<'_> {
        Census { index: &self.index, tokens: &self.tokens, prefix: &self.prefix }
    }

    fn committer(&self) -> Committer<'_> {
        Committer { index: &self.index, tokens: &self.tokens }
    }

    /// The states of the records that these entries lead to. One that is not there is looked for again while it may be
    /// on its way.
    async fn states(&self, asked: &Asked<'_>, entries: &[Entry]) -> Result<HashMap<RecordName, State>> {
        let names: BTreeSet<RecordName> =
            entries.iter().filter(|entry| !self.tokens.is_past(entry)).map(|entry| entry.name).collect();
        let mut states = self.tokens.read_all(asked, names).await?;
        let bound = seconds(self.calls.pace.now()).saturating_sub(u32::try_from(YOUNG.as_secs()).unwrap_or(u32::MAX));
        for look in 0..MAX_LOOKS {
            let is_vacant = |name: &RecordName| matches!(states.get(name), Some(State::Vacant));
            let is_worth_it = |entry: &&Entry| is_vacant(&entry.name) && (look == 0 || entry.asserted_at >= bound);
            let again: BTreeSet<RecordName> = entries.iter().filter(is_worth_it).map(|entry| entry.name).collect();
            if again.is_empty() {
                break;
            }
            self.calls.pace.back_off(look).await;
            states.extend(self.tokens.read_all(asked, again).await?);
        }
        Ok(states)
    }

    /// Which names the entries of a key lead to. Those that are known to lead nowhere go with the next write to the page.
    fn names_of(&self, entries: &[Entry], states: &HashMap<RecordName, State>) -> Vec<RecordName> {
        let mut names = Vec::new();
        for entry in entries {
            match states.get(&entry.name) {
                _ if self.tokens.is_past(entry) => {}
                // Somebody has announced the key for it; so far it has not come to that.
                Some(State::Live(record)) if !record.lookup_keys().contains(&entry.key) => {}
                _ => names.push(entry.name),
            }
        }
        names
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Backend for SecretsManagerBackend {
    /// A name that has no secret was never made or is long gone: names are never used twice. Only a read that comes too
    /// early for a secret just made says the same, so it is repeated.
    async fn read(&self, context: &Context, name: RecordName) -> Result<Answer<Option<Arc<Record>>>> {
        let asked = Asked::new(context);
        let mut state = self.tokens.read(&asked, name).await?;
        if matches!(state, State::Vacant) {
            self.calls.pace.back_off(0).await;
            state = self.tokens.read(&asked, name).await?;
        }
        let record = match state {
            State::Live(record) => Some(record),
            State::Dead | State::Vacant => None,
        };
        Ok(answer(record, asked))
    }

    async fn resolve(&self, context: &Context, keys: &[LookupKey]) -> Result<Answer<Candidates>> {
        let asked = Asked::new(context);
        if keys.is_empty() {
            return Ok(answer(Candidates::default(), asked));
        }
        let entries = self.index.entries(&asked, keys).await?;
        let states = self.states(&asked, &entries.concat()).await?;
        let by_key: Vec<Vec<RecordName>> = entries.iter().map(|entries| self.names_of(entries, &states)).collect();
        let named: BTreeSet<RecordName> = by_key.iter().flatten().copied().collect();
        let live = |name: RecordName| match states.get(&name) {
            Some(State::Live(record)) => Some(Arc::clone(record)),
            _ => None,
        };
        let records = named.into_iter().filter_map(live).collect();
        Ok(answer(Candidates { by_key, records }, asked))
    }

    async fn commit(&self, context: &Context, commit: Commit) -> Result<Answer<()>> {
        let asked = Asked::new(context);
        self.committer().commit(&asked, commit).await?;
        Ok(answer((), asked))
    }

    async fn list(&self, context: &Context) -> Result<Answer<Vec<Arc<Record>>>> {
        let asked = Asked::new(context);
        let leaves = self.index.all_leaves(&asked).await?;
        let entries: Vec<Entry> = leaves.iter().flat_map(|(_, loaded)| loaded.page.entries()).copied().collect();
        let states = self.states(&asked, &entries).await?;
        let live = states.into_values().filter_map(|state| match state {
            State::Live(record) => Some(record),
            State::Dead | State::Vacant => None,
        });
        Ok(answer(live.collect(), asked))
    }

    async fn clear(&self, context: &Context) -> Result<Answer<usize>> {
        let asked = Asked::new(context);
        let count = self.committer().clear(&asked).await?;
        Ok(answer(count, asked))
    }
}

fn answer<T>(value: T, asked: Asked<'_>) -> Answer<T> {
    Answer { request_ids: asked.into_request_ids(), ..Answer::of_store(value) }
}

impl fmt::Display for SecretsManagerBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "aws:{}", self.prefix)
    }
}

impl fmt::Debug for SecretsManagerBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsManagerBackend").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
