//! The commands that delete, for a while or for good, and bring back: delete, delete-all, undelete.

use crate::backend::recovery::{Purged, RecoveryWindow};
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::cli::text::counted;
use crate::cli::tokens::no_such;
use crate::error::{Error, Result};
use crate::open::Opened;
use crate::store::TokenStore;
use crate::undelete;

pub(super) async fn delete(session: &mut Session, id: &str, purge: bool) -> Done {
    let opened = session.open().await?;
    if purge {
        let window = to_purge(&opened)?;
        if !undelete::purge(&opened.vault, window, &session.context, id).await? {
            return Err(no_such(&opened, "no token has this id; nothing was deleted").into());
        }
        return session.out.remark("deleted for good: nothing brings it back");
    }
    let Some(record) = opened.vault.delete_record(&session.context, id).await?.value else {
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

pub(super) async fn delete_all(session: &mut Session, yes: bool, purge: bool) -> Done {
    if !yes {
        return Err(Error::invalid("this would delete every token; nothing was deleted")
            .with_hint("say --yes if you mean it; `tokenvault backup` or `tokenvault copy` makes a copy first")
            .into());
    }
    let opened = session.open().await?;
    if !purge {
        let count = opened.vault.delete_tokens(&session.context).await?.value;
        return session.out.remark(&format!("deleted {}", counted(count, "token")));
    }
    let window = to_purge(&opened)?;
    let purged = window.clear_for_good(&session.context).await.map_err(|error| error.with_store(&opened.vault))?;
    let Purged { deleted, purged, has_listed } = purged.value;
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

/// Checked before anything is deleted.
fn to_purge(opened: &Opened) -> Result<&dyn RecoveryWindow> {
    opened.recovery().ok_or_else(|| {
        Error::invalid("this store keeps nothing of a deleted token that could be purged; nothing was deleted")
            .with_store(&opened.vault)
            .with_hint("leave out --purge")
    })
}

pub(super) async fn undelete(session: &mut Session, id: &str) -> Done {
    let opened = session.open().await?;
    let window = opened.recovery().ok_or_else(|| {
        Error::invalid("this store keeps nothing of a deleted token, so none can be brought back")
            .with_store(&opened.vault)
            .with_hint("let the user sign in again, or take the token from a backup")
    })?;
    let id = undelete::undelete(&opened.vault, window, &session.context, id).await?.value;
    session.out.remark("brought back, under the id")?;
    session.out.line(&id)
}
