//! Signing a user in: login. The grant code can be used once, and each use is a refresh token at the provider, of which a user has
//! few: so whatever would keep the tokens from being saved is to show before.

use std::path::Path;
use std::time::Duration;

use crate::backend::file::read_secret;
use crate::cli::grant::{no_provider, set};
use crate::cli::grant_args::LoginArgs;
use crate::cli::input::SecretInput;
use crate::cli::report::{self, Done};
use crate::cli::session::Session;
use crate::cli::tokens::remark_on_write;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::fields::Field;
use crate::layer::fresh::exchange;
use crate::open::opened::Opened;
use crate::operation::{Readiness, Source};
use crate::pause::{Pause, SystemPause};
use crate::provider::http::HttpProvider;
use crate::secret::SecretText;
use crate::token::OAuthToken;

/// More than any client secret has.
const MAX_CLIENT_SECRET: usize = 4096;

/// How often the new tokens are saved where the store takes them not: half a minute in all, beside what the store takes itself.
const MAX_SAVES: u32 = 6;

/// The first wait between two saves; each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Exchanges a grant code from standard input, and stores what comes of it.
pub(super) async fn login(session: &mut Session, args: &LoginArgs) -> Done {
    let endpoint = set(session, &args.provider)?.ok_or_else(no_provider)?;
    let mut token = OAuthToken::new().with(Field::UserName, &args.user).with(Field::ClientId, &args.client_id);
    if let Some(url) = &args.redirect_url {
        token.set(Field::RedirectUrl, Some(SecretText::new(url)));
    }
    let given = args.client_secret_file.as_deref().map(client_secret).transpose()?;
    let opened = session.open().await?;
    let stored = stored_secret(session, &opened, &token).await?;
    let secret = given.or(stored).ok_or_else(|| {
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
    let provider = HttpProvider::new(endpoint)?;
    check_that_it_can_be_saved(&opened).await?;
    exchange(&provider, &mut token, SystemClock.now()).await?;
    // It is spent, and would make the next save of it another sign-in.
    token.set(Field::GrantToken, None);
    let context = session.context.clone().under_lease();
    let save = async || opened.store().save_token(&context, &mut token).await;
    let saved = saved(save, &SystemPause, |text| session.out.note(text)).await?;
    remark_on_write(session, saved.source);
    session.out.line(token.id().unwrap_or_default())
}

/// The client secret that is stored for this user and client, if there is one. The vault is asked also where another is given:
/// one that cannot be asked takes no token either, unless a journal does meanwhile.
async fn stored_secret(session: &Session, opened: &Opened, token: &OAuthToken) -> Result<Option<SecretText>> {
    let mut stored = token.clone();
    match opened.store().find_token(&session.context, &mut stored).await {
        Ok(found) if found.source == Source::Fallback && !has_journal(opened) => Err(Error::new(
            ErrorKind::Unavailable,
            "the store is out of reach, and its copy takes no new tokens; nothing was done",
        )
        .with_store(&opened.vault)
        .with_hint("sign in once the store is back, or name a journal beside the copy")),
        Err(error) if error.retry() != Retry::Later || !has_journal(opened) => Err(error),
        _ => Ok(stored.get(Field::ClientSecret).cloned()),
    }
}

#[cfg(feature = "aws")]
fn has_journal(opened: &Opened) -> bool {
    opened.journaled().is_some()
}

#[cfg(not(feature = "aws"))]
const fn has_journal(_: &Opened) -> bool {
    false
}

/// As far as that can be known without a write.
async fn check_that_it_can_be_saved(opened: &Opened) -> Result<()> {
    if let Ok(file) = opened.file() {
        file.examine()?.lock.map_err(|error| error.with_store(&opened.vault))?;
    }
    let Some(recorder) = opened.recorder() else { return Ok(()) };
    recorder.check().await.map_err(|cause| {
        Error::new(ErrorKind::Unavailable, "the save would leave no line, so the grant code was not used")
            .with_source(cause)
            .with_hint("see that the audit trail can be written, then run the same command again")
    })
}

/// Saves what a grant was spent for, so often at most. `say` is told of each try that failed and is not the last.
async fn saved<T>(mut save: impl AsyncFnMut() -> Result<T>, pause: &dyn Pause, say: impl Fn(&str)) -> Result<T> {
    let (mut attempt, mut wait) = (1, FIRST_WAIT);
    loop {
        match save().await {
            Err(error) if error.retry() == Retry::Later && attempt < MAX_SAVES => say(&format!(
                "the new tokens are not stored yet (try {attempt} of {MAX_SAVES}, the next in {} s): {}",
                wait.as_secs(),
                report::what(&error)
            )),
            saved => return saved.map_err(|error| unsaved(&error)),
        }
        pause.pause(wait).await;
        (attempt, wait) = (attempt + 1, wait.saturating_mul(2));
    }
}

fn unsaved(error: &Error) -> Error {
    let what = report::what(error);
    let what = format!(
        "the grant code is spent, and the new refresh token lives at the provider, but it is not stored: {what}"
    );
    let hint = format!("{}; then sign in again, with a new grant code", report::hint(error));
    Error::new(error.kind(), what).with_hint(hint)
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

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::sync::Mutex;

    use super::*;
    use crate::pause::Paused;

    /// Passes at once, and tells how long it was to be.
    #[derive(Debug, Default)]
    struct AtOnce(Mutex<Vec<u64>>);

    impl Pause for AtOnce {
        fn pause(&self, duration: Duration) -> Paused<'_> {
            self.0.lock().unwrap().push(duration.as_secs());
            Box::pin(async {})
        }
    }

    /// Of a store that fails so often in this way: what came of it, the waits, and what was said.
    fn save(failures: u32, kind: ErrorKind) -> (Result<u32>, Vec<u64>, Vec<String>) {
        let (tries, said, pause) = (Cell::new(0), RefCell::new(Vec::new()), AtOnce::default());
        let save = async || {
            tries.set(tries.get() + 1);
            if tries.get() <= failures { Err(Error::new(kind, "no")) } else { Ok(tries.get()) }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let came = runtime.block_on(saved(save, &pause, |text| said.borrow_mut().push(text.to_owned())));
        (came, pause.0.into_inner().unwrap(), said.into_inner())
    }

    #[test]
    fn what_a_grant_was_spent_for_is_saved_again_and_again() {
        let (came, waits, said) = save(3, ErrorKind::Unavailable);
        assert_eq!((came.unwrap(), waits), (4, vec![1, 2, 4]));
        assert!(said.len() == 3 && said[2].contains("try 3 of 6, the next in 4 s): no"), "{said:?}");
        assert_eq!(save(0, ErrorKind::Busy).1.len(), 0);
    }

    #[test]
    fn where_it_cannot_be_saved_it_is_said_what_is_left_at_the_provider() {
        for (kind, tries) in [(ErrorKind::StorageFull, 6), (ErrorKind::PermissionDenied, 1), (ErrorKind::NotFound, 1)] {
            let (came, waits, said) = save(u32::MAX, kind);
            let error = came.unwrap_err();
            assert_eq!((error.kind(), waits.len(), said.len()), (kind, tries - 1, tries - 1));
            assert!(error.message().contains("lives at the provider, but it is not stored: no"), "{error}");
            assert!(error.hint().unwrap().ends_with("; then sign in again, with a new grant code"), "{error:?}");
        }
    }
}
