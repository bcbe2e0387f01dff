//! What a commit that makes a record rests on: that nobody else has made one of the same.

use std::sync::Arc;

use crate::backend::{Backend, Candidates, Claim};
use crate::error::Result;
use crate::fields::{Field, Fields};
use crate::identity::RecordName;
use crate::lookup::LookupKey;
use crate::matching;
use crate::operation::Context;
use crate::record::Record;

/// A name that is listed, and has no record yet.
pub(crate) fn reserved(candidates: &Candidates) -> Option<RecordName> {
    let has_record = |name: &RecordName| candidates.records.iter().any(|record| record.name == *name);
    candidates.by_key.iter().flatten().copied().find(|name| !has_record(name))
}

/// What the rule has looked at: the records, and the name that it takes. Another name that has no record yet is not among
/// it: whatever becomes of that one, the claim does not hold.
pub(crate) fn claims(keys: &[LookupKey], candidates: Candidates, taken: Option<RecordName>) -> Vec<Claim> {
    let Candidates { by_key, records } = candidates;
    let is_looked_at = |name: &RecordName| Some(*name) == taken || records.iter().any(|record| record.name == *name);
    let claim = |(key, mut names): (&LookupKey, Vec<RecordName>)| {
        names.retain(is_looked_at);
        Claim { key: *key, names }
    };
    keys.iter().zip(by_key).map(claim).collect()
}

/// Whether a whole record, one that was somewhere else or was deleted here, can be put into a vault.
#[derive(Clone, Debug)]
pub(crate) enum Standing {
    /// It can, under these claims, and under this name where one is reserved for it.
    Free(Vec<Claim>, Option<RecordName>),
    /// Another record is in its place.
    Taken(Arc<Record>, Reason),
}

/// Why two records cannot both be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Id,
    Owner,
    Token,
}

impl Reason {
    pub(crate) const fn said(self) -> &'static str {
        match self {
            Self::Id => "another token has its id",
            Self::Owner => "another token is of its user and client",
            Self::Token => "another record holds the same token",
        }
    }
}

/// Looks for records that stand in the way of `record`, which takes a reserved name where `may_take` says so.
///
/// # Errors
/// As the backend has them.
pub(crate) async fn standing(
    backend: &dyn Backend,
    context: &Context,
    record: &Record,
    may_take: bool,
) -> Result<Standing> {
    let keys = record.lookup_keys();
    let mut candidates = backend.resolve(context, &keys).await?.value;
    // An id of the vault's making leads to the record of that name first.
    for name in record.ids.iter().filter_map(|id| RecordName::parse(id)) {
        candidates.records.extend(backend.read(context, name).await?.value);
    }
    let others = candidates.records.iter().filter(|other| other.name != record.name);
    let rival = others.filter_map(|other| Some((Arc::clone(other), rivalry(record, other)?))).next();
    if let Some((other, reason)) = rival {
        return Ok(Standing::Taken(other, reason));
    }
    let taken = reserved(&candidates).filter(|_| may_take);
    Ok(Standing::Free(claims(&keys, candidates, taken), taken))
}

fn rivalry(record: &Record, other: &Record) -> Option<Reason> {
    let has_both = |field| record.fields.get(field).is_some() && same(&record.fields, &other.fields, field);
    if record.ids.iter().any(|id| other.has_id(id)) {
        return Some(Reason::Id);
    }
    if matching::is_same_owner(&record.fields, &other.fields) {
        return Some(Reason::Owner);
    }
    let is_nameless = [record, other].iter().all(|one| one.fields.get(Field::UserName).is_none());
    if !is_nameless || !same(&record.fields, &other.fields, Field::ClientId) {
        return None;
    }
    let is_found_alike = record.lookup_refresh().is_some_and(|refresh| other.is_found_by_refresh(refresh));
    let is_token_alone = [record, other].iter().all(|one| one.fields.get(Field::RefreshToken).is_none());
    let holds_same = is_found_alike || has_both(Field::GrantToken) || (is_token_alone && has_both(Field::AccessToken));
    holds_same.then_some(Reason::Token)
}

fn same(one: &Fields, other: &Fields, field: Field) -> bool {
    one.get(field) == other.get(field)
}
