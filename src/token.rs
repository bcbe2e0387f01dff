//! The token as the SDKs know it. Values only: nothing here reads or writes.

use std::fmt;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::fields::{Field, Fields};
use crate::identity::{Lineage, RecordName};
use crate::lease::LeaseId;
use crate::lookup::LookupKey;
use crate::secret::SecretText;

/// A token, whole or partly filled, by the SDKs' field names.
///
/// A token that a store handed out remembers its *base*: which record it came from and what that record held. The base
/// is cloned with the token and decides what a later save means (see [`TokenStore`](crate::store::TokenStore)); fields
/// that are as they were handed out count as not given. [`detached`](Self::detached) forgets it.
///
/// Cloning is cheap: the texts are shared until one of the two changes.
#[derive(Clone)]
pub struct OAuthToken {
    id: Option<Arc<str>>,
    fields: Arc<Fields>,
    find_user: bool,
    base: Option<Base>,
    lease: Option<LeaseId>,
}

/// What a handed-out token remembers of the record it came from.
#[derive(Clone)]
pub(crate) struct Base {
    pub(crate) record: RecordName,
    pub(crate) lineage: Lineage,
    /// What the record is found by, where it holds another refresh token: the provider has rotated it.
    pub(crate) rotated_from: Option<LookupKey>,
    /// The fields as handed out. Held, not hashed: they are shared with the token itself, so they cost neither time
    /// nor a second copy, and are wiped with it.
    pub(crate) fields: Arc<Fields>,
    /// The record's fields at that time: the same, but for fields that were given and stayed as given.
    pub(crate) seen: Arc<Fields>,
}

impl Default for OAuthToken {
    fn default() -> Self {
        Self { id: None, fields: Arc::default(), find_user: true, base: None, lease: None }
    }
}

impl OAuthToken {
    /// A token with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token of `fields`, without an id.
    pub fn from_fields(fields: Fields) -> Self {
        Self { fields: Arc::new(fields), ..Self::default() }
    }

    /// A token as a store hands it out: all of a record's fields.
    pub(crate) fn handed_out(
        id: Arc<str>,
        fields: Arc<Fields>,
        record: RecordName,
        lineage: Lineage,
        rotated_from: Option<LookupKey>,
    ) -> Self {
        let base = Base { record, lineage, rotated_from, fields: Arc::clone(&fields), seen: Arc::clone(&fields) };
        Self { id: Some(id), fields, find_user: true, base: Some(base), lease: None }
    }

    /// The same token with this field set; an empty text clears it.
    #[must_use]
    pub fn with(mut self, field: Field, text: &str) -> Self {
        self.set(field, Some(SecretText::new(text)));
        self
    }

    /// The same token with this id; an empty one clears it.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        self.set_id(Some(id));
        self
    }

    /// The token as its record held it when this one was handed out: what a find by this id gives. `None` where it was
    /// not handed out.
    pub(crate) fn as_stored(&self) -> Option<Self> {
        let (id, base) = (self.id.clone()?, self.base.as_ref()?);
        Some(Self::handed_out(id, Arc::clone(&base.seen), base.record, base.lineage, base.rotated_from))
    }

    /// The same values without id and base: a token that has never been in a store.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { id: None, fields: Arc::clone(&self.fields), find_user: self.find_user, base: None, lease: None }
    }

    /// The token's id. An id names, it grants nothing.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Sets or clears the id. An empty one counts as absent.
    pub fn set_id(&mut self, id: Option<&str>) {
        self.id = id.filter(|id| !id.is_empty()).map(Arc::from);
    }

    /// A field's text.
    pub fn get(&self, field: Field) -> Option<&SecretText> {
        self.fields.get(field)
    }

    /// Sets or clears a field. An empty text counts as absent.
    pub fn set(&mut self, field: Field, text: Option<SecretText>) {
        Arc::make_mut(&mut self.fields).set(field, text);
    }

    /// All fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// All fields, to be shared with a record.
    pub(crate) fn shared_fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    /// Who the token belongs to.
    pub fn user_name(&self) -> Option<&str> {
        self.fields.text(Field::UserName)
    }

    /// The OAuth client.
    pub fn client_id(&self) -> Option<&str> {
        self.fields.text(Field::ClientId)
    }

    /// When the access token ends; `None` where it is not known.
    pub fn expires_at(&self) -> Option<Timestamp> {
        parse_expiry(self.fields.text(Field::ExpiresIn)?)
    }

    /// Whether the SDK asks the API who the user is. It is never stored.
    pub fn find_user(&self) -> bool {
        self.find_user
    }

    /// Sets [`find_user`](Self::find_user).
    pub fn set_find_user(&mut self, find_user: bool) {
        self.find_user = find_user;
    }

    /// The right to refresh this token, where it was handed out with that. It goes with the next save that succeeds.
    pub fn lease(&self) -> Option<LeaseId> {
        self.lease
    }

    /// The same token as it is handed out to whoever is to refresh it: with the right to do so, and as if it had ended at
    /// `ended`, so that its SDK does. Neither is a change of the token.
    pub(crate) fn to_refresh(&self, lease: LeaseId, ended: Timestamp) -> Self {
        let mut token = Self { lease: Some(lease), ..self.clone() };
        if self.get(Field::ExpiresIn).is_some() {
            let text = SecretText::new(&ended.as_millis().to_string());
            token.set(Field::ExpiresIn, Some(text.clone()));
            if let Some(base) = &mut token.base {
                Arc::make_mut(&mut base.fields).set(Field::ExpiresIn, Some(text));
            }
        }
        token
    }

    pub(crate) fn base(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// Fills absent fields from a record's, takes its id unless one is set, and remembers it as the base.
    ///
    /// Fields that were changed since an earlier hand-out of the same record and are not saved yet (`pending`) still
    /// count as changed.
    pub(crate) fn fill_in_place(
        &mut self,
        id: &Arc<str>,
        seen: &Arc<Fields>,
        record: RecordName,
        lineage: Lineage,
        rotated_from: Option<LookupKey>,
    ) {
        // Where nothing given is otherwise, the texts are shared with the record and not copied.
        if self.fields.is_part_of(seen) {
            self.fields = Arc::clone(seen);
        } else {
            Arc::make_mut(&mut self.fields).fill_from(seen);
        }
        let mut handed_out = Arc::clone(&self.fields);
        if let Some(earlier) = self.base.take().filter(|base| base.record == record) {
            for field in Field::ALL {
                let before = earlier.fields.get(field);
                if self.fields.get(field) != before && self.fields.get(field) != seen.get(field) {
                    Arc::make_mut(&mut handed_out).set(field, before.cloned());
                }
            }
        }
        self.id.get_or_insert_with(|| Arc::clone(id));
        self.base = Some(Base { record, lineage, rotated_from, fields: handed_out, seen: Arc::clone(seen) });
    }

    /// The same, from a token that was handed out. Answers whether it was.
    pub(crate) fn fill_as(&mut self, found: &Self) -> bool {
        let (Some(id), Some(base)) = (&found.id, &found.base) else { return false };
        self.fill_in_place(id, &base.seen, base.record, base.lineage, base.rotated_from);
        true
    }

    /// After a save: everything given has been taken into account.
    pub(crate) fn settle(
        &mut self,
        id: &Arc<str>,
        seen: &Arc<Fields>,
        record: RecordName,
        lineage: Lineage,
        rotated_from: Option<LookupKey>,
    ) {
        (self.base, self.lease) = (None, None);
        self.fill_in_place(id, seen, record, lineage, rotated_from);
    }
}

/// Epoch milliseconds as the SDKs write them: decimal digits and nothing else.
pub(crate) fn parse_expiry(text: &str) -> Option<Timestamp> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(Timestamp::from_millis)
}

impl fmt::Debug for OAuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthToken").field("id", &self.id).field("present", &self.fields).finish_non_exhaustive()
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").field("record", &self.record).field("lineage", &self.lineage).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_counts_as_absent() {
        let token = OAuthToken::new().with(Field::UserName, "u").with(Field::UserName, "").with_id("");
        assert_eq!((token.user_name(), token.id()), (None, None));
    }

    #[test]
    fn an_expiry_is_decimal_milliseconds() {
        let at = |text| OAuthToken::new().with(Field::ExpiresIn, text).expires_at().map(Timestamp::as_millis);
        assert_eq!(at("1795311652321"), Some(1_795_311_652_321));
        assert_eq!((at("+1"), at("-1"), at("1.5"), at(" 1"), at("soon")), (None, None, None, None, None));
    }

    #[test]
    fn debug_names_the_fields_and_shows_none() {
        let token =
            OAuthToken::new().with(Field::AccessToken, "canary-a").with(Field::UserName, "canary-u").with_id("7");
        let text = format!("{token:?}");
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("AccessToken"), "{text}");
    }

    #[test]
    fn what_is_found_is_shared_with_the_record_unless_something_given_is_otherwise() {
        let seen = OAuthToken::new().with(Field::UserName, "u").with(Field::RefreshToken, "r").fields;
        let (id, record, lineage) = (Arc::from("1"), RecordName::from_bytes([1; 16]), Lineage::first().unwrap());
        let found = |mut given: OAuthToken| {
            given.fill_in_place(&id, &seen, record, lineage, None);
            given.fields
        };
        assert!(Arc::ptr_eq(&found(OAuthToken::new().with(Field::UserName, "u")), &seen));
        let other = found(OAuthToken::new().with(Field::UserName, "u").with(Field::AccessToken, "own"));
        assert_eq!((other.text(Field::AccessToken), other.text(Field::RefreshToken)), (Some("own"), Some("r")));
        assert!(found(OAuthToken::new().with(Field::RefreshToken, "own")).text(Field::RefreshToken) == Some("own"));
    }

    #[test]
    fn a_clone_does_not_follow_its_original() {
        let mut token = OAuthToken::new().with(Field::UserName, "u");
        let copy = token.clone();
        token.set(Field::UserName, Some(SecretText::new("v")));
        assert_eq!(copy.user_name(), Some("u"));
    }
}
