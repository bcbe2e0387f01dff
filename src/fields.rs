//! The nine texts of a token.

use std::fmt;

use crate::secret::SecretText;

/// A field of a token, by the SDKs' names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Field {
    /// Who the token belongs to.
    UserName,
    /// The OAuth client (the app).
    ClientId,
    /// The client's secret.
    ClientSecret,
    /// The one-time code that a sign-in gave.
    GrantToken,
    /// What new access tokens are made from.
    RefreshToken,
    /// What API calls carry.
    AccessToken,
    /// When the access token ends: epoch milliseconds as decimal digits.
    ExpiresIn,
    /// The client's redirect address.
    RedirectUrl,
    /// The data centre that the token is for.
    ApiDomain,
}

impl Field {
    /// Every field, in the order of the record format.
    pub const ALL: [Self; 9] = [
        Self::UserName,
        Self::ClientId,
        Self::ClientSecret,
        Self::GrantToken,
        Self::RefreshToken,
        Self::AccessToken,
        Self::ExpiresIn,
        Self::RedirectUrl,
        Self::ApiDomain,
    ];

    /// The four that one sign-in or refresh makes together, and that are never taken from two of them.
    pub const GRANTED: [Self; 4] = [Self::GrantToken, Self::RefreshToken, Self::AccessToken, Self::ExpiresIn];

    /// The field's name in the SDKs' Python and in our JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserName => "user_name",
            Self::ClientId => "client_id",
            Self::ClientSecret => "client_secret",
            Self::GrantToken => "grant_token",
            Self::RefreshToken => "refresh_token",
            Self::AccessToken => "access_token",
            Self::ExpiresIn => "expires_in",
            Self::RedirectUrl => "redirect_url",
            Self::ApiDomain => "api_domain",
        }
    }

    /// The field with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Whether the field grants access, and so is shown as a fingerprint only.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::ClientSecret | Self::GrantToken | Self::RefreshToken | Self::AccessToken)
    }
}

/// The nine texts of a token, each present or absent. An empty text counts as absent.
///
/// All nine are held as secret text: which of them may be shown is decided where they are shown.
#[derive(Default, PartialEq, Eq)]
pub struct Fields([Option<SecretText>; 9]);

impl Fields {
    /// No field at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// The fields of these texts, in the order of [`Field::ALL`]; `None` where one is not UTF-8.
    pub(crate) fn read(texts: [&[u8]; 9]) -> Option<Self> {
        SecretText::read_together(texts).map(Self)
    }

    /// The field's text.
    pub fn get(&self, field: Field) -> Option<&SecretText> {
        self.0.get(field as usize).and_then(Option::as_ref)
    }

    /// The field's text, in the clear. See [`SecretText::expose`].
    pub fn text(&self, field: Field) -> Option<&str> {
        self.get(field).map(SecretText::expose)
    }

    /// Sets or clears a field. An empty text clears it.
    pub fn set(&mut self, field: Field, text: Option<SecretText>) {
        let Some(place) = self.0.get_mut(field as usize) else { return };
        let old = std::mem::replace(place, text.filter(|text| !text.expose().is_empty()));
        // What was replaced does not stay in memory for its neighbours' sake.
        if old.is_some_and(|old| old.is_shared()) {
            *self = self.clone();
        }
    }

    /// The fields that are present.
    pub fn present(&self) -> impl Iterator<Item = (Field, &SecretText)> {
        Field::ALL.into_iter().filter_map(|field| Some((field, self.get(field)?)))
    }

    /// Whether all that is present here is the same in `other`.
    pub(crate) fn is_part_of(&self, other: &Self) -> bool {
        self.present().all(|(field, text)| other.get(field) == Some(text))
    }

    /// Takes from `other` what is absent here.
    pub fn fill_from(&mut self, other: &Self) {
        *self = Self::together(|field| self.text(field).or_else(|| other.text(field)));
    }

    fn together<'t>(text: impl Fn(Field) -> Option<&'t str>) -> Self {
        Self(SecretText::together(Field::ALL.map(|field| text(field).unwrap_or_default())))
    }
}

impl Clone for Fields {
    fn clone(&self) -> Self {
        Self::together(|field| self.text(field))
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.present().map(|(field, _)| field)).finish()
    }
}
