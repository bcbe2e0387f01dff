//! The commands that ask the OAuth provider: token, login, and revoking before a deletion.

use std::path::Path;
use std::sync::Arc;

use crate::backend::file::read_secret;
use crate::cli::grant_args::{LoginArgs, ProviderArgs, TokenArgs};
use crate::cli::input::SecretInput;
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::cli::text::counted;
use crate::cli::tokens::{no_such, remark_on_write};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::fields::Field;
use crate::layer::fresh::{Refresher, exchange};
use crate::open::opened::Opened;
use crate::pause::SystemPause;
use crate::provider::Provider;
use crate::provider::endpoint::Endpoint;
use crate::provider::http::HttpProvider;
use crate::secret::SecretText;
use crate::token::OAuthToken;

/// More than any client secret has.
const MAX_CLIENT_SECRET: usize = 4096;

/// Prints an access token that lives.
pub(super) async fn token(session: &mut Session, args: &TokenArgs) -> Done {
    let opened = session.open_coordinated().await?;
    let found = wanted(session, &opened, args).await?;
    let provider = provider_of(session, &args.provider, &found)?;
    let (clock, pause) = (Arc::new(SystemClock), Arc::new(SystemPause));
    let refresher = Refresher::new(opened.shared_store(), Arc::new(provider), clock, pause);
    let id = found.id().unwrap_or_default();
    let fresh = refresher.fresh_token(&session.context, id).await?.value;
    let fresh = fresh.ok_or_else(|| no_such(&opened, "the token was deleted meanwhile"))?;
    let text = fresh.get(Field::AccessToken).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the token has no access token").with_hint("sign in again: tokenvault login")
    })?;
    session.out.line(text.expose())
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
    let of_token = || token.fields().text(Field::ApiDomain).and_then(Endpoint::of_api_domain);
    let endpoint = set(session, args)?.or_else(of_token).ok_or_else(no_provider)?;
    HttpProvider::new(endpoint)
}

/// The provider that is named by the flag, else the one of the environment or the configuration.
fn set(session: &Session, args: &ProviderArgs) -> Result<Option<Endpoint>> {
    match &args.provider {
        Some(text) => Endpoint::parse(text).map(Some),
        None => Ok(session.settings.provider.clone()),
    }
}

fn no_provider() -> Error {
    Error::invalid("no provider is set, and the token does not tell its data centre")
        .with_hint("name it by --provider or TOKENVAULT_PROVIDER: us, eu, in, au, jp, cn, ca, sa, uk or https://HOST")
}

/// Exchanges a grant code from standard input, and stores what comes of it.
pub(super) async fn login(session: &mut Session, args: &LoginArgs) -> Done {
    let endpoint = set(session, &args.provider)?.ok_or_else(no_provider)?;
    let mut token = OAuthToken::new().with(Field::UserName, &args.user).with(Field::ClientId, &args.client_id);
    if let Some(url) = &args.redirect_url {
        token.set(Field::RedirectUrl, Some(SecretText::new(url)));
    }
    let opened = session.open().await?;
    let mut stored = token.clone();
    let secret = match &args.client_secret_file {
        Some(path) => Some(client_secret(path)?),
        None => {
            opened.store().find_token(&session.context, &mut stored).await?;
            stored.get(Field::ClientSecret).cloned()
        }
    };
    let secret = secret.ok_or_else(|| {
        Error::invalid("there is no client secret").with_hint("name a file that holds it by --client-secret-file")
    })?;
    token.set(Field::ClientSecret, Some(secret));
    let code = SecretInput::stdin()?.into_line()?;
    if code.is_empty() {
        return Err(Error::invalid("there is no grant code on standard input")
            .with_hint("pipe it in; it is never given as an argument")
            .into());
    }
    token.set(Field::GrantToken, Some(SecretText::new(&code)));
    exchange(&HttpProvider::new(endpoint)?, &mut token, SystemClock.now()).await?;
    // It is spent, and would make the next save of it another sign-in.
    token.set(Field::GrantToken, None);
    let saved = opened.store().save_token(&session.context, &mut token).await?;
    remark_on_write(session, saved.source);
    session.out.line(token.id().unwrap_or_default())
}

fn client_secret(path: &Path) -> Result<SecretText> {
    let bytes = read_secret(path, "client secret file", MAX_CLIENT_SECRET)?;
    let text = std::str::from_utf8(&bytes).ok().map(|text| text.trim_end_matches(['\r', '\n']));
    let text = text.filter(|text| !text.is_empty() && !text.contains(['\r', '\n'])).ok_or_else(|| {
        Error::invalid("the client secret file does not hold one line of text")
            .with_hint("write the secret, and nothing else, into it")
    })?;
    Ok(SecretText::new(text))
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
