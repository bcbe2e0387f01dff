//! Which of the rights that a vault needs the caller has: each is used once, on a secret of the doctor's own.

use crate::backend::secrets_manager::calls::Asked;
use crate::backend::secrets_manager::fault::{Fault, FaultKind};
use crate::backend::secrets_manager::probe::{Placed, Probe, Prober, full};
use crate::backend::secrets_manager::value::{Head, Writes};
use crate::backend::secrets_manager::version::VersionId;
use crate::backend::secrets_manager::{SecretsManagerBackend, answer};
use crate::error::{Error, ErrorKind, Result};
use crate::operation::{Answer, Context};

/// Who needs a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Everybody who uses the vault.
    Always,
    /// Who verifies, repairs, purges, or moves it to another KMS key.
    Operator,
    /// Nobody: it makes something faster.
    Faster,
}

/// What came of using a right.
#[derive(Debug)]
pub enum Came {
    /// It is there. `Some`: it was not used for real, but AWS got as far as saying what else is in the way.
    Granted(Option<&'static str>),
    /// AWS refused.
    Refused(Error),
    /// It could not be tried.
    NotTried(Error),
}

/// A right, and what came of using it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Trial {
    /// The action, as policies name it.
    pub action: &'static str,
    /// On what it is needed.
    pub resource: String,
    /// What for.
    pub purpose: &'static str,
    /// By whom.
    pub need: Need,
    /// What came of it.
    pub came: Came,
    /// Whether it could not be tried just now, and nothing is known to stand in its way.
    pub is_put_off: bool,
}

/// All that was tried.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Rights {
    /// In the order in which they were tried.
    pub trials: Vec<Trial>,
    /// Where AWS took no credentials, or could not be asked: then nothing else was tried.
    pub unasked: Option<Error>,
    /// How many secrets were found that doctors who were broken off had left, and are deleted.
    pub left_overs: usize,
    /// A secret of a doctor that could not be deleted: this one's own, or a leftover.
    pub left: Option<String>,
}

/// Action, need, purpose.
type Right = (&'static str, Need, &'static str);

const CREATE: Right = ("secretsmanager:CreateSecret", Need::Always, "sign-ins, and pages of the index");
const GET: Right = ("secretsmanager:GetSecretValue", Need::Always, "every read");
const PUT: Right = ("secretsmanager:PutSecretValue", Need::Always, "every save, delete and lease");
const DESCRIBE: Right = (
    "secretsmanager:DescribeSecret",
    Need::Always,
    "what deleted tokens leave in the index, and old versions that are back in force",
);
const DELETE: Right = ("secretsmanager:DeleteSecret", Need::Always, "log-outs");
const RESTORE: Right = ("secretsmanager:RestoreSecret", Need::Always, "undelete");
const BATCH: Right = ("secretsmanager:BatchGetSecretValue", Need::Faster, "list and delete-all, faster where granted");
const UPDATE: Right = ("secretsmanager:UpdateSecret", Need::Operator, "rotate-key");
const VERSIONS: Right = ("secretsmanager:ListSecretVersionIds", Need::Operator, "rotate-key");
const LIST: Right = ("secretsmanager:ListSecrets", Need::Operator, "verify, and what was deleted before");
const PURGE: Right = ("secretsmanager:DeleteSecret without a recovery window", Need::Operator, "--purge");
const DATA_KEY: Right = ("kms:GenerateDataKey", Need::Always, "every write");
const DECRYPT: Right = ("kms:Decrypt", Need::Always, "every read");

/// What is said of a right that was used on a name without a secret.
const NAMELESS: &str = "tried on a name that is not there";

/// What is said where the name is taken for which a secret was to be made.
const NAME_TAKEN: &str = "AWS says that the doctor's name is taken, and does not refuse";

/// What is tried, and what came of it so far.
struct Trying<'a> {
    prober: Prober<'a>,
    rights: Rights,
    /// Whether the doctor's secret is deleted.
    is_gone: bool,
    /// Whether a name for one is free in a moment.
    is_early: bool,
    written: Option<Result<(), Error>>,
    read: Option<Result<(), Error>>,
}

impl SecretsManagerBackend {
    /// Uses every right that the vault needs, once, on a secret `{prefix}/doctor/{number}` that is made for it under
    /// `kms_key_id` and deleted at the end; no token is touched. Without the right to delete for good it stays scheduled
    /// for deletion, and costs nothing. 12 calls, 9 of them paced as writes, and 7 reads to look for
    /// leftovers.
    ///
    /// Dropped or killed at any moment it leaves that secret at most, which the next one takes away.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give. What AWS refuses is no error, but in the answer.
    pub async fn try_rights(&self, context: &Context, kms_key_id: Option<&str>) -> Result<Answer<Rights>> {
        let asked = Asked::new(context);
        let prober = Prober { backend: self, asked, kms_key_id, found: 0, stuck: None, restored: None };
        let mut trying =
            Trying { prober, rights: Rights::default(), is_gone: false, is_early: false, written: None, read: None };
        trying.run().await?;
        let Trying { prober, mut rights, .. } = trying;
        rights.left_overs = prober.found;
        rights.left = rights.left.or(prober.stuck);
        Ok(answer(rights, prober.asked))
    }

    /// The Region that is asked.
    pub fn region(&self) -> Option<String> {
        self.calls.client.config().region().map(ToString::to_string)
    }

    /// The KMS key that new secrets of a vault come under where its index cannot be read.
    pub fn named_key(&self) -> Option<&str> {
        self.calls.key.named()
    }
}

impl Trying<'_> {
    async fn run(&mut self) -> Result<()> {
        let probe = self.placed().await?;
        if self.rights.unasked.is_some() {
            return Ok(());
        }
        match &probe {
            Some(probe) => self.use_each(&probe.secret, &probe.head).await,
            // AWS says first whether the caller may do what is asked, then that there is no such secret.
            None => {
                let held = Head { sequence: 0, id: VersionId::told(NOBODYS), writes: Writes::default() };
                self.use_each(&self.prober.nowhere(), &held).await;
            }
        }
        if let Some(probe) = &probe
            && !self.is_gone
        {
            self.rights.left = Some(probe.secret.clone());
        }
        if self.rights.unasked.is_none() {
            self.prober.sweep(probe.as_ref().map(|probe| &*probe.secret)).await;
        }
        self.of_key();
        Ok(())
    }

    /// The secret to try rights on, where there can be one.
    async fn placed(&mut self) -> Result<Option<Probe>> {
        Ok(match self.prober.place().await? {
            Placed::New(probe) => {
                _ = self.note(CREATE, Ok(()));
                Some(probe)
            }
            Placed::Found(probe) => {
                self.add(CREATE, Came::Granted(Some(NAME_TAKEN)));
                Some(probe)
            }
            Placed::Not(fault) => {
                _ = self.note(CREATE, Err(fault));
                None
            }
            Placed::Full { is_purged } => {
                self.add(CREATE, Came::Granted(Some(NAME_TAKEN)));
                self.is_early = is_purged;
                self.written = Some(Err(full(is_purged)));
                self.read = is_purged.then(|| Err(full(is_purged)));
                None
            }
        })
    }

    /// Uses each right on this secret, whose value `held` is, and takes it away by every right that there is for it.
    async fn use_each(&mut self, secret: &str, held: &Head) {
        let is_there = held.sequence > 0;
        self.attempt(GET, async |prober| match is_there {
            true => prober.read_back(secret).await,
            false => prober.get(secret).await.map(drop),
        })
        .await;
        self.attempt(PUT, async |prober| prober.put(secret, held).await).await;
        self.attempt(DESCRIBE, async |prober| prober.describe(secret).await).await;
        self.attempt(BATCH, async |prober| prober.batch(secret).await).await;
        self.attempt(LIST, async |prober| prober.list().await).await;
        self.attempt(VERSIONS, async |prober| prober.list_versions(secret).await).await;
        self.attempt(UPDATE, async |prober| prober.update(secret).await).await;
        self.is_gone = self.attempt(DELETE, async |prober| prober.delete(secret).await).await;
        match self.prober.restored.take() {
            Some(restored) => _ = self.note(RESTORE, restored),
            // Where it could not be deleted there is nothing to bring back, and AWS says so or refuses.
            None => {
                if self.attempt(RESTORE, async |prober| prober.restore(secret).await).await && self.is_gone {
                    let again = self.prober.delete(secret).await;
                    self.is_gone = again.is_ok();
                    self.rights.unasked = again.err().filter(Fault::is_away).map(Fault::explained);
                }
            }
        }
        // Of what is not there AWS says that it is deleted.
        self.is_gone |= self.attempt(PURGE, async |prober| prober.purge(secret).await).await;
    }

    /// Answers whether AWS did it.
    async fn attempt(&mut self, right: Right, ask: impl AsyncFnOnce(&Prober<'_>) -> Result<(), Fault>) -> bool {
        if self.rights.unasked.is_some() {
            self.add(right, Came::NotTried(untried()));
            return false;
        }
        let outcome = ask(&self.prober).await;
        self.note(right, outcome)
    }

    /// What KMS was asked on the way.
    fn of_key(&mut self) {
        for (right, seen) in [(DATA_KEY, self.written.take()), (DECRYPT, self.read.take())] {
            let came = match seen {
                Some(Ok(())) => Came::Granted(None),
                Some(Err(error)) if error.kind() == ErrorKind::PermissionDenied => Came::Refused(error),
                Some(Err(error)) => Came::NotTried(error),
                None => Came::NotTried(untried()),
            };
            self.add(right, came);
        }
    }

    fn note(&mut self, right: Right, outcome: Result<(), Fault>) -> bool {
        let is_done = outcome.is_ok();
        let (is_write, is_read) = ([CREATE, PUT].contains(&right), right == GET);
        let came = match outcome {
            Ok(()) => {
                self.written = if is_write { Some(Ok(())) } else { self.written.take() };
                self.read = if is_read { Some(Ok(())) } else { self.read.take() };
                Came::Granted(None)
            }
            Err(fault) if fault.is_away() => {
                self.rights.unasked = Some(fault.explained());
                Came::NotTried(untried())
            }
            Err(fault) => match fault.kind {
                FaultKind::Denied => Came::Refused(fault.explained()),
                // AWS asks KMS once it has found that the caller may do what is asked.
                FaultKind::Kms => {
                    let seen = if is_read { &mut self.read } else { &mut self.written };
                    *seen = Some(Err(fault.explained()));
                    Came::Granted(None)
                }
                FaultKind::NotFound | FaultKind::Doomed | FaultKind::Exists => Came::Granted(Some(NAMELESS)),
                _ => Came::NotTried(fault.explained()),
            },
        };
        self.add(right, came);
        is_done
    }

    fn add(&mut self, (action, need, purpose): Right, came: Came) {
        let prefix = &self.prober.backend.prefix;
        let resource = match action {
            _ if [BATCH.0, LIST.0].contains(&action) => "*".to_owned(),
            _ if action.starts_with("kms:") => {
                self.prober.kms_key_id.unwrap_or("aws/secretsmanager, the account's own").to_owned()
            }
            _ => format!("{prefix}/*"),
        };
        let is_put_off = self.is_early && action.starts_with("kms:") && matches!(came, Came::NotTried(_));
        self.rights.trials.push(Trial { action, resource, purpose, need, came, is_put_off });
    }
}

/// A version that was never made.
const NOBODYS: &str = "00000000-0000-0000-0000-000000000000";

fn untried() -> Error {
    Error::new(ErrorKind::Unavailable, "what it takes to try it was refused, or was not answered")
        .with_hint("see to the others first, then run doctor again")
}
