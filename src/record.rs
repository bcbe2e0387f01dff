//! A record: what a backend keeps for one token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::fields::{Field, Fields};
use crate::identity::{Lineage, RecordName, Version};
use crate::lease::Lease;
use crate::lookup::{LookupKey, LookupKind};
use crate::secret::SecretText;
use crate::token::OAuthToken;

/// What kind of write a record was last changed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// An import: a later import may write over it.
    Import,
    /// Anything else: an import keeps it unless told otherwise.
    Save,
}

/// One state of one record.
#[derive(Clone)]
pub struct Record {
    /// The record's name: the token's id unless the user brought one.
    pub name: RecordName,
    /// This state's version.
    pub version: Version,
    /// The token's nine texts.
    pub fields: Arc<Fields>,
    /// The ids that users brought, the first of them the one that is handed out.
    pub ids: Vec<Arc<str>>,
    /// The names of records that have become part of this one: journals drew them for what was saved out of reach. What was
    /// handed out as of one of them is of this record.
    pub adopted: Vec<RecordName>,
    /// The sign-in that the granted fields come from.
    pub lineage: Lineage,
    /// How long an access token of this lineage lives: the longest that one still had to live when a refresh saved it.
    pub longest_life: Option<Duration>,
    /// The refresh token that the lineage began with, once one is known: what the record is found by, also where the
    /// provider has rotated it since.
    pub first_refresh: Option<SecretText>,
    /// When the record was made.
    pub created_at: Timestamp,
    /// When this state was written. Never goes backwards within a record.
    pub saved_at: Timestamp,
    /// What wrote this state.
    pub writer: Writer,
    /// Who may refresh the token, from when on. A new token ends it.
    pub lease: Option<Lease>,
}

impl Record {
    /// The id that is handed out: the first that a user brought, else the record's name.
    pub fn id(&self) -> Arc<str> {
        self.ids.first().cloned().unwrap_or_else(|| self.name.to_id())
    }

    /// Whether `id` leads to this record.
    pub fn has_id(&self, id: &str) -> bool {
        self.ids.iter().any(|own| &**own == id) || RecordName::parse(id) == Some(self.name)
    }

    /// Whether what was handed out as of the record `name` is of this one. Not where only an id leads here: the record of that
    /// name was deleted, and this one came of it.
    pub(crate) fn is_of_name(&self, name: RecordName) -> bool {
        self.name == name || self.adopted.contains(&name)
    }

    /// Whether `text` is the refresh token that this record is found by.
    pub fn is_found_by_refresh(&self, text: &SecretText) -> bool {
        self.lookup_refresh().is_some_and(|own| own.ct_eq(text))
    }

    /// Whether `text` is a refresh token that this record holds: the current one, or the one its lineage began with.
    pub fn holds_refresh(&self, text: &SecretText) -> bool {
        self.is_found_by_refresh(text) || self.fields.get(Field::RefreshToken).is_some_and(|own| own.ct_eq(text))
    }

    /// The refresh token that this record is found by.
    pub fn lookup_refresh(&self) -> Option<&SecretText> {
        self.first_refresh.as_ref().or_else(|| self.fields.get(Field::RefreshToken))
    }

    /// The key of the refresh token that this record is found by, where it holds another one.
    pub(crate) fn rotated_from(&self) -> Option<LookupKey> {
        let first = self.first_refresh.as_ref()?;
        let is_held = self.fields.get(Field::RefreshToken).is_some_and(|held| held.ct_eq(first));
        (!is_held).then(|| LookupKey::new(LookupKind::RefreshToken, first.expose()))
    }

    /// The keys that lead to this record. Never empty for a record that the rules made.
    pub fn lookup_keys(&self) -> Vec<LookupKey> {
        let mut keys = Vec::with_capacity(self.ids.len() + 4);
        keys.extend(self.ids.iter().map(|id| LookupKey::new(LookupKind::Id, id)));
        keys.extend(field_keys(&self.fields, self.rotated_from()));
        keys
    }

    /// A hash of whose it is, user and client together; none of a record without a user. No two live records of a vault have
    /// the same.
    #[cfg(feature = "aws")]
    pub(crate) fn owner_key(&self) -> Option<LookupKey> {
        let user = self.fields.text(Field::UserName)?;
        let client = self.fields.text(Field::ClientId).unwrap_or_default();
        Some(LookupKey::new(LookupKind::User, &format!("{}:{user}{client}", user.len())))
    }

    /// The token that is handed out for this record, under `id` where it was asked for by one.
    pub fn hand_out(&self, id: Option<&str>) -> OAuthToken {
        let id = id.map_or_else(|| self.id(), Arc::from);
        OAuthToken::handed_out(id, Arc::clone(&self.fields), self.name, self.lineage, self.rotated_from())
    }
}

/// The keys that lead to a record with these fields, beside its ids. `rotated_from` as [`Record::rotated_from`] has it.
pub(crate) fn field_keys(fields: &Fields, rotated_from: Option<LookupKey>) -> impl Iterator<Item = LookupKey> {
    let user = key_of(fields, LookupKind::User, Field::UserName);
    user.into_iter().chain(token_keys(fields, rotated_from))
}

/// Of those the ones that its tokens make.
pub(crate) fn token_keys(fields: &Fields, rotated_from: Option<LookupKey>) -> impl Iterator<Item = LookupKey> {
    let grant = key_of(fields, LookupKind::GrantToken, Field::GrantToken);
    // Made from the refresh token, because the record is opened anyway before the key's answer is believed.
    let refresh = rotated_from.or_else(|| key_of(fields, LookupKind::RefreshToken, Field::RefreshToken));
    let access = || key_of(fields, LookupKind::AccessToken, Field::AccessToken);
    let access = fields.get(Field::RefreshToken).is_none().then(access).flatten();
    [grant, refresh, access].into_iter().flatten()
}

fn key_of(fields: &Fields, kind: LookupKind, field: Field) -> Option<LookupKey> {
    fields.text(field).map(|text| LookupKey::new(kind, text))
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("name", &self.name)
            .field("version", &self.version.sequence)
            .field("present", &self.fields)
            .field("lineage", &self.lineage.counter)
            .finish_non_exhaustive()
    }
}
