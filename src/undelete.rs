//! Bringing back a token that was deleted, while the store still keeps it.

use std::sync::Arc;

use crate::backend::recovery::RecoveryWindow;
use crate::backend::{Change, Commit};
use crate::claims::{self, Standing};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::{Beginning, RecordName};
use crate::matching;
use crate::operation::{Answer, Context};
use crate::record::{Record, Writer};
use crate::store::TokenStore;
use crate::vault::Vault;

/// Brings back the token that had this id: under the id, with all its texts and its sign-in, as a new record. Answers the
/// id that it has.
///
/// The deleted record itself stays deleted, since names of records are never used again: what was handed out of it before
/// can still not be saved. Its name becomes one more id of the new record.
///
/// # Errors
/// `NotFound` where nothing is kept under the id; `Ambiguous` where several deleted tokens had it; `InvalidInput` where the
/// token is not deleted, or another is in its place: the user has signed in again. None of them changes anything.
pub async fn undelete(
    vault: &Vault,
    window: &dyn RecoveryWindow,
    context: &Context,
    id: &str,
) -> Result<Answer<Arc<str>>> {
    let brought_back = run(vault, window, context, id).await;
    brought_back.map_err(|error| error.with_store(vault))
}

async fn run(vault: &Vault, window: &dyn RecoveryWindow, context: &Context, id: &str) -> Result<Answer<Arc<str>>> {
    let mut kept = Vec::new();
    let deleted = window.deleted(context, id).await?.value;
    if deleted.is_empty() && vault.find_token_by_id(context, id).await?.value.is_some() {
        return Err(Error::invalid("the token is not deleted").with_hint("`tokenvault list` shows what is there"));
    }
    // The one to take up again: its own name leads to it whatever has become of the ids that users brought.
    let (mut at, mut ended) = (None, Ok(()));
    for name in deleted {
        match window.exhume(context, name).await {
            Ok(exhumed) => kept.extend(exhumed.value),
            Err(error) => {
                (at, ended) = (Some(name), Err(error));
                break;
            }
        }
    }
    // What was read is back in force, whatever came of the others: it is buried again.
    let mut ended = match ended.and_then(|()| last(&kept)) {
        Ok(Some(old)) => insert(vault, context, old).await,
        Ok(None) => Err(Error::new(ErrorKind::NotFound, "nothing is kept of a token with this id").with_hint(
            "its recovery window is over, it was purged, or it never was; name it by the id that delete told",
        )),
        Err(error) => Err(error),
    };
    for record in &kept {
        let buried = window.bury(context, record.name).await;
        if at.is_none() || (ended.is_ok() && buried.is_err()) {
            at = Some(record.name);
        }
        ended = ended.and_then(|answer| buried.map(|_| answer));
    }
    ended.map_err(|error| match at {
        Some(name) => to_take_up(error, name),
        None => error,
    })
}

/// The one that was saved last, where all are of one user, or came of one another.
fn last(kept: &[Arc<Record>]) -> Result<Option<&Arc<Record>>> {
    // What came of another is the later one, whatever the clocks of those who saved them said.
    let is_origin =
        |one: &Arc<Record>| kept.iter().any(|other| other.name != one.name && other.has_id(&one.name.to_string()));
    let Some(last) = kept.iter().filter(|one| !is_origin(one)).max_by_key(|one| one.saved_at) else { return Ok(None) };
    let is_of_it = |other: &Arc<Record>| {
        last.has_id(&other.name.to_string()) || matching::is_same_owner(&last.fields, &other.fields)
    };
    if kept.iter().all(is_of_it) {
        return Ok(Some(last));
    }
    Err(Error::new(ErrorKind::Ambiguous, "several deleted tokens had this id")
        .with_hint("name the one by the id of the vault's making (tv...) that delete told"))
}

fn to_take_up(error: Error, name: RecordName) -> Error {
    match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::Ambiguous => error,
        _ => {
            let hint = error.hint().unwrap_or("when the cause is gone").to_owned();
            error.with_hint(format!("{hint}; then take it up again by `tokenvault undelete {name}`"))
        }
    }
}

async fn insert(vault: &Vault, context: &Context, old: &Record) -> Result<Answer<Arc<str>>> {
    for round in 0.. {
        vault.check_round(context, round)?;
        let Beginning { name, version, .. } = Beginning::draw()?;
        let mut record = Record {
            name,
            version,
            ids: ids(old),
            adopted: Vec::new(),
            saved_at: vault.tick().max(old.saved_at),
            writer: Writer::Save,
            lease: None,
            ..old.clone()
        };
        let claims = match claims::standing(&**vault.backend(), context, &record, true).await? {
            Standing::Free(claims, reserved) => {
                record.name = reserved.unwrap_or(record.name);
                claims
            }
            Standing::Taken(other, reason) => {
                return Err(Error::invalid(format!("{}, {}: it was saved since", reason.said(), other.id()))
                    .with_hint("delete that one first if the deleted one is wanted"));
            }
        };
        let (id, name) = (record.id(), record.name);
        let change = Change { name, expected: None, value: Some(Arc::new(record)) };
        match vault.backend().commit(context, Commit { changes: vec![change], claims }).await {
            Ok(answer) => {
                tracing::debug!(record = %name, was = %old.name, "brought back a token");
                return Ok(answer.map(|()| id));
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(ErrorKind::Internal, "a bounded loop did not end"))
}

/// The ids that lead to the record, those that users brought first.
fn ids(old: &Record) -> Vec<Arc<str>> {
    let own: Arc<str> = Arc::from(old.name.to_string());
    old.ids.iter().filter(|id| **id != own).cloned().chain([Arc::clone(&own)]).collect()
}

/// Deletes the token with this id for good, one that was deleted before as well. Answers whether there was one.
///
/// # Errors
/// As the store has them.
pub async fn purge(vault: &Vault, window: &dyn RecoveryWindow, context: &Context, id: &str) -> Result<bool> {
    let mut names: Vec<RecordName> = vault.delete_record(context, id).await?.value.into_iter().collect();
    if names.is_empty() {
        names = window.deleted(context, id).await.map_err(|error| error.with_store(vault))?.value;
    }
    let mut was_there = false;
    for name in names {
        was_there |= window.purge(context, name).await.map_err(|error| error.with_store(vault))?.value;
    }
    Ok(was_there)
}
