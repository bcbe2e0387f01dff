//! Whether everything that the vault needs is there: doctor. What it tries leaves nothing behind.

use crate::audit::facts::{Subject, facts_of};
use crate::audit::failure::is_refused;
use crate::audit::recorder::Mode;
use crate::cli::audit_settings::AuditTarget;
use crate::cli::doctor::check::{Check, tell};
use crate::cli::look_args::DoctorArgs;
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::open::StoreLocation;
use crate::open::look::Looked;
use crate::open::opened::Opened;
use crate::operation::{Context, Operation};

#[cfg(feature = "aws")]
mod aws;
mod check;
mod local;
#[cfg(feature = "aws")]
mod rights;

pub(super) async fn doctor(session: &mut Session, args: &DoctorArgs) -> Done {
    // Also where calls go on without their lines: here the line is what is tried.
    session.settings.audit.iter_mut().for_each(|audit| audit.mode = Mode::Required);
    let mut checks = local::of_key_file(&session.settings);
    let Looked { opened, .. } = match session.look().await {
        Ok(looked) => {
            #[cfg(feature = "aws")]
            if let Some(copy) = &looked.copy {
                checks.extend(local::of_copy(copy));
                checks.extend(copy.journal.iter().flat_map(local::of_journal));
            }
            looked
        }
        Err(error) => {
            let store = session.settings.store.to_string();
            checks.push(Check::ok("the vault opens", store, "everything").failed(&error));
            return tell(session, &checks);
        }
    };
    let (opened, trail) = with_trail(session, opened).await;
    let call = (&session.context, Operation::Doctor, Subject::All);
    // Kept beside the call: what was found is to be told also where its line is not taken.
    let mut found = Vec::new();
    let look = async |context: &Context| {
        found = look(session, &opened, context, args).await?;
        Ok(())
    };
    let recorded = opened.recorded(call, look, facts_of).await;
    checks.extend(found);
    #[cfg(feature = "audit-cloudwatch")]
    checks.extend(of_logs(session, args.operator).await);
    checks.extend(match (recorded, trail) {
        (Ok(()), trail) => trail,
        (Err(error), Some(trail)) if is_refused(&error) => Some(trail.missing(&error)),
        (Err(error), Some(trail)) => Some(trail.failed(&error)),
        (Err(error), None) => Some(Check::ok("the vault reads", opened.vault.to_string(), "everything").failed(&error)),
    });
    tell(session, &checks)
}

#[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "only AWS has rights to try"))]
async fn look(session: &Session, opened: &Opened, context: &Context, args: &DoctorArgs) -> Result<Vec<Check>> {
    match &session.settings.store {
        #[cfg(feature = "aws")]
        StoreLocation::Aws(location) => Ok(aws::checks(location, opened.aws()?, context, args).await),
        StoreLocation::File(path) => local::of_file(&path.display().to_string(), opened.file()?),
        StoreLocation::Memory => Ok(vec![Check::ok("memory", "this process", "everything")]),
    }
}

/// The vault with its trail, where that can be opened and is wanted, and what there is to say of it.
async fn with_trail(session: &Session, opened: Opened) -> (Opened, Option<Check>) {
    if session.settings.audit.is_none() {
        return (opened, None);
    }
    let check = of_trail(session);
    match session.watched_if_keyed(opened.clone()).await {
        Ok(opened) if opened.recorder().is_some() => (opened, Some(check)),
        Ok(opened) => {
            let keyless =
                Error::new(ErrorKind::NotFound, "the vault has no key for a trail yet, and doctor makes none")
                    .with_hint("run any other command with this trail, which makes the key, then doctor again");
            (opened, Some(check.not_tried(&keyless).optional(true)))
        }
        Err(error) => (opened, Some(check.failed(&error))),
    }
}

/// The rights on CloudWatch Logs that doctor's own line does not try. A stream is made where there is none, by whoever writes
/// first.
#[cfg(feature = "audit-cloudwatch")]
async fn of_logs(session: &Session, is_operator: bool) -> Vec<Check> {
    let Some(AuditTarget::CloudWatch(location)) = session.settings.audit.as_ref().map(|audit| &audit.target) else {
        return Vec::new();
    };
    let reading = Check::ok("logs:FilterLogEvents", format!("cloudwatch:{location}"), "tokenvault audit");
    let reading = match async { location.logs().await?.try_reading().await }.await {
        Ok(()) => reading,
        // Who may not read is told so first.
        Err(error) if error.kind() == ErrorKind::NotFound => reading.saying("there is nothing to read yet"),
        Err(error) => reading.failed(&error),
    };
    let untried = Error::new(ErrorKind::Unsupported, "the stream may be there, and doctor makes none to try it")
        .with_hint("allow it on the group, or make the stream");
    let making = Check::ok("logs:CreateLogStream", format!("cloudwatch:{location}"), "a stream that is not there yet");
    vec![reading.optional(!is_operator), making.not_tried(&untried).optional(true)]
}

/// Doctor's own line is what tries the trail.
fn of_trail(session: &Session) -> Check {
    let target = session.settings.audit.as_ref().map(|audit| &audit.target);
    let (name, place) = match target {
        #[cfg(feature = "audit-cloudwatch")]
        Some(AuditTarget::CloudWatch(location)) => ("logs:PutLogEvents", format!("cloudwatch:{location}")),
        Some(AuditTarget::File(path)) => ("the trail takes a line", format!("file:{}", path.display())),
        Some(AuditTarget::Stdout) => ("the trail takes a line", "stdout".to_owned()),
        _ => ("the trail takes a line", "stderr".to_owned()),
    };
    Check::ok(name, place, "the audit trail")
}
