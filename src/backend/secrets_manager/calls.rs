//! The calls to Secrets Manager, one by one: paced, tried again where that is safe, and told in our words.
//!
//! The SDK's own retries are off. It cannot tell a repeated write from a first one, and only a first one's success says
//! that the version is the current one; and it takes a full secret for throttling.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::RequestId;
use aws_sdk_secretsmanager::primitives::{Blob, DateTime};
use zeroize::Zeroizing;

use crate::backend::secrets_manager::fault::{Fault, FaultKind};
use crate::backend::secrets_manager::host::Host;
use crate::backend::secrets_manager::pace::Pace;
use crate::backend::secrets_manager::vault_key::VaultKey;
use crate::backend::secrets_manager::version::VersionId;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::operation::Context;

/// How often a call is made that was throttled, or that no answer came to.
const MAX_ATTEMPTS: u32 = 8;

/// Batches a second: half of what the service takes of an account (user guide, Quotas: 100). They are not counted among the writes.
const BATCHES: f64 = 50.0;

/// How often a call is made that never got as far as a connection, or that something else answered, by who has had no
/// answer from the service at all: a wrong endpoint or Region is told at once.
const MAX_CONNECTS: u32 = 4;

/// No further connection is tried after this long, by who has had no answer yet.
const CONNECTING: Duration = Duration::from_secs(2);

/// The largest value that the service takes, in bytes (API reference, SecretBinary).
pub(super) const MAX_VALUE: usize = 65_536;

/// A value's bytes, wiped when dropped.
pub(super) type Bytes = Zeroizing<Vec<u8>>;

/// One operation of ours: who asks and until when, and the requests that it came to.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    context: &'a Context,
    request_ids: Mutex<Vec<String>>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self { context, request_ids: Mutex::default() }
    }

    fn note(&self, id: Option<&str>) {
        if let Some(id) = id {
            if let Some(requests) = self.context.requests() {
                requests.add(id);
            }
            self.request_ids.lock().unwrap_or_else(PoisonError::into_inner).push(id.to_owned());
        }
    }

    pub(super) fn is_under_lease(&self) -> bool {
        self.context.is_under_lease()
    }

    pub(super) fn into_request_ids(self) -> Vec<String> {
        self.request_ids.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A version's value.
pub(super) struct Value {
    pub(super) id: VersionId,
    pub(super) bytes: Bytes,
    /// When it was written, by the service's clock.
    pub(super) written: Option<Timestamp>,
}

/// What is under a name.
pub(super) enum Found {
    Value(Value),
    Absent,
    /// A secret that is scheduled for deletion.
    Doomed,
}

/// What came of writing a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is the current version.
    Done,
    /// It was written, at this attempt or an earlier one, and may have been replaced since.
    Before,
    /// The version exists with another value, or the name is taken.
    Refused,
    Absent,
    Doomed,
}

/// Which of a secret's versions is meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which<'a> {
    Current,
    Previous,
    Exactly(&'a VersionId),
}

/// A secret's first version, and the KMS key that the secret is to be under.
#[derive(Clone, Copy, Debug)]
pub(super) struct First<'a> {
    pub(super) id: &'a VersionId,
    pub(super) bytes: &'a Bytes,
    pub(super) kms_key_id: Option<&'a str>,
}

/// What came of a call: the answer, and how many attempts went without one before. Of a write, each of them may have taken
/// effect.
type Asking<T> = Result<(T, u32), Fault>;

#[derive(Debug)]
pub(super) struct Calls {
    pub(super) client: Client,
    host: Host,
    pub(super) pace: Pace,
    /// Of batches.
    pub(super) batches: Pace,
    pub(super) recovery_days: i64,
    pub(super) key: VaultKey,
    /// Whether the service has ever answered.
    is_reached: AtomicBool,
    /// Asked for until it is refused, once in the life of a handle.
    is_batch_refused: AtomicBool,
    /// The same of looks at what others have deleted.
    pub(super) is_look_refused: AtomicBool,
}

impl Calls {
    pub(super) fn new(client: Client, pace: Pace, key: VaultKey, recovery_days: i64) -> Self {
        let [is_reached, is_batch_refused, is_look_refused] = <[AtomicBool; 3]>::default();
        let host = Host::default();
        let (client, batches) = (host.noting(&client), pace.beside(BATCHES));
        Self { client, host, pace, batches, recovery_days, key, is_reached, is_batch_refused, is_look_refused }
    }

    /// What an error says of where was asked.
    pub(super) fn place(&self) -> String {
        self.host.said(self.client.config())
    }

    /// Whether many secrets may be read in a call, as far as is known.
    pub(super) fn are_batches_granted(&self) -> bool {
        !self.is_batch_refused.load(Ordering::Relaxed)
    }

    pub(super) fn refuse_batches(&self) {
        if !self.is_batch_refused.swap(true, Ordering::Relaxed) {
            tracing::debug!("BatchGetSecretValue is not granted, or does not work: reading secrets one by one");
        }
    }

    /// Reads a version.
    pub(super) async fn get(&self, asked: &Asked<'_>, secret: &str, which: Which<'_>) -> Result<Found> {
        let call = || {
            let call = self.client.get_secret_value().secret_id(secret);
            match which {
                Which::Current => call,
                Which::Previous => call.version_stage("AWSPREVIOUS"),
                Which::Exactly(id) => call.version_id(id.as_str()),
            }
            .send()
        };
        let (answer, _) = match self.ask(asked, "GetSecretValue", false, call).await {
            Ok(answered) => answered,
            Err(fault) if fault.kind == FaultKind::NotFound => return Ok(Found::Absent),
            Err(fault) if fault.kind == FaultKind::Doomed => return Ok(Found::Doomed),
            Err(fault) => return Err(fault.explained()),
        };
        let id = VersionId::told(answer.version_id.ok_or_else(|| Fault::foreign("GetSecretValue").explained())?);
        let bytes = match (answer.secret_binary, answer.secret_string) {
            (Some(binary), _) => binary.into_inner(),
            (None, text) => text.unwrap_or_default().into_bytes(),
        };
        let written = answer.created_date.as_ref().and_then(told_at);
        Ok(Found::Value(Value { id, bytes: Zeroizing::new(bytes), written }))
    }

    /// Makes `bytes` the current version of a secret, under `id`.
    pub(super) async fn put(&self, asked: &Asked<'_>, secret: &str, id: &VersionId, bytes: &Bytes) -> Result<Written> {
        check_size(bytes)?;
        let call = || {
            let blob = Blob::new(bytes.to_vec());
            self.client
                .put_secret_value()
                .secret_id(secret)
                .client_request_token(id.as_str())
                .secret_binary(blob)
                .send()
        };
        match self.ask(asked, "PutSecretValue", true, call).await {
            Ok((answer, _)) if answer.version_id.is_none() => Err(Fault::foreign("PutSecretValue").explained()),
            Ok((_, 0)) => Ok(Written::Done),
            Ok(_) => Ok(Written::Before),
            Err(fault) if fault.kind == FaultKind::Exists => Ok(Written::Refused),
            Err(fault) if fault.kind == FaultKind::NotFound => Ok(Written::Absent),
            Err(fault) if fault.kind == FaultKind::Doomed => Ok(Written::Doomed),
            Err(fault) => Err(fault.explained()),
        }
    }

    /// Makes a secret.
    pub(super) async fn create(&self, asked: &Asked<'_>, secret: &str, first: First<'_>) -> Result<Written> {
        check_size(first.bytes)?;
        let call = || {
            self.client
                .create_secret()
                .name(secret)
                .client_request_token(first.id.as_str())
                .secret_binary(Blob::new(first.bytes.to_vec()))
                .set_kms_key_id(first.kms_key_id.map(str::to_owned))
                .send()
        };
        match self.ask(asked, "CreateSecret", true, call).await {
            Ok((answer, _)) if answer.version_id.is_none() => Err(Fault::foreign("CreateSecret").explained()),
            Ok(_) => Ok(Written::Done),
            Err(fault) if fault.kind == FaultKind::Exists => Ok(Written::Refused),
            Err(fault) if fault.kind == FaultKind::Doomed => Ok(Written::Doomed),
            Err(fault) => Err(fault.explained()),
        }
    }

    /// Schedules a secret for deletion; one that is so already, or gone, is left as it is.
    pub(super) async fn delete(&self, asked: &Asked<'_>, secret: &str) -> Result<()> {
        let call = || self.client.delete_secret().secret_id(secret).recovery_window_in_days(self.recovery_days).send();
        match self.ask(asked, "DeleteSecret", true, call).await {
            Ok(_) => Ok(()),
            Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Doomed) => Ok(()),
            Err(fault) => Err(fault.explained()),
        }
    }

    /// Makes a call until it is answered.
    pub(super) async fn ask<T, E, F>(
        &self,
        asked: &Asked<'_>,
        action: &'static str,
        is_write: bool,
        call: impl Fn() -> F,
    ) -> Asking<T>
    where
        T: RequestId,
        E: ProvideErrorMetadata + RequestId + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let (mut unanswered, began) = (0, self.pace.now());
        for attempt in 0.. {
            let fault = match self.ask_once(asked, action, is_write, &call).await {
                Ok(answer) => return Ok((answer, unanswered)),
                Err(fault) => fault,
            };
            match fault.kind {
                FaultKind::Throttled if is_write => self.pace.throttled(),
                FaultKind::Foreign | FaultKind::Unknown => unanswered += 1,
                _ => {}
            }
            if self.is_final(asked, attempt, &fault, (unanswered, began)) {
                return Err(fault.after(unanswered));
            }
            self.pace.back_off(attempt).await;
        }
        Err(Fault::unending(action))
    }

    /// Makes a call, and no more than one attempt at it.
    pub(super) async fn ask_once<T, E, F>(
        &self,
        asked: &Asked<'_>,
        action: &'static str,
        is_write: bool,
        call: impl Fn() -> F,
    ) -> Result<T, Fault>
    where
        T: RequestId,
        E: ProvideErrorMetadata + RequestId + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        // What was refreshed may be all that there is of the token: it does not wait for others.
        if is_write && !asked.is_under_lease() {
            self.pace.turn().await;
        }
        let answer = call().await.map_err(|error| self.fault(asked, action, &error))?;
        self.is_reached.store(true, Ordering::Relaxed);
        asked.note(answer.request_id());
        if is_write {
            self.pace.passed();
        }
        Ok(answer)
    }

    fn fault<E>(&self, asked: &Asked<'_>, action: &'static str, error: &SdkError<E>) -> Fault
    where
        E: ProvideErrorMetadata + RequestId + std::error::Error + 'static,
    {
        asked.note(error.request_id());
        let fault = Fault::of(action, error).at(self.place());
        if matches!(error, SdkError::ServiceError(_)) && fault.kind != FaultKind::Foreign {
            self.is_reached.store(true, Ordering::Relaxed);
        }
        tracing::debug!(action, kind = ?fault.kind, "a call to Secrets Manager failed");
        fault
    }

    fn is_final(&self, asked: &Asked<'_>, attempt: u32, fault: &Fault, (unanswered, began): (u32, Timestamp)) -> bool {
        let now = self.pace.now();
        let is_late = asked.context.deadline().is_some_and(|deadline| now > deadline);
        let (is_passing, is_elsewhere) = match fault.kind {
            FaultKind::Throttled | FaultKind::Unknown => (true, false),
            FaultKind::Unreached => (true, unanswered == 0),
            FaultKind::Foreign => (true, true),
            _ => (false, false),
        };
        let is_hopeless = is_elsewhere
            && !self.is_reached.load(Ordering::Relaxed)
            && (attempt + 1 >= MAX_CONNECTS || now.since(began) >= CONNECTING);
        !is_passing || is_late || is_hopeless || attempt + 1 >= MAX_ATTEMPTS
    }
}

/// A moment as the service tells it.
pub(super) fn told_at(at: &DateTime) -> Option<Timestamp> {
    at.to_millis().ok().and_then(|millis| u64::try_from(millis).ok()).map(Timestamp::from_millis)
}

fn check_size(bytes: &Bytes) -> Result<()> {
    if bytes.len() <= MAX_VALUE { Ok(()) } else { Err(too_large()) }
}

pub(super) fn too_large() -> Error {
    Error::invalid("the token takes more than the 64 KiB that a secret of AWS may hold")
        .with_hint("leave out what the token does not need")
}
