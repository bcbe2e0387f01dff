//! The commands of everyday: save, find, get, list.

use std::io::{self, IsTerminal};

use crate::cli::input::SecretInput;
use crate::cli::report::{Done, Stop, at_line};
use crate::cli::session::Session;
use crate::cli::token_args::{FindArgs, GetArgs, ListArgs};
use crate::cli::token_reader::TokenReader;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::fields::Field;
use crate::open::opened::Opened;
use crate::operation::Source;
use crate::secret::SecretText;
use crate::store::{Outcome, Saved};
use crate::token::OAuthToken;

/// Saves token after token as it is read. Where nobody reads the ids any more, the rest is saved all the same: it was
/// asked for.
pub(super) async fn save(session: &mut Session) -> Done {
    let opened = session.open().await?;
    if io::stdin().is_terminal() {
        session.out.note("reading a token as a JSON object; end with Ctrl-D");
    }
    let mut reader = TokenReader::new(SecretInput::stdin()?);
    let mut count: usize = 0;
    loop {
        let saved = save_next(session, &opened, &mut reader).await;
        match saved {
            Ok(true) => count += 1,
            Ok(false) => break,
            Err(error) => {
                if count > 0 {
                    session.out.note(&format!("what came before is saved ({count})"));
                }
                return Err(error.into());
            }
        }
    }
    if count == 0 {
        return Err(Error::invalid("there is no token on standard input")
            .with_hint("pipe one in, as in: tokenvault save < token.json")
            .into());
    }
    Ok(())
}

/// Answers whether there was one more.
async fn save_next<R: io::Read>(session: &mut Session, opened: &Opened, reader: &mut TokenReader<R>) -> Result<bool> {
    let Some((line, mut token)) = reader.next()? else {
        return Ok(false);
    };
    let saved = opened.store().save_token(&session.context, &mut token).await.map_err(|error| at_line(&error, line))?;
    remark_on(session, line, saved.value);
    remark_on_write(session, saved.source);
    match session.out.line(token.id().unwrap_or_default()) {
        Ok(()) | Err(Stop::OutputClosed) => Ok(true),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn remark_on(session: &Session, line: usize, saved: Saved) {
    if saved.expiry_looks_like_seconds {
        session.out.note(&format!(
            "line {line}: expires_in looks like seconds; SDKs read it as milliseconds since 1970, and so as long past"
        ));
    }
    if saved.outcome == Outcome::Superseded {
        session.out.note(&format!("line {line}: the vault holds a newer sign-in of this token, and has kept it"));
    }
}

pub(super) async fn find(session: &mut Session, args: &FindArgs) -> Done {
    let mut token = OAuthToken::new();
    let given = |text: &Option<String>| text.as_deref().map(SecretText::new);
    token.set(Field::UserName, given(&args.user));
    token.set(Field::ClientId, given(&args.client_id));
    let by_stdin = [
        (Field::RefreshToken, args.refresh_token_stdin),
        (Field::AccessToken, args.access_token_stdin),
        (Field::GrantToken, args.grant_token_stdin),
    ];
    if let Some((field, _)) = by_stdin.into_iter().find(|(_, is_asked)| *is_asked) {
        let text = SecretInput::stdin()?.into_line()?;
        if text.is_empty() {
            return Err(Error::invalid(format!("there is no {} on standard input", field.name()))
                .with_hint("pipe it in; it is never given as an argument")
                .into());
        }
        token.set(field, Some(SecretText::new(&text)));
    }
    let opened = session.open().await?;
    let answer = opened.store().find_token(&session.context, &mut token).await?;
    if !answer.value {
        return Err(not_found("no token matches").into());
    }
    remark_on_source(session, answer.source);
    session.out.token(&token, args.reveal.reveal)
}

fn remark_on_source(session: &Session, source: Source) {
    match source {
        Source::Fallback => {
            session.out.note("the store is out of reach: this is what its copy has, and may have changed since");
        }
        Source::Journal => session.out.note("this is what the journal has, and the store does not have yet"),
        _ => {}
    }
}

/// That a write is in the journal and not in the store.
pub(super) fn remark_on_write(session: &Session, source: Source) {
    if source == Source::Journal {
        session.out.note("the store is out of reach: this is in the journal, and comes to the store when that is back");
    }
}

fn not_found(what: &str) -> Error {
    Error::new(ErrorKind::NotFound, what).with_hint("`tokenvault list` shows what is there")
}

/// That there is no token of an id: where deleted ones are kept for a while, it may be one of those.
pub(super) fn no_such(opened: &Opened, what: &str) -> Error {
    let error = not_found(what);
    match opened.recovery() {
        Some(window) => error.with_hint(format!(
            "`tokenvault list` shows what is there; `tokenvault undelete ID` brings back what was deleted in the last {} days",
            window.days()
        )),
        None => error,
    }
}

pub(super) async fn get(session: &mut Session, args: &GetArgs) -> Done {
    let opened = session.open().await?;
    let answer = opened.store().find_token_by_id(&session.context, &args.id).await?;
    remark_on_source(session, answer.source);
    let token = answer.value.ok_or_else(|| no_such(&opened, "no token has this id"))?;
    let Some(name) = &args.field else {
        return session.out.token(&token, args.reveal.reveal);
    };
    // In the clear without --reveal: a script that names a field wants its text.
    let text = Field::from_name(name).map_or_else(|| token.id(), |field| token.fields().text(field));
    let missing = || Error::new(ErrorKind::NotFound, format!("the token has no {name}"));
    session.out.line(text.ok_or_else(missing)?)
}

pub(super) async fn list(session: &mut Session, args: &ListArgs) -> Done {
    let opened = session.open().await?;
    let answer = opened.store().get_tokens(&session.context).await?;
    remark_on_source(session, answer.source);
    let tokens = answer.value;
    let until = args.expiring.map(|within| SystemClock.now().after(within));
    let is_asked_for = |token: &&OAuthToken| {
        args.user.as_deref().is_none_or(|user| token.user_name() == Some(user))
            && until.is_none_or(|until| token.expires_at().is_some_and(|at| at <= until))
    };
    session.out.tokens(tokens.iter().map(AsRef::as_ref).filter(is_asked_for), args.reveal.reveal)
}
