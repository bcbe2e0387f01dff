//! A record: what a backend keeps for one token.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::fields::{Field, Fields};
use crate::identity::{Lineage, RecordName, Version};
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
    /// The sign-in that the granted fields come from.
    pub lineage: Lineage,
    /// The refresh token that the lineage began with, once one is known: what the record is found by, also where the
    /// provider has rotated it since.
    pub first_refresh: Option<SecretText>,
    /// When the record was made.
    pub created_at: Timestamp,
    /// When this state was written. Never goes backwards within a record.
    pub saved_at: Timestamp,
    /// What wrote this state.
    pub writer: Writer,
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

    /// The keys that lead to this record. Never empty for a record that the rules made.
    pub fn lookup_keys(&self) -> Vec<LookupKey> {
        let mut keys = Vec::with_capacity(self.ids.len() + 4);
        keys.extend(self.ids.iter().map(|id| LookupKey::new(LookupKind::Id, id)));
        keys.extend(self.fields.text(Field::UserName).map(|user| LookupKey::new(LookupKind::User, user)));
        keys.extend(Self::token_keys(&self.fields, self.lookup_refresh()));
        keys
    }

    /// Of the keys that lead to a record of these fields, those that its tokens make. `refresh` is the one that it is
    /// found by.
    pub(crate) fn token_keys(fields: &Fields, refresh: Option<&SecretText>) -> impl Iterator<Item = LookupKey> {
        let of = |kind, text: Option<&SecretText>| Some(LookupKey::new(kind, text?.expose()));
        let access = fields.get(Field::AccessToken).filter(|_| fields.get(Field::RefreshToken).is_none());
        let grant = of(LookupKind::GrantToken, fields.get(Field::GrantToken));
        // Made from the refresh token, because the record is opened anyway before the key's answer is believed.
        let refresh = of(LookupKind::RefreshToken, refresh);
        [grant, refresh, of(LookupKind::AccessToken, access)].into_iter().flatten()
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
        OAuthToken::handed_out(id, Arc::clone(&self.fields), self.name, self.lineage)
    }
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
