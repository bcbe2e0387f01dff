//! What asks the OAuth provider for a token that is stored: the command token, and revoking before a deletion.

use std::sync::Arc;

use crate::cli::grant_args::{ProviderArgs, TokenArgs};
use crate::cli::report::{self, Done};
use crate::cli::session::Session;
use crate::cli::text::counted;
use crate::cli::tokens::no_such;
use crate::error::{Error, ErrorKind, Result};
use crate::fields::Field;
use crate::open::opened::Opened;
use crate::provider::Provider;
use crate::provider::endpoint::Endpoint;
use crate::provider::http::HttpProvider;
use crate::secret::SecretText;
use crate::token::OAuthToken;

/// Prints an access token that lives.
pub(super) async fn token(session: &mut Session, args: &TokenArgs) -> Done {
    let opened = session.open_coordinated().await?;
    // Each look at a token costs a call and leaves a line: only what is not known yet is looked for.
    let (id, endpoint, none) = match (&args.id, set(session, &args.provider)?) {
        (Some(id), Some(endpoint)) => (id.clone(), endpoint, "no token matches"),
        (_, set) => {
            let found = wanted(session, &opened, args).await?;
            let endpoint = set.or_else(|| of_data_centre(&found)).ok_or_else(no_provider)?;
            (found.id().unwrap_or_default().to_owned(), endpoint, "the token was deleted meanwhile")
        }
    };
    let refresher = opened.refresher(Arc::new(HttpProvider::new(endpoint)?))?;
    let fresh = refresher.fresh_token(&session.context, &id).await;
    // What is kept is lost with this process.
    let fresh = fresh.map_err(|error| if refresher.unsaved_tokens() > 0 { unstored(&error) } else { error })?.value;
    let fresh = fresh.ok_or_else(|| no_such(&opened, none))?;
    let text = fresh.get(Field::AccessToken).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the token has no access token").with_hint("sign in again: tokenvault login")
    })?;
    session.out.line(text.expose())
}

fn unstored(error: &Error) -> Error {
    let what = report::what(error);
    let what =
        format!("the token was refreshed, and what came of it lives at the provider, but it is not stored: {what}");
    let hint = format!(
        "{}; then run the same command again. Where the provider gave a new refresh token, it refuses the one that is stored: \
         sign in again then",
        report::hint(error)
    );
    Error::new(error.kind(), what).with_hint(hint)
}

/// The token that is meant, as it is stored.
async fn wanted(session: &Session, opened: &Opened, args: &TokenArgs) -> Result<OAuthToken> {
    let mut token = OAuthToken::new();
    match &args.id {
        Some(id) => token.set_id(Some(id)),
        None => {
            let given = |text: &Option<String>| text.as_deref().map(SecretText::new);
            token.set(Field::UserName, given(&args.user));
            token.set(Field::ClientId, given(&args.client_id));
        }
    }
    // What follows takes the lease, or waits.
    match opened.uncoordinated().find_token(&session.context, &mut token).await?.value {
        true => Ok(token),
        false => Err(no_such(opened, "no token matches")),
    }
}

/// The provider that is set, or else the one of the token's data centre.
fn provider_of(session: &Session, args: &ProviderArgs, token: &OAuthToken) -> Result<HttpProvider> {
    let endpoint = set(session, args)?.or_else(|| of_data_centre(token)).ok_or_else(no_provider)?;
    HttpProvider::new(endpoint)
}

fn of_data_centre(token: &OAuthToken) -> Option<Endpoint> {
    token.fields().text(Field::ApiDomain).and_then(Endpoint::of_api_domain)
}

/// The provider that is named by the flag, else the one of the environment or the configuration.
pub(super) fn set(session: &Session, args: &ProviderArgs) -> Result<Option<Endpoint>> {
    match &args.provider {
        Some(text) => Endpoint::parse(text).map(Some),
        None => Ok(session.settings.provider.clone()),
    }
}

pub(super) fn no_provider() -> Error {
    Error::invalid("no provider is set, and the token does not tell its data centre")
        .with_hint("name it by --provider or TOKENVAULT_PROVIDER: us, eu, in, au, jp, cn, ca, sa, uk or https://HOST")
}

/// At the provider: what is about to be deleted. Nothing is deleted where that fails.
async fn revoke(session: &Session, args: &ProviderArgs, token: &OAuthToken) -> Result<()> {
    if token.get(Field::RefreshToken).is_none() {
        return Ok(());
    }
    provider_of(session, args, token)?.revoke(token.fields()).await
}

/// Revokes the token with this id, if there is one.
pub(super) async fn revoke_one(session: &Session, opened: &Opened, args: &ProviderArgs, id: &str) -> Result<()> {
    let mut token = OAuthToken::new().with_id(id);
    if opened.store().find_token(&session.context, &mut token).await?.value {
        revoke(session, args, &token).await?;
    }
    Ok(())
}

/// Revokes every token. Answers what to say of it.
pub(super) async fn revoke_all(session: &Session, opened: &Opened, args: &ProviderArgs) -> Result<String> {
    let tokens = opened.store().get_tokens(&session.context).await?.value;
    let mut revoked = 0;
    for token in &tokens {
        revoke(session, args, token).await.map_err(|error| {
            let hint = error.hint().unwrap_or("try again later").to_owned();
            error.with_hint(format!(
                "{hint}; {} of {} revoked, nothing deleted: run it again",
                revoked,
                counted(tokens.len(), "token")
            ))
        })?;
        revoked += usize::from(token.get(Field::RefreshToken).is_some());
    }
    Ok(format!("revoked {}", counted(revoked, "token")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_refreshed_token_is_left_that_cannot_be_saved_is_said() {
        let cause = Error::new(ErrorKind::Unavailable, "no answer").with_hint("see to it");
        let error = unstored(&cause);
        assert_eq!((error.kind(), error.retry()), (cause.kind(), cause.retry()));
        assert!(error.message().ends_with("lives at the provider, but it is not stored: no answer"), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.starts_with("see to it; then run the same command again") && hint.ends_with("sign in again then"));
    }
}
