//! A secret of the doctor's own, to try rights on: no token is touched.
//!
//! It has one of a few fixed names below the prefix, since who may not list secrets could not find a leftover under a random
//! one. Whatever is there under such a name, and has not been written for a while, was left by a doctor that was broken off:
//! the next one uses it up.

use std::time::Duration;

use aws_sdk_secretsmanager::primitives::Blob;

use crate::backend::secrets_manager::SecretsManagerBackend;
use crate::backend::secrets_manager::calls::{Asked, Bytes};
use crate::backend::secrets_manager::fault::{Fault, FaultKind};
use crate::backend::secrets_manager::pace::MAX_STALE;
use crate::backend::secrets_manager::value::{self, Head, MAX_WRITES, Writes};
use crate::backend::secrets_manager::version::VersionId;
use crate::error::{Error, ErrorKind, Result};

/// How many names there are. One that is scheduled for deletion is taken for the recovery window.
const SLOTS: u8 = 8;

/// A doctor is at work for less than this.
const AT_WORK: Duration = Duration::from_mins(10);

/// The probe of one doctor.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) secret: String,
    pub(super) head: Head,
}

/// What came of looking for a place.
pub(super) enum Placed {
    /// There is a probe, made just now.
    New(Probe),
    /// One that was there: left behind, or brought back from its recovery window.
    Found(Probe),
    /// AWS did not let one be made.
    Not(Fault),
    /// Every name is taken.
    Full {
        /// One of them by a secret that was deleted for good just now.
        is_purged: bool,
    },
}

/// Makes the calls of a doctor, each as it is, to see what AWS says.
pub(super) struct Prober<'a> {
    pub(super) backend: &'a SecretsManagerBackend,
    pub(super) asked: Asked<'a>,
    pub(super) kms_key_id: Option<&'a str>,
    /// How many leftovers were met and taken away, or used up.
    pub(super) found: usize,
    /// A leftover that could not be taken away.
    pub(super) stuck: Option<String>,
    /// What came of taking a probe back.
    pub(super) restored: Option<Result<(), Fault>>,
}

impl Prober<'_> {
    /// A name that no probe has.
    pub(super) fn nowhere(&self) -> String {
        self.backend.prefix.doctor("none")
    }

    fn slot(&self, slot: u8) -> String {
        self.backend.prefix.doctor(&slot.to_string())
    }

    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub(super) async fn place(&mut self) -> Result<Placed> {
        let mut doomed = None;
        for slot in 0..SLOTS {
            let secret = self.slot(slot);
            let writes = Writes::default().and_now(self.backend.calls.pace.now());
            let head = Head { sequence: 1, id: VersionId::first()?, writes };
            match self.create(&secret, &head).await {
                Ok(()) => return Ok(Placed::New(Probe { secret, head })),
                Err(fault) if fault.kind == FaultKind::Exists => match self.left_over(&secret).await {
                    Ok(Some(head)) => {
                        self.found += 1;
                        return Ok(Placed::Found(Probe { secret, head }));
                    }
                    Ok(None) => {}
                    Err(fault) => return Ok(Placed::Not(fault)),
                },
                Err(fault) if fault.kind == FaultKind::Doomed => doomed = doomed.or(Some(secret)),
                Err(fault) => return Ok(Placed::Not(fault)),
            }
        }
        let Some(secret) = doomed else { return Ok(Placed::Full { is_purged: false }) };
        let restored = self.restore(&secret).await;
        // What is in its recovery window can be brought back, or the caller has no right to.
        let is_purged = matches!(&restored, Err(Fault { kind: FaultKind::NotFound | FaultKind::Doomed, .. }));
        let head = if restored.is_ok() { self.shown(&secret).await } else { None };
        let is_back = restored.is_ok();
        self.restored = Some(restored);
        if let Some(head) = head
            && head.writes.count(self.backend.calls.pace.now()) < MAX_WRITES
        {
            return Ok(Placed::Found(Probe { secret, head }));
        }
        if is_back {
            _ = self.delete(&secret).await;
        }
        Ok(Placed::Full { is_purged })
    }

    /// Takes away what others have left, beside this doctor's own.
    pub(super) async fn sweep(&mut self, own: Option<&str>) {
        for slot in 0..SLOTS {
            let secret = self.slot(slot);
            if own == Some(&*secret) {
                continue;
            }
            match self.left_over(&secret).await {
                Ok(Some(_)) => match self.delete(&secret).await {
                    Ok(()) => self.found += 1,
                    Err(_) => self.stuck = Some(secret),
                },
                Ok(None) => {}
                // Each of the others would be waited for as long.
                Err(_) => return,
            }
        }
    }

    /// The probe that another doctor has left there.
    ///
    /// # Errors
    /// AWS is not there to ask.
    async fn left_over(&self, secret: &str) -> Result<Option<Head>, Fault> {
        let (id, bytes) = match self.get(secret).await {
            Ok(got) => got,
            Err(fault) if fault.is_away() => return Err(fault),
            Err(_) => return Ok(None),
        };
        let head = value::decode_probe(&bytes).ok();
        let is_left = |head: &Head| !head.writes.are_within(AT_WORK, self.backend.calls.pace.now());
        Ok(head.filter(is_left).map(|head| Head { id, ..head }))
    }

    /// The probe that is under this name, once reads show it.
    async fn shown(&self, secret: &str) -> Option<Head> {
        for attempt in 0..MAX_STALE {
            match self.get(secret).await {
                Ok((id, bytes)) => return value::decode_probe(&bytes).ok().map(|head| Head { id, ..head }),
                Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Doomed) => {
                    self.backend.calls.pace.catch_up(attempt).await;
                }
                Err(_) => return None,
            }
        }
        None
    }

    /// Reads back what was written.
    pub(super) async fn read_back(&self, secret: &str) -> Result<(), Fault> {
        for attempt in 0..MAX_STALE {
            match self.get(secret).await {
                Ok(_) => return Ok(()),
                Err(fault) if fault.kind != FaultKind::NotFound => return Err(fault),
                Err(_) => self.backend.calls.pace.catch_up(attempt).await,
            }
        }
        self.get(secret).await.map(drop)
    }

    pub(super) async fn get(&self, secret: &str) -> Result<(VersionId, Bytes), Fault> {
        let calls = &self.backend.calls;
        let call = || calls.client.get_secret_value().secret_id(secret).send();
        let (answer, _) = calls.ask(&self.asked, "GetSecretValue", false, call).await?;
        let bytes = answer.secret_binary.map(Blob::into_inner).unwrap_or_default();
        Ok((VersionId::told(answer.version_id.unwrap_or_default()), Bytes::new(bytes)))
    }

    async fn create(&self, secret: &str, head: &Head) -> Result<(), Fault> {
        let (calls, bytes) = (&self.backend.calls, value::encode_probe(head));
        let call = || {
            let call = calls.client.create_secret().name(secret).client_request_token(head.id.as_str());
            call.secret_binary(Blob::new(bytes.to_vec())).set_kms_key_id(self.kms_key_id.map(str::to_owned)).send()
        };
        calls.ask(&self.asked, "CreateSecret", true, call).await.map(drop)
    }

    /// Replaces the probe's value as a token's is replaced.
    pub(super) async fn put(&self, secret: &str, held: &Head) -> Result<(), Fault> {
        let calls = &self.backend.calls;
        let head = Head {
            sequence: held.sequence.saturating_add(1),
            id: held.id.next(0),
            writes: held.writes.and_now(calls.pace.now()),
        };
        let bytes = value::encode_probe(&head);
        let call = || {
            let call = calls.client.put_secret_value().secret_id(secret).client_request_token(head.id.as_str());
            call.secret_binary(Blob::new(bytes.to_vec())).send()
        };
        calls.ask(&self.asked, "PutSecretValue", true, call).await.map(drop)
    }

    pub(super) async fn describe(&self, secret: &str) -> Result<(), Fault> {
        let calls = &self.backend.calls;
        let call = || calls.client.describe_secret().secret_id(secret).send();
        calls.ask(&self.asked, "DescribeSecret", false, call).await.map(drop)
    }

    pub(super) async fn batch(&self, secret: &str) -> Result<(), Fault> {
        let calls = &self.backend.calls;
        let call = || calls.client.batch_get_secret_value().secret_id_list(secret).send();
        calls.ask(&self.asked, "BatchGetSecretValue", false, call).await.map(drop)
    }

    pub(super) async fn list_versions(&self, secret: &str) -> Result<(), Fault> {
        let calls = &self.backend.calls;
        let call = || calls.client.list_secret_version_ids().secret_id(secret).send();
        calls.ask(&self.asked, "ListSecretVersionIds", true, call).await.map(drop)
    }

    /// Lists one secret: whether any is shown does not matter.
    pub(super) async fn list(&self) -> Result<(), Fault> {
        let calls = &self.backend.calls;
        let call = || calls.client.list_secrets().max_results(1).send();
        calls.ask(&self.asked, "ListSecrets", true, call).await.map(drop)
    }

    pub(super) async fn update(&self, secret: &str) -> Result<(), Fault> {
        let calls = &self.backend.calls;
        let call = || {
            // Descriptions stay empty, as everywhere in the vault.
            let call = calls.client.update_secret().secret_id(secret).description("");
            call.set_kms_key_id(self.kms_key_id.map(str::to_owned)).send()
        };
        calls.ask(&self.asked, "UpdateSecret", true, call).await.map(drop)
    }

    pub(super) async fn delete(&self, secret: &str) -> Result<(), Fault> {
        let calls = &self.backend.calls;
        let call =
            || calls.client.delete_secret().secret_id(secret).recovery_window_in_days(calls.recovery_days).send();
        calls.ask(&self.asked, "DeleteSecret", true, call).await.map(drop)
    }

    pub(super) async fn purge(&self, secret: &str) -> Result<(), Fault> {
        let calls = &self.backend.calls;
        let call = || calls.client.delete_secret().secret_id(secret).force_delete_without_recovery(true).send();
        calls.ask(&self.asked, "DeleteSecret", true, call).await.map(drop)
    }

    pub(super) async fn restore(&self, secret: &str) -> Result<(), Fault> {
        let calls = &self.backend.calls;
        let call = || calls.client.restore_secret().secret_id(secret).send();
        calls.ask(&self.asked, "RestoreSecret", true, call).await.map(drop)
    }
}

/// Why nothing could be tried for real where every name is taken.
pub(super) fn full(is_purged: bool) -> Error {
    if is_purged {
        let taken =
            "every name that a doctor uses is taken, one of them by a secret that was deleted for good just now";
        return Error::new(ErrorKind::Busy, taken)
            .with_hint("run doctor again in two minutes: AWS keeps a purged name for so long");
    }
    Error::new(ErrorKind::Busy, "every name that a doctor uses is taken by one at work, or scheduled for deletion")
        .with_hint(
            "allow secretsmanager:RestoreSecret, or run doctor again once a recovery window of seven days is over",
        )
}
