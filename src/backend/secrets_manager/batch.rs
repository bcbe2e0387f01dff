//! Reading many tokens: twenty in a call where BatchGetSecretValue is granted, else one by one.
//!
//! The call has no resource of its own, so IAM grants it on all secrets or not at all (Service Authorization Reference),
//! and a policy for the vault's prefix does not hold it. Whether it is granted shows at its first use.

use std::collections::HashMap;

use aws_sdk_secretsmanager::operation::batch_get_secret_value::BatchGetSecretValueOutput;
use futures_util::{StreamExt, TryStreamExt, stream};
use zeroize::Zeroizing;

use crate::backend::secrets_manager::calls::{Asked, Calls, Found, Value, told_at};
use crate::backend::secrets_manager::fault::{Fault, FaultKind};
use crate::backend::secrets_manager::tokens::{State, Taken, Tokens};
use crate::backend::secrets_manager::version::VersionId;
use crate::error::Result;
use crate::identity::RecordName;

/// How many secrets a call names at most (API reference, SecretIdList).
pub(super) const MOST: usize = 20;

const PARALLEL: usize = 16;

const ACTION: &str = "BatchGetSecretValue";

impl Calls {
    /// What is under each of these names, at most twenty; `None` where that did not come of it. What the answer leaves out
    /// is missing.
    ///
    /// Asked once: whatever is wrong, reading one by one shows it, with patience and in the words of that call. LocalStack
    /// breaks down over values that are no text, once PutSecretValue has written them.
    pub(super) async fn get_batch(
        &self,
        asked: &Asked<'_>,
        secrets: &[String],
    ) -> Option<HashMap<String, Result<Found>>> {
        let call = || self.client.batch_get_secret_value().set_secret_id_list(Some(secrets.to_vec())).send();
        self.batches.turn().await;
        match self.ask_once(asked, ACTION, false, call).await {
            Ok(answer) => {
                self.batches.passed();
                Some(of_answer(answer))
            }
            Err(fault) => {
                if fault.kind == FaultKind::Throttled {
                    self.batches.throttled();
                }
                if fault.kind == FaultKind::Denied || fault.is_breakdown() {
                    self.refuse_batches();
                }
                None
            }
        }
    }
}

fn of_answer(answer: BatchGetSecretValueOutput) -> HashMap<String, Result<Found>> {
    let refused = answer.errors.unwrap_or_default().into_iter().filter_map(|error| {
        let fault = Fault::of_member(ACTION, error.error_code.as_deref(), error.message.as_deref());
        let found = match fault.kind {
            FaultKind::NotFound => Ok(Found::Absent),
            FaultKind::Doomed => Ok(Found::Doomed),
            // For a while, perhaps: asked again by itself, with its own patience.
            FaultKind::Throttled | FaultKind::Unknown => return None,
            _ => Err(fault.explained()),
        };
        Some((error.secret_id?, found))
    });
    let values = answer.secret_values.unwrap_or_default().into_iter().filter_map(|entry| {
        let bytes = match (entry.secret_binary, entry.secret_string) {
            (Some(binary), _) => binary.into_inner(),
            (None, text) => text.unwrap_or_default().into_bytes(),
        };
        let id = VersionId::told(entry.version_id?);
        let written = entry.created_date.as_ref().and_then(told_at);
        Some((entry.name?, Ok(Found::Value(Value { id, bytes: Zeroizing::new(bytes), written }))))
    });
    refused.chain(values).collect()
}

impl Tokens {
    /// Reads several at once.
    pub(super) async fn read_all(
        &self,
        asked: &Asked<'_>,
        names: impl IntoIterator<Item = RecordName>,
    ) -> Result<HashMap<RecordName, State>> {
        let names: Vec<RecordName> = names.into_iter().collect();
        // One alone costs the same call by itself, and needs no right beyond.
        let size = if self.calls.are_batches_granted() { MOST } else { 1 };
        let batches: Vec<Vec<RecordName>> = names.chunks(size).map(<[RecordName]>::to_vec).collect();
        let states: Vec<_> = stream::iter(batches)
            .map(|names| self.read_some(asked, names))
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        Ok(states.into_iter().flatten().collect())
    }

    /// Reads at most twenty: together where that may be, and what did not come of it one by one.
    async fn read_some(&self, asked: &Asked<'_>, names: Vec<RecordName>) -> Result<Vec<(RecordName, State)>> {
        let mut states = Vec::with_capacity(names.len());
        let mut found = HashMap::new();
        if names.len() > 1 && self.calls.are_batches_granted() {
            let secrets: Vec<String> = names.iter().map(|name| self.prefix.record(*name)).collect();
            found = self.calls.get_batch(asked, &secrets).await.unwrap_or_default();
        }
        let mut alone = Vec::new();
        for name in names {
            let state = match found.remove(&self.prefix.record(name)).transpose()? {
                Some(found) => self.state_of(asked, name, found).await?,
                None => None,
            };
            match state {
                Some(state) => states.push((name, state)),
                None => alone.push(name),
            }
        }
        let read = |name| async move { Ok((name, self.read(asked, name).await?)) };
        let read: Vec<_> = stream::iter(alone).map(read).buffer_unordered(PARALLEL).try_collect().await?;
        states.extend(read);
        Ok(states)
    }

    /// What was found under a name; `None` where it is older than what was seen.
    async fn state_of(&self, asked: &Asked<'_>, name: RecordName, found: Found) -> Result<Option<State>> {
        match found {
            // What was there before is missed by a read that comes late.
            Found::Absent if self.known.at_least(name) > 0 => Ok(None),
            Found::Absent => Ok(Some(State::Vacant)),
            Found::Doomed => {
                self.known.note_dead(name, self.calls.pace.now());
                Ok(Some(State::Dead))
            }
            Found::Value(value) => match self.take(asked, name, &value, self.known.at_least(name)).await? {
                Taken::State(state) => Ok(Some(state)),
                Taken::Older | Taken::Strange => Ok(None),
            },
        }
    }
}
