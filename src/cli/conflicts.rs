//! What did not stand of the writes of both sides when a journal was played back: conflicts.

use serde::Serialize;

use crate::audit::facts::{Facts, Subject, facts_of};
use crate::audit::utc;
use crate::backend::fallback::journal::lost::Lost;
use crate::cli::conflicts_args::ConflictsArgs;
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::cli::text::{counted, fingerprint, relative};
use crate::cli::token_view::TokenView;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Error, Result};
use crate::fields::{Field, Fields};
use crate::layer::journal::Journaled;
use crate::open::opened::Opened;
use crate::operation::{Context, Operation};
use crate::token::OAuthToken;

pub(super) async fn run(session: &mut Session, args: &ConflictsArgs) -> Done {
    if args.clear && !args.yes {
        return Err(Error::invalid("this would forget every value that did not stand; nothing was forgotten")
            .with_hint("say --yes if you mean it; `tokenvault conflicts --reveal` shows them first")
            .into());
    }
    let opened = session.open().await?;
    let journaled = journaled(&opened)?;
    if args.clear {
        let call = (&session.context, Operation::ClearConflicts, Subject::All);
        let clear = async |_: &Context| journaled.journal().forget_lost(SystemClock.now()).await;
        let count = opened.recorded(call, clear, |count| of_count(count, |count| *count)).await?;
        return session.out.remark(&format!("forgot {}", counted(count, "value")));
    }
    let call = (&session.context, Operation::Conflicts, Subject::All);
    let look = async |context: &Context| {
        // What waits may not stand either. Where it cannot be played back, what is known is shown all the same.
        if let Err(error) = journaled.play_back(context).await {
            session.out.note(&format!("not all of the journal has come to the store: {error}"));
        }
        journaled.journal().lost().await
    };
    let lost = opened.recorded(call, look, |lost| of_count(lost, Vec::len)).await?;
    show(session, &lost, args.reveal.reveal)
}

fn of_count<T>(result: &Result<T>, count: impl FnOnce(&T) -> usize) -> Facts<'_> {
    Facts { count: result.as_ref().ok().map(count), ..facts_of(result) }
}

fn journaled(opened: &Opened) -> Result<&Journaled> {
    opened.journaled().ok_or_else(|| {
        Error::invalid("this store has no journal, and so no conflicts")
            .with_store(&opened.vault)
            .with_hint("name the store with its journal, as in aws:PREFIX?fallback=file:PATH&journal=file:PATH")
    })
}

/// One value for programs.
#[derive(Serialize)]
struct LostView<'t> {
    why: &'static str,
    acknowledged_at: String,
    decided_at: String,
    token: TokenView<'t>,
}

fn show(session: &mut Session, lost: &[Lost], reveal: bool) -> Done {
    let tokens: Vec<OAuthToken> = lost.iter().map(token).collect();
    if session.out.is_json() {
        let views = lost.iter().zip(&tokens).map(|(lost, token)| LostView {
            why: lost.why.name(),
            acknowledged_at: moment(lost.acknowledged_at),
            decided_at: moment(lost.at),
            token: TokenView { token, reveal },
        });
        return session.out.json(&views.collect::<Vec<_>>());
    }
    let header = ["ID", "USER", "ACCESS TOKEN", "REFRESH TOKEN", "ACKNOWLEDGED", "WHY IT DID NOT STAND"];
    let now = SystemClock.now();
    let rows = lost.iter().zip(&tokens).map(|(lost, token)| {
        let secret = |field| match token.get(field) {
            Some(text) if reveal => text.expose().to_owned(),
            text => text.map(fingerprint).unwrap_or_default(),
        };
        vec![
            token.id().unwrap_or("(all tokens)").to_owned(),
            token.user_name().unwrap_or_default().to_owned(),
            secret(Field::AccessToken),
            secret(Field::RefreshToken),
            relative(lost.acknowledged_at, now),
            lost.why.to_string(),
        ]
    });
    match reveal {
        true => session.out.whole_rows(&header, rows, "no conflicts"),
        false => session.out.rows(&header, rows, "no conflicts"),
    }
}

fn token(lost: &Lost) -> OAuthToken {
    let mut token = OAuthToken::from_fields(Fields::clone(&lost.fields));
    token.set_id(lost.id.as_deref());
    token
}

fn moment(at: Timestamp) -> String {
    String::from_utf8_lossy(&utc::written(at)).into_owned()
}
