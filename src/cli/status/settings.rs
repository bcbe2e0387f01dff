//! The settings in force: where the audit trail goes, and metrics.

use crate::audit::recorder::{Mode, Users};
use crate::audit::stream_sink::Stream;
use crate::cli::audit_settings::AuditTarget;
use crate::cli::config::Settings;
use crate::cli::status::sheet::{Figure, Section};

/// `line`: whether this look has left one in the trail.
pub(super) fn of_settings(settings: &Settings, line: Figure) -> Section {
    let section = Section::new("settings");
    let section = match &settings.audit {
        None => section.with("audit", Figure::text("off")),
        Some(audit) => section
            .with("audit", Figure::text(place(&audit.target)))
            .with("audit_mode", Figure::text(mode(audit.mode)))
            .with("audit_users", Figure::text(users(audit.users)))
            .with("audit_line_of_this_look", line),
    };
    let metrics = match settings.metrics {
        None => "off",
        Some(Stream::Stdout) => "emf on standard output",
        Some(Stream::Stderr) => "emf on standard error",
    };
    section.with("metrics", Figure::text(metrics)).with("cache", Figure::text("none; each command asks once"))
}

pub(super) fn place(target: &AuditTarget) -> String {
    match target {
        AuditTarget::Off => "off".to_owned(),
        AuditTarget::Stdout => "stdout".to_owned(),
        AuditTarget::Stderr => "stderr".to_owned(),
        AuditTarget::File(path) => format!("file:{}", path.display()),
        #[cfg(feature = "audit-cloudwatch")]
        AuditTarget::CloudWatch(location) => format!("cloudwatch:{location}"),
    }
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Required => "required: no line, no answer",
        Mode::BestEffort => "best-effort",
    }
}

const fn users(users: Users) -> &'static str {
    match users {
        Users::Hashed => "hashed",
        Users::Plain => "plain",
    }
}
