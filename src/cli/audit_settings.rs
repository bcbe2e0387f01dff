//! Where the audit trail goes, and what happens where it cannot.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::file_sink::AuditFile;
use crate::audit::recorder::{Mode, RecorderOptions, Users};
use crate::audit::sink::OpenSink;
use crate::audit::stream_sink::{AuditStream, Stream};
use crate::error::{Error, Result};
#[cfg(feature = "audit-cloudwatch")]
use crate::open::logs::LogsLocation;

/// How long a stream that nobody reads may hold up a call that must not go on without its line.
const STREAM_WAIT: Duration = Duration::from_secs(5);

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AuditTarget {
    Off,
    Stdout,
    Stderr,
    File(PathBuf),
    #[cfg(feature = "audit-cloudwatch")]
    CloudWatch(LogsLocation),
}

impl AuditTarget {
    /// Reads a target as users write it.
    ///
    /// # Errors
    /// `InvalidInput` for anything but `off`, `stdout`, `stderr`, `file:PATH` and `cloudwatch:GROUP:STREAM`.
    pub(super) fn parse(text: &OsStr) -> Result<Self> {
        match text.as_bytes() {
            b"off" => Ok(Self::Off),
            b"stdout" => Ok(Self::Stdout),
            b"stderr" => Ok(Self::Stderr),
            bytes => match (bytes.strip_prefix(b"file:"), after_cloudwatch(text)) {
                (Some(path), _) if !path.is_empty() => Ok(Self::File(PathBuf::from(OsStr::from_bytes(path)))),
                (_, Some(logs)) => Self::in_cloudwatch(logs),
                _ => Err(Error::invalid(
                    "the audit trail is none of off, stdout, stderr, file:PATH and cloudwatch:GROUP:STREAM",
                )
                .with_hint("set TOKENVAULT_AUDIT for example to file:/var/log/tokenvault/audit.jsonl")),
            },
        }
    }

    #[cfg(feature = "audit-cloudwatch")]
    fn in_cloudwatch(text: &str) -> Result<Self> {
        let location = LogsLocation::parse(text)?;
        if !location.has_stream() {
            return Err(Error::invalid("the audit trail names a log group, and no stream in it to write to")
                .with_hint("write cloudwatch:GROUP:STREAM"));
        }
        Ok(Self::CloudWatch(location))
    }

    #[cfg(not(feature = "audit-cloudwatch"))]
    fn in_cloudwatch(_: &str) -> Result<Self> {
        Err(no_cloudwatch())
    }
}

/// What follows `cloudwatch:`, where that is what is meant.
pub(super) fn after_cloudwatch(text: &OsStr) -> Option<&str> {
    text.to_str()?.strip_prefix("cloudwatch:")
}

/// What a build without it says.
#[cfg(not(feature = "audit-cloudwatch"))]
pub(super) fn no_cloudwatch() -> Error {
    Error::invalid("this build has no audit trail in CloudWatch Logs: it was made without the feature audit-cloudwatch")
        .with_hint("install one with it, as in: cargo install --path . --features audit-cloudwatch")
}

/// Who runs this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Principal {
    Named(Arc<str>),
    /// Whoever AWS says that the credentials are of.
    #[cfg(feature = "aws")]
    Sts,
}

impl Principal {
    /// Reads it as users write it.
    fn parse(text: &str) -> Option<Self> {
        if text != "sts:" {
            return Some(Self::Named(Arc::from(text)));
        }
        #[cfg(feature = "aws")]
        return Some(Self::Sts);
        #[cfg(not(feature = "aws"))]
        None
    }
}

/// The environment's texts.
#[derive(Default)]
pub(super) struct AuditTexts {
    pub(super) target: Option<OsString>,
    pub(super) mode: Option<OsString>,
    pub(super) users: Option<OsString>,
    pub(super) principal: Option<OsString>,
}

/// What the configuration file says.
#[derive(Default)]
pub(super) struct AuditOfFile {
    pub(super) target: Option<AuditTarget>,
    pub(super) mode: Option<Mode>,
    pub(super) users: Option<Users>,
}

/// An audit trail that is wanted.
#[derive(Clone, Debug)]
pub(super) struct AuditSettings {
    pub(super) target: AuditTarget,
    pub(super) mode: Mode,
    pub(super) users: Users,
    pub(super) principal: Option<Principal>,
}

impl AuditSettings {
    /// Brings together what is set; none where no trail is wanted.
    ///
    /// # Errors
    /// `InvalidInput` for what cannot be understood: a trail that was meant must not be missing because of a misspelling.
    pub(super) fn resolve(environment: AuditTexts, file: AuditOfFile) -> Result<Option<Self>> {
        let target = environment.target.as_deref().map(AuditTarget::parse).transpose()?.or(file.target);
        let mode = word("TOKENVAULT_AUDIT_MODE", "required or best-effort", environment.mode, mode)?.or(file.mode);
        let users = word("TOKENVAULT_AUDIT_USERS", "hashed or plain", environment.users, users)?.or(file.users);
        let wanted = "the name of who runs this, or to sts: in a build with AWS";
        let principal = word("TOKENVAULT_PRINCIPAL", wanted, environment.principal, Principal::parse)?;
        Ok(target.filter(|target| *target != AuditTarget::Off).map(|target| Self {
            target,
            mode: mode.unwrap_or_default(),
            users: users.unwrap_or_default(),
            principal,
        }))
    }

    /// What takes the lines.
    ///
    /// # Errors
    /// `InvalidInput` where it is in AWS, and no Region is set.
    pub(super) async fn sink(&self) -> Result<Arc<dyn OpenSink>> {
        let wait = match self.mode {
            Mode::Required => STREAM_WAIT,
            Mode::BestEffort => Duration::ZERO,
        };
        Ok(match &self.target {
            #[cfg(feature = "audit-cloudwatch")]
            AuditTarget::CloudWatch(location) => Arc::new(location.logs().await?),
            AuditTarget::File(path) => Arc::new(AuditFile::new(path)),
            AuditTarget::Stderr => Arc::new(AuditStream::new(Stream::Stderr, wait)),
            AuditTarget::Stdout | AuditTarget::Off => Arc::new(AuditStream::new(Stream::Stdout, wait)),
        })
    }

    /// How to record the calls of a store, which may name a Region.
    pub(super) async fn options(&self, region: Option<&str>) -> RecorderOptions {
        RecorderOptions {
            mode: self.mode,
            users: self.users,
            principal: Some(self.principal(region).await),
            ..RecorderOptions::default()
        }
    }

    /// Who runs this: a name that cannot be had stops nothing.
    async fn principal(&self, region: Option<&str>) -> Arc<str> {
        #[cfg(not(feature = "aws"))]
        let _ = region;
        let user = || Arc::from(format!("uid {}", nix::unistd::Uid::current()));
        match &self.principal {
            None => user(),
            Some(Principal::Named(name)) => Arc::clone(name),
            #[cfg(feature = "aws")]
            Some(Principal::Sts) => crate::open::caller::arn(region).await.map_or_else(
                |error| {
                    tracing::warn!(%error, "the audit trail names the user of this machine instead");
                    user()
                },
                Arc::from,
            ),
        }
    }
}

fn word<T>(name: &str, wanted: &str, text: Option<OsString>, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>> {
    let Some(text) = text else { return Ok(None) };
    let read = text.to_str().and_then(read);
    read.map(Some)
        .ok_or_else(|| Error::invalid(format!("{name} is not usable")).with_hint(format!("set it to {wanted}")))
}

/// The mode of this name.
pub(super) fn mode(name: &str) -> Option<Mode> {
    match name {
        "required" => Some(Mode::Required),
        "best-effort" => Some(Mode::BestEffort),
        _ => None,
    }
}

/// How users are named, by this name.
pub(super) fn users(name: &str) -> Option<Users> {
    match name {
        "hashed" => Some(Users::Hashed),
        "plain" => Some(Users::Plain),
        _ => None,
    }
}
