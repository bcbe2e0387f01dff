//! The OAuth provider: refreshing, exchanging a grant, revoking (RFC 6749, RFC 7009).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::fields::Fields;
use crate::secret::SecretText;

pub mod endpoint;
mod form;
pub mod http;
mod reply;

/// What the provider granted.
///
/// # Security
/// Its texts are wiped when dropped, and `Debug` shows none of them.
#[derive(Clone)]
#[non_exhaustive]
pub struct Granted {
    /// The new access token.
    pub access_token: SecretText,
    /// A new refresh token, where the old one is not to be used again (RFC 6749, section 6).
    pub refresh_token: Option<SecretText>,
    /// When the access token ends, where that was told.
    pub expires_at: Option<Timestamp>,
    /// Which of the provider's APIs the token is for.
    pub api_domain: Option<Arc<str>>,
}

impl Granted {
    /// No more than an access token.
    pub fn new(access_token: SecretText) -> Self {
        Self { access_token, refresh_token: None, expires_at: None, api_domain: None }
    }
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted")
            .field("has_refresh_token", &self.refresh_token.is_some())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Who grants tokens.
///
/// # Errors of its operations
/// - `Revoked`: the grant is dead, and somebody has to sign in again.
/// - `Unavailable`: the provider is out of reach, busy, or asked too often: try later.
/// - `PermissionDenied`: the client is not known there, or may not do that.
/// - `InvalidInput`: the token lacks what the operation needs; nothing was sent.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// A new access token for a refresh token.
    ///
    /// # Errors
    /// As above.
    async fn refresh(&self, token: &Fields) -> Result<Granted>;

    /// The first tokens for a grant token, which can be used once.
    ///
    /// # Errors
    /// As above.
    async fn exchange(&self, token: &Fields) -> Result<Granted>;

    /// Ends the refresh token, and all that was granted for it. One that is not known there any more counts as ended.
    ///
    /// # Errors
    /// As above.
    async fn revoke(&self, token: &Fields) -> Result<()>;
}
