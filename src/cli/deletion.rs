//! The commands that delete, for a while or for good, and bring back: delete, delete-all, undelete.

use crate::audit::facts::{Facts, Subject, facts_of};
use crate::audit::line::Ending;
use crate::backend::recovery::{Purged, RecoveryWindow};
use crate::cli::deletion_args::{DeleteAllArgs, DeleteArgs};
use crate::cli::grant;
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::cli::text::counted;
use crate::cli::tokens::{no_such, remark_on_write};
use crate::error::{Error, Result};
use crate::identity::RecordName;
use crate::open::opened::Opened;
use crate::operation::{Answer, Context, Operation};
use crate::undelete;

pub(super) async fn delete(session: &mut Session, args: &DeleteArgs) -> Done {
    let DeleteArgs { id, purge, revoke, provider } = args;
    let opened = session.open().await?;
    let window = window_to_purge(&opened, *purge)?;
    if *revoke {
        grant::revoke_one(session, &opened, provider, id).await?;
    }
    if let Some(window) = window {
        let call = (&session.context, Operation::Purge, Subject::Id(id));
        let purge =
            async |context: &Context| undelete::purge(opened.played_back(context).await?, window, context, id).await;
        if !opened.recorded(call, purge, |purged| of_deletion(purged, |is_purged| *is_purged)).await? {
            return Err(no_such(&opened, "no token has this id; nothing was deleted").into());
        }
        return session.out.remark("deleted for good: nothing brings it back");
    }
    let call = (&session.context, Operation::DeleteToken, Subject::Id(id));
    let delete = async |context: &Context| opened.delete_record(context, id).await;
    let deleted = opened.recorded(call, delete, of_answer).await?;
    remark_on_write(session, deleted.source);
    let Some(record) = deleted.value else {
        return Err(no_such(&opened, "no token has this id; nothing was deleted").into());
    };
    match opened.recovery() {
        Some(window) => session.out.remark(&format!(
            "deleted; for {} `tokenvault undelete {record}` brings it back",
            counted(usize::try_from(window.days()).unwrap_or_default(), "day")
        )),
        None => session.out.remark("deleted"),
    }
}

fn of_answer(deleted: &Result<Answer<Option<RecordName>>>) -> Facts<'_> {
    let source = deleted.as_ref().ok().map(|answer| answer.source);
    Facts { source, ..of_deletion(deleted, |answer| answer.value.is_some()) }
}

/// What a line says of the deletion of one token.
fn of_deletion<T>(result: &Result<T>, was_there: impl Fn(&T) -> bool) -> Facts<'_> {
    match result {
        Ok(value) if was_there(value) => Facts { is_token: true, ..Facts::of(Ending::Ok) },
        Ok(_) => Facts::of(Ending::NotFound),
        Err(error) => Facts::of_error(error.kind()),
    }
}

pub(super) async fn delete_all(session: &mut Session, args: &DeleteAllArgs) -> Done {
    if !args.yes {
        return Err(Error::invalid("this would delete every token; nothing was deleted")
            .with_hint("say --yes if you mean it; `tokenvault backup` or `tokenvault copy` makes a copy first")
            .into());
    }
    let opened = session.open().await?;
    let window = window_to_purge(&opened, args.purge)?;
    if args.revoke {
        let revoked = grant::revoke_all(session, &opened, &args.provider).await?;
        session.out.remark(&revoked)?;
    }
    let Some(window) = window else {
        let Answer { value: count, source, .. } = opened.store().delete_tokens(&session.context).await?;
        remark_on_write(session, source);
        return session.out.remark(&format!("deleted {}", counted(count, "token")));
    };
    let call = (&session.context, Operation::PurgeAll, Subject::All);
    let clear = async |context: &Context| {
        opened.played_back(context).await?;
        Ok(window.clear_for_good(context).await.map_err(|error| error.with_store(&opened.vault))?.value)
    };
    let Purged { deleted, purged, has_listed } = opened.recorded(call, clear, facts_of).await?;
    if !has_listed {
        session.out.note(
            "what was deleted before was not looked for: secretsmanager:ListSecrets is not allowed; it goes when its \
             recovery window is over",
        );
    }
    session.out.remark(&format!(
        "deleted {}, and {} for good: nothing brings them back",
        counted(deleted, "token"),
        counted(purged, "secret")
    ))
}

/// What takes away for good, where that is asked for. Checked before anything is revoked or deleted.
fn window_to_purge(opened: &Opened, is_asked: bool) -> Result<Option<&dyn RecoveryWindow>> {
    let none = || {
        Error::invalid("this store keeps nothing of a deleted token that could be purged; nothing was deleted")
            .with_store(&opened.vault)
            .with_hint("leave out --purge")
    };
    is_asked.then(|| opened.recovery().ok_or_else(none)).transpose()
}

pub(super) async fn undelete(session: &mut Session, id: &str) -> Done {
    let opened = session.open().await?;
    let window = opened.recovery().ok_or_else(|| {
        Error::invalid("this store keeps nothing of a deleted token, so none can be brought back")
            .with_store(&opened.vault)
            .with_hint("let the user sign in again, or take the token from a backup")
    })?;
    let call = (&session.context, Operation::Undelete, Subject::Id(id));
    let undelete = async |context: &Context| {
        Ok(undelete::undelete(opened.played_back(context).await?, window, context, id).await?.value)
    };
    let id = opened.recorded(call, undelete, |id| Facts { token: id.as_deref().ok(), ..facts_of(id) }).await?;
    session.out.remark("brought back, under the id")?;
    session.out.line(&id)
}
