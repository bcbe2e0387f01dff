//! The token store: the six operations that the Zoho CRM SDKs ask for.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;
use crate::operation::{Answer, Context};
use crate::token::OAuthToken;

/// What the SDKs ask of a token store.
///
/// # Matching
/// The first rule that applies to the given token decides; an empty text counts as absent; comparison is exact.
/// 1. **id**: that record, nothing else.
/// 2. **user name**: same user, and same client where one is given.
/// 3. **access token**, with neither client id nor client secret: same access token, among records without a refresh
///    token. (Where a grant or refresh token is given too and nothing matches here, rule 4 still applies, so that
///    saving such a token twice makes one record.)
/// 4. **grant or refresh token**: the grant equal, else the refresh token equal to the one the record's sign-in began
///    with; and same client where one is given.
/// 5. Anything else: no match. Never "the first row".
///
/// Where several records match, the one saved last.
///
/// # Atomicity
/// A save or delete is visible as a whole or not at all. Two saves of one new user at once make one record. A failed
/// operation changes nothing.
///
/// # Log-out is final
/// A token that was handed out remembers the record it came from. Saving it after that record was deleted is an
/// error, whatever has been stored since under its id: a refresh that was under way undoes no log-out. Nor does it
/// overwrite a newer sign-in.
///
/// # Missing
/// Nothing found is `None`, `false` or an empty list; it is never an error.
///
/// # Cancellation
/// Dropping the future of a save or delete leaves it open whether it takes effect; it is never half done.
///
/// # Layers
/// A layer wraps a store and is one. Its `impl` bears `#[deny(clippy::missing_trait_methods)]`.
#[async_trait]
pub trait TokenStore: fmt::Debug + fmt::Display + Send + Sync {
    /// Fills the absent fields of `token`, and its id, from the record it means. Fields given stay as given. Answers
    /// whether there was one; where there was none, `token` is unchanged.
    ///
    /// # Errors
    /// As the store has them; never because nothing matches.
    async fn find_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<bool>>;

    /// The token with this id.
    ///
    /// # Errors
    /// As the store has them; never because nothing matches.
    async fn find_token_by_id(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>>;

    /// Updates the record that `token` means, or makes one. Fills the absent fields of `token` from the record, and
    /// sets its id. A field is never cleared by absence.
    ///
    /// # Errors
    /// `InvalidInput` for a token that cannot be stored, or that contradicts the record its id names; `Ambiguous` where
    /// it fits several records; `Gone` where the record it came from was deleted. None of them changes anything.
    async fn save_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<Saved>>;

    /// Deletes the token with this id. Answers whether there was one; where there was none, that it is gone is kept as
    /// durably as if this had deleted it.
    ///
    /// # Errors
    /// As the store has them; never because nothing matches.
    async fn delete_token(&self, context: &Context, id: &str) -> Result<Answer<bool>>;

    /// Every token, in the order in which they were first saved.
    ///
    /// # Errors
    /// As the store has them.
    async fn get_tokens(&self, context: &Context) -> Result<Answer<Vec<Arc<OAuthToken>>>>;

    /// Deletes every token: all that was acknowledged before this began is gone. Answers how many there were.
    ///
    /// # Errors
    /// As the store has them.
    async fn delete_tokens(&self, context: &Context) -> Result<Answer<usize>>;
}

/// What a save did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saved {
    /// What became of the token.
    pub outcome: Outcome,
    /// The expiry looks like seconds where milliseconds belong: stored as given, but the SDK will take it for long
    /// past.
    pub expiry_looks_like_seconds: bool,
}

/// What became of a token that was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A new record.
    Inserted,
    /// The record it means was changed.
    Updated,
    /// The record has moved on since this token was handed out: its access token, refresh token, grant and expiry were
    /// kept as they are. Other fields were taken over.
    Superseded,
}

impl Saved {
    /// A save with this outcome and nothing to warn of.
    pub const fn new(outcome: Outcome) -> Self {
        Self { outcome, expiry_looks_like_seconds: false }
    }
}
