//! Which record a partly filled token means: the one copy of the rules that
//! [`TokenStore`](crate::store::TokenStore) states.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::fields::{Field, Fields};
use crate::lookup::{LookupKey, LookupKind};
use crate::record::Record;

/// The lookup keys of every record that rules 2 to 4 could choose for `given`. Empty where nothing given is usable.
pub(crate) fn keys(given: &Fields) -> Vec<LookupKey> {
    let key = |kind, field| given.text(field).map(|text| LookupKey::new(kind, text));
    if let Some(user) = key(LookupKind::User, Field::UserName) {
        return vec![user];
    }
    let access = key(LookupKind::AccessToken, Field::AccessToken).filter(|_| is_without_client(given));
    let grant = key(LookupKind::GrantToken, Field::GrantToken);
    let refresh = key(LookupKind::RefreshToken, Field::RefreshToken);
    [access, grant, refresh].into_iter().flatten().collect()
}

/// The record that a find of `given` means, by rules 2 to 4.
pub(crate) fn for_find<'r>(given: &Fields, records: &'r [Arc<Record>]) -> Option<&'r Arc<Record>> {
    if given.get(Field::UserName).is_some() {
        return last_saved(of_user(given, records));
    }
    by_access(given, records)
        .or_else(|| last_saved(same(given, Field::GrantToken, records).filter(|record| is_of_client(given, record))))
        .or_else(|| {
            let refresh = given.get(Field::RefreshToken)?;
            last_saved(records.iter().filter(|r| r.is_found_by_refresh(refresh) && is_of_client(given, r)))
        })
}

/// The record that a save of `given` means, by rules 2 to 4; `None` means a new one.
///
/// # Errors
/// `Ambiguous` where a user has records with several clients, no client is given, and no token tells which.
pub(crate) fn for_save<'r>(given: &Fields, records: &'r [Arc<Record>]) -> Result<Option<&'r Arc<Record>>> {
    if given.get(Field::UserName).is_none() || given.get(Field::ClientId).is_some() {
        return Ok(for_find(given, records));
    }
    let of_user: Vec<&Arc<Record>> = of_user(given, records).collect();
    if of_user.len() <= 1 {
        return Ok(of_user.first().copied());
    }
    last_saved(of_user.into_iter().filter(|record| holds_one_given(given, record))).map(Some).ok_or_else(|| {
        Error::new(ErrorKind::Ambiguous, "the user has tokens with several clients, and no client is given")
            .with_hint("give the client_id, or the token's id")
    })
}

/// Whether a user or client is given that is not the record's, as far as the record has one.
pub(crate) fn contradicts(given: &Fields, record: &Record) -> bool {
    [Field::UserName, Field::ClientId].into_iter().any(|field| {
        let (given, own) = (given.get(field), record.fields.get(field));
        given.is_some() && own.is_some() && given != own
    })
}

/// Whether only one of the two names a user or a client, and no token that both hold shows that they are of one sign-in.
#[cfg(feature = "import")]
pub(crate) fn is_unproven(given: &Fields, record: &Record) -> bool {
    let is_one_sided = |field| given.get(field).is_some() != record.fields.get(field).is_some();
    [Field::UserName, Field::ClientId].into_iter().any(is_one_sided) && !holds_one_given(given, record)
}

fn holds_one_given(given: &Fields, record: &Record) -> bool {
    given.get(Field::RefreshToken).is_some_and(|refresh| record.holds_refresh(refresh))
        || [Field::GrantToken, Field::AccessToken]
            .into_iter()
            .any(|field| given.get(field).is_some() && given.get(field) == record.fields.get(field))
}

/// Whether two records would be of one user and client.
pub(crate) fn is_same_owner(one: &Fields, other: &Fields) -> bool {
    one.get(Field::UserName).is_some()
        && [Field::UserName, Field::ClientId].into_iter().all(|field| one.get(field) == other.get(field))
}

fn is_without_client(given: &Fields) -> bool {
    given.get(Field::ClientId).is_none() && given.get(Field::ClientSecret).is_none()
}

fn is_of_client(given: &Fields, record: &Record) -> bool {
    given.get(Field::ClientId).is_none() || given.get(Field::ClientId) == record.fields.get(Field::ClientId)
}

fn of_user<'r>(given: &Fields, records: &'r [Arc<Record>]) -> impl Iterator<Item = &'r Arc<Record>> {
    same(given, Field::UserName, records).filter(move |record| is_of_client(given, record))
}

fn by_access<'r>(given: &Fields, records: &'r [Arc<Record>]) -> Option<&'r Arc<Record>> {
    let without_refresh = |record: &&Arc<Record>| record.fields.get(Field::RefreshToken).is_none();
    last_saved(same(given, Field::AccessToken, records).filter(without_refresh)).filter(|_| is_without_client(given))
}

/// The records with the given text in `field`; none where none is given.
fn same<'r>(given: &Fields, field: Field, records: &'r [Arc<Record>]) -> impl Iterator<Item = &'r Arc<Record>> {
    let text = given.get(field);
    records.iter().filter(move |record| text.is_some() && record.fields.get(field) == text)
}

fn last_saved<'r>(records: impl Iterator<Item = &'r Arc<Record>>) -> Option<&'r Arc<Record>> {
    records.max_by_key(|record| (record.saved_at, record.name))
}
