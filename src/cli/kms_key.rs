//! Moving a vault in AWS to another KMS key: rotate-key --kms-key-id.

use serde::Serialize;

use crate::audit::facts::{Subject, facts_of};
use crate::backend::secrets_manager::key_report::{KeyReport, KeyUse};
use crate::cli::progress::Progress;
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::cli::text::counted;
use crate::error::{Error, ErrorKind};
use crate::operation::{Context, Operation};

pub(super) async fn rotate(session: &mut Session, key: Option<&str>) -> Done {
    let Some(key) = key else {
        return Err(Error::invalid("the KMS key to move the vault to is not named")
            .with_hint("add --kms-key-id KEY; a new version of the key that it has is KMS's to make")
            .into());
    };
    let opened = session.open().await?;
    let bar = Progress::new(session, "secrets");
    let aws = opened.aws()?;
    let call = (&session.context, Operation::RotateKey, Subject::All);
    let rotate = async |context: &Context| aws.rotate_key(context, key, &|done, total| bar.show(done, total)).await;
    let moved = opened.recorded(call, rotate, facts_of).await;
    bar.finish();
    let report = moved?.value;
    if session.out.is_json() {
        session.out.json(&ReportView::of(key, &report))?;
    }
    for line in lines(key, &report) {
        session.out.remark(&line)?;
    }
    for note in notes(&report) {
        session.out.note(&note);
    }
    match report.current() {
        0 => Ok(()),
        left => Err(Error::new(
            ErrorKind::PermissionDenied,
            format!("{} could not be encrypted under the new key", counted(left, "current value")),
        )
        .with_hint("allow kms:Encrypt on the new key and kms:Decrypt on the old one, then run the same command again")
        .into()),
    }
}

/// [`KeyReport`] for programs.
#[derive(Serialize)]
struct ReportView<'a> {
    key: &'a str,
    secrets: usize,
    moved: usize,
    passes: u32,
    deleted_were_listed: bool,
    left: Vec<LeftView<'a>>,
}

#[derive(Serialize)]
struct LeftView<'a> {
    key: &'a str,
    current: usize,
    recoverable: usize,
    history: usize,
}

impl<'a> ReportView<'a> {
    fn of(key: &'a str, report: &'a KeyReport) -> Self {
        let left = report.left.iter().map(|(key, used)| {
            let KeyUse { current, recoverable, history } = *used;
            LeftView { key, current, recoverable, history }
        });
        Self {
            key,
            secrets: report.secrets,
            moved: report.moved,
            passes: report.passes,
            deleted_were_listed: report.has_listed,
            left: left.collect(),
        }
    }
}

fn lines(key: &str, report: &KeyReport) -> Vec<String> {
    let mut lines = vec![format!(
        "the vault is under {key}: moved {} of {}",
        counted(report.moved, "secret"),
        counted(report.secrets, "secret")
    )];
    for (other, used) in &report.left {
        lines.push(format!(
            "under {}: {}, {} that an undelete needs, {} of history",
            named(other),
            counted(used.current, "current value"),
            used.recoverable,
            used.history
        ));
    }
    lines
}

fn notes(report: &KeyReport) -> Vec<String> {
    let mut notes = Vec::new();
    for (other, used) in &report.left {
        let key = named(other);
        if used.current > 0 {
            notes.push(format!("{key} is still needed: neither disable nor delete it"));
        } else if used.recoverable > 0 {
            notes.push(format!("{key} is needed to undelete tokens: keep it until their recovery window is over"));
        }
    }
    if !report.has_listed {
        notes.push(
            "deleted tokens were not looked for: secretsmanager:ListSecrets is not allowed; keep the old key until the \
             recovery window of the last of them is over"
                .to_owned(),
        );
    }
    notes
}

/// A key as people know it.
fn named(key: &str) -> &str {
    // What listings of versions say for the account's own key.
    if key == "DefaultEncryptionKey" { "aws/secretsmanager" } else { key }
}
