//! The command that copies a vault into another: copy.

use serde::Serialize;

use crate::audit::facts::{Facts, Subject, facts_of};
use crate::cli::config_file::KeyChoice;
use crate::cli::key;
use crate::cli::progress::Progress;
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::cli::text::counted;
use crate::cli::transfer_args::CopyArgs;
use crate::copy::{self, CopyOptions, CopyReport};
use crate::error::{Error, ErrorKind, Result};
use crate::open::StoreLocation;
use crate::operation::{Context, Operation};

pub(super) async fn copy(session: &mut Session, args: &CopyArgs) -> Done {
    let (from, to) = (StoreLocation::parse(&args.from)?, StoreLocation::parse(&args.to)?);
    let key_of_target = check(&from, &to, args)?;
    let source = session.open_at(&from, || key::of_vault(&session.settings.key)).await?;
    let target = match &key_of_target {
        Some(choice) => session.open_at(&to, || key::of_target(choice)).await?,
        None => session.open_at(&to, || key::of_vault(&session.settings.key)).await?,
    };
    let bar = Progress::new(session, "tokens");
    let show = |done, total| bar.show(done, total);
    let options = CopyOptions { dry_run: args.dry_run, progress: Some(&show) };
    let (from, to) = (&**source.vault.backend(), &**target.vault.backend());
    // A line for each of the two vaults: for one it is every token that left, for the other what came.
    let write = async |context: &Context| {
        let copy = async |context: &Context| {
            source.played_back(context).await?;
            target.played_back(context).await?;
            copy::copy(from, to, context, &options).await
        };
        target.recorded((context, Operation::Copy, Subject::All), copy, facts).await
    };
    let copied = source.recorded((&session.context, Operation::Copy, Subject::All), write, facts).await;
    bar.finish();
    tell(session, &copied?, args.dry_run)
}

fn facts(report: &Result<CopyReport>) -> Facts<'_> {
    Facts { count: report.as_ref().ok().map(|report| report.in_source), ..facts_of(report) }
}

/// What the key of the target is named by, where it has one of its own.
fn check(from: &StoreLocation, to: &StoreLocation, args: &CopyArgs) -> Result<Option<KeyChoice>> {
    if [from, to].contains(&&StoreLocation::Memory) {
        return Err(Error::invalid("a vault in memory is empty, and gone when the command ends")
            .with_hint("copy between file:PATH and aws:PREFIX"));
    }
    if from == to {
        return Err(Error::invalid("the two stores are one").with_hint("name another one by --to"));
    }
    let is_file = |store: &StoreLocation| matches!(store, StoreLocation::File(_));
    let named = match (&args.to_key_file, &args.to_passphrase_file) {
        (Some(path), _) => Some(KeyChoice::KeyFile(path.clone())),
        (None, Some(path)) => Some(KeyChoice::PassphraseFile(path.clone())),
        (None, None) => None,
    };
    match (is_file(to), named) {
        (false, Some(_)) => Err(Error::invalid("the store to write into is no file, and has no key of its own")
            .with_hint("leave out --to-key-file and --to-passphrase-file")),
        (true, None) if is_file(from) => Ok(Some(KeyChoice::Ask)),
        (_, named) => Ok(named),
    }
}

/// [`CopyReport`] for programs.
#[derive(Serialize)]
struct ReportView<'a> {
    dry_run: bool,
    new: usize,
    updated: usize,
    unchanged: usize,
    kept: Vec<&'a str>,
    conflicts: Vec<ConflictView<'a>>,
    changed_meanwhile: Vec<&'a str>,
    in_source: usize,
    in_target: usize,
    fingerprint: Option<&'a str>,
}

#[derive(Serialize)]
struct ConflictView<'a> {
    id: &'a str,
    reason: &'a str,
}

impl<'a> ReportView<'a> {
    fn of(report: &'a CopyReport, dry_run: bool) -> Self {
        let conflicts = report.conflicts.iter().map(|one| ConflictView { id: &one.id, reason: one.reason });
        Self {
            dry_run,
            new: report.new,
            updated: report.updated,
            unchanged: report.unchanged,
            kept: report.kept.iter().map(AsRef::as_ref).collect(),
            conflicts: conflicts.collect(),
            changed_meanwhile: report.changed_meanwhile.iter().map(AsRef::as_ref).collect(),
            in_source: report.in_source,
            in_target: report.in_target,
            fingerprint: report.fingerprint.as_deref(),
        }
    }
}

fn tell(session: &mut Session, report: &CopyReport, dry_run: bool) -> Done {
    if session.out.is_json() {
        session.out.json(&ReportView::of(report, dry_run))?;
    }
    let CopyReport { new, updated, unchanged, kept, conflicts, changed_meanwhile, .. } = report;
    let did = if dry_run { "would copy" } else { "copied" };
    session.out.remark(&format!("{did}: {new} new, {updated} updated, {unchanged} unchanged"))?;
    for id in kept {
        session.out.remark(&format!("kept {id}: the target has a newer state"))?;
    }
    for conflict in conflicts {
        session.out.remark(&format!("not copied {}: {}", conflict.id, conflict.reason))?;
    }
    for id in changed_meanwhile {
        session.out.remark(&format!("changed while it was copied: {id}"))?;
    }
    if let Some(fingerprint) = &report.fingerprint {
        session.out.remark(&format!(
            "compared: {} in the source, {} in the target, fingerprint {fingerprint} in both",
            counted(report.in_source, "token"),
            counted(report.in_target, "token")
        ))?;
    }
    if !conflicts.is_empty() {
        return Err(Error::invalid(format!("{} not copied", were(conflicts.len())))
            .with_hint("look at both; delete the one that is not wanted, then run the same command again")
            .into());
    }
    if !changed_meanwhile.is_empty() {
        let what = format!("{} changed while the vault was copied", were(changed_meanwhile.len()));
        return Err(Error::new(ErrorKind::Busy, what).with_hint("run the same command again").into());
    }
    Ok(())
}

fn were(count: usize) -> String {
    format!("{} {}", counted(count, "token"), if count == 1 { "was" } else { "were" })
}
