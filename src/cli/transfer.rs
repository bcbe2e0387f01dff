//! The commands that bring tokens in and out: import, export.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::audit::facts::{Facts, Subject, facts_of};
use crate::cli::import_view::SummaryView;
use crate::cli::new_file::write_new;
use crate::cli::progress::Progress;
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::cli::text::counted;
use crate::cli::transfer_args::{ExportArgs, Ids, ImportArgs, Sdk};
use crate::error::{Error, Result};
use crate::export::{self, CsvFormat};
use crate::import::row::Rows;
use crate::import::{self, ImportOptions, csv, sqlite};
use crate::operation::Operation;
use crate::store::TokenStore;

/// Below this an import is over before a bar could be read.
const WORTH_A_BAR: usize = 2000;

pub(super) async fn import(session: &mut Session, args: &ImportArgs) -> Done {
    let rows = read(&args.from)?;
    let opened = session.open().await?;
    let is_long = rows.rows.len() >= WORTH_A_BAR;
    let bar = if is_long { Progress::new(session, "rows") } else { Progress::hidden() };
    let progress = |done: usize, total: usize| bar.show(done, total);
    let options = ImportOptions {
        ids: match args.ids {
            Ids::Keep => import::Ids::Keep,
            Ids::New => import::Ids::New,
        },
        overwrite: args.overwrite,
        dry_run: args.dry_run,
        skip_refused: args.skip_refused,
        progress: Some(&progress),
    };
    let call = (&session.context, Operation::Import, Subject::All);
    let summary = opened
        .recorded(
            call,
            async |context| import::import(opened.played_back(context).await?, context, &rows, &options).await,
            |summary| Facts { count: Some(rows.rows.len()), ..facts_of(summary) },
        )
        .await;
    bar.finish();
    let summary = summary?;
    let view = SummaryView(&summary);
    if session.out.is_json() {
        session.out.json(&view)?;
    }
    for line in view.lines() {
        session.out.remark(&line)?;
    }
    for warning in view.warnings() {
        session.out.note(&warning);
    }
    Ok(summary
        .check()
        .map_err(|error| error.with_hint("correct these rows, or add --skip-refused to import the others"))?)
}

fn read(from: &OsStr) -> Result<Rows> {
    match from.as_bytes().strip_prefix(b"sqlite:") {
        Some(path) => sqlite::read(Path::new(OsStr::from_bytes(path))),
        None => csv::read(Path::new(from)),
    }
}

pub(super) async fn export(session: &mut Session, args: &ExportArgs) -> Done {
    if !args.reveal.reveal {
        return Err(Error::invalid("an export holds every secret in the clear; nothing was written")
            .with_hint("say --reveal if you mean it")
            .into());
    }
    let opened = session.open().await?;
    let call = (&session.context, Operation::Export, Subject::All);
    let tokens = opened
        .recorded(
            call,
            async |context| Ok(opened.played_back(context).await?.get_tokens(context).await?.value),
            |tokens| Facts { count: tokens.as_ref().ok().map(Vec::len), ..facts_of(tokens) },
        )
        .await?;
    let format = match args.format_of {
        Sdk::Python => CsvFormat::Python,
        Sdk::Node => CsvFormat::Node,
        Sdk::Typescript => CsvFormat::Typescript,
    };
    let bytes = export::to_csv(&tokens, format)?;
    let Some(path) = &args.to else {
        return session.out.write(&bytes);
    };
    write_new(path, &bytes)?;
    session.out.remark(&format!("wrote {} in the clear to {}", counted(tokens.len(), "token"), path.display()))
}
