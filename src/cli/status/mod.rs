//! What the vault is made of: status. Looks, and changes nothing.

use crate::audit::facts::{Subject, facts_of};
use crate::cli::report::{self, Done};
use crate::cli::session::Session;
#[cfg(feature = "aws")]
use crate::cli::status::copy::{of_copy, of_journal};
use crate::cli::status::settings::of_settings;
use crate::cli::status::sheet::{Figure, Section, Sheet};
#[cfg(feature = "aws")]
use crate::error::ErrorKind;
use crate::error::{Error, Result, Retry};
use crate::open::StoreLocation;
use crate::open::look::Looked;
use crate::open::opened::Opened;
use crate::operation::{Context, Operation};

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "aws")]
mod copy;
mod figures;
mod local;
mod settings;
mod sheet;

pub(super) async fn status(session: &mut Session, is_quick: bool) -> Done {
    let looked = session.look().await?;
    #[cfg(feature = "aws")]
    let has_copy = looked.copy.is_some();
    #[cfg(not(feature = "aws"))]
    let has_copy = false;
    let Looked { opened, .. } = looked;
    let (opened, untold) = match session.watched_if_keyed(opened.clone()).await {
        Ok(opened) => (opened, None),
        // Why there is no line is told, and so is all the rest.
        Err(error) => (opened, Some(error)),
    };
    let call = (&session.context, Operation::Status, Subject::All);
    // Kept beside the call: what was found holds no token, and is to be told also where its line is not taken.
    let mut found = None;
    let look = async |context: &Context| {
        found = Some(match look((session, &opened), context, is_quick, untold.as_ref()).await {
            // Then the copy and the journal are what is asked about.
            Err(error) if has_copy && error.retry() == Retry::Later => out_of_reach(&error),
            found => found?,
        });
        Ok(())
    };
    let (mut sheet, refused) = match (opened.recorded(call, look, facts_of).await, found) {
        (Ok(()), found) => (found.unwrap_or_default(), None),
        (Err(error), Some(sheet)) => (sheet, Some(error)),
        (Err(error), None) => return Err(error.into()),
    };
    #[cfg(feature = "aws")]
    if let Some(copy) = &looked.copy {
        sheet.sections.push(of_copy(copy));
        sheet.sections.extend(copy.journal.as_ref().map(of_journal));
    }
    let line = match (opened.recorder(), refused.as_ref().or(untold.as_ref())) {
        (Some(_), None) => Figure::new(true, "left"),
        (_, Some(error)) => Figure::new(false, format!("none: {}", report::what(error))),
        (None, None) => Figure::new(false, "none: the vault has no key for a trail yet, and status makes none"),
    };
    sheet.sections.push(of_settings(&session.settings, line));
    sheet.tell(&mut session.out)?;
    refused.map_or(Ok(()), |error| Err(error.into()))
}

fn out_of_reach(error: &Error) -> Sheet {
    let reach = Figure::new(false, format!("no: {}", report::what(error)));
    Sheet { sections: vec![Section::new("store").with("in_reach", reach)], ..Sheet::default() }
}

/// `untold`: why no line of it can be left.
async fn look(
    (session, opened): (&Session, &Opened),
    context: &Context,
    is_quick: bool,
    untold: Option<&Error>,
) -> Result<Sheet> {
    #[cfg(not(feature = "aws"))]
    let _ = untold;
    match &session.settings.store {
        #[cfg(feature = "aws")]
        StoreLocation::Aws(_) => match untold {
            // It was asked for the trail's key, and is not waited for again.
            Some(error) if error.kind() == ErrorKind::Unavailable => Err(error.again()),
            _ => aws::look(session, opened.aws()?, context, is_quick).await,
        },
        StoreLocation::File(path) => local::of_file(&session.settings.key, path, opened, context, is_quick).await,
        StoreLocation::Memory => local::of_memory(opened, context).await,
    }
}
