//! What was tried, what came of it, and what to do: for people and for programs.

use serde::Serialize;

use crate::cli::report::{self, Done};
use crate::cli::session::Session;
use crate::cli::text::counted;
use crate::error::{Error, ErrorKind};

/// What came of trying something.
#[derive(Debug)]
pub(super) enum Verdict {
    Ok,
    /// It works, and somebody should know of this.
    Warning,
    /// A right is missing.
    Missing,
    /// It does not work.
    Failed,
    /// It could not be tried.
    NotTried,
}

impl Verdict {
    const fn said(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Missing => "missing",
            Self::Failed => "failed",
            Self::NotTried => "not tried",
        }
    }
}

/// Something that was tried.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) resource: String,
    /// What it is needed for.
    pub(super) purpose: String,
    pub(super) verdict: Verdict,
    detail: Option<String>,
    to_do: Option<String>,
    /// Whether the vault does without it, or whoever runs this.
    pub(super) is_optional: bool,
    kind: Option<ErrorKind>,
}

impl Check {
    pub(super) fn ok(name: impl Into<String>, resource: impl Into<String>, purpose: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            resource: resource.into(),
            purpose: purpose.into(),
            verdict: Verdict::Ok,
            detail: None,
            to_do: None,
            is_optional: false,
            kind: None,
        }
    }

    /// The same, with what there is to say of it.
    pub(super) fn saying(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    pub(super) fn warning(self, detail: impl Into<String>, to_do: &str) -> Self {
        Self { verdict: Verdict::Warning, detail: Some(detail.into()), to_do: Some(to_do.to_owned()), ..self }
    }

    pub(super) fn missing(self, error: &Error) -> Self {
        self.with_error(Verdict::Missing, error)
    }

    pub(super) fn not_tried(self, error: &Error) -> Self {
        self.with_error(Verdict::NotTried, error)
    }

    /// It failed: a missing right, where the error says so.
    pub(super) fn failed(self, error: &Error) -> Self {
        let verdict = match error.kind() {
            ErrorKind::PermissionDenied => Verdict::Missing,
            _ => Verdict::Failed,
        };
        self.with_error(verdict, error)
    }

    /// The same, on something else.
    #[cfg(feature = "aws")]
    pub(super) fn on(self, resource: String) -> Self {
        Self { resource, ..self }
    }

    pub(super) fn optional(self, is_optional: bool) -> Self {
        Self { is_optional, ..self }
    }

    fn with_error(self, verdict: Verdict, error: &Error) -> Self {
        let (detail, to_do) = (Some(report::what(error)), Some(report::hint(error)));
        Self { verdict, detail, to_do, kind: Some(error.kind()), ..self }
    }

    /// What this says of the whole; nothing where the vault does without it.
    fn trouble(&self) -> Option<ErrorKind> {
        match self.verdict {
            _ if self.is_optional => None,
            Verdict::Ok | Verdict::Warning => None,
            Verdict::Missing => Some(ErrorKind::PermissionDenied),
            Verdict::Failed | Verdict::NotTried => self.kind,
        }
    }
}

/// [`Check`] for programs.
#[derive(Serialize)]
struct CheckView<'a> {
    name: &'a str,
    resource: &'a str,
    needed_for: &'a str,
    is_optional: bool,
    result: &'static str,
    detail: Option<&'a str>,
    to_do: Option<&'a str>,
}

impl<'a> CheckView<'a> {
    fn of(check: &'a Check) -> Self {
        Self {
            name: &check.name,
            resource: &check.resource,
            needed_for: &check.purpose,
            is_optional: check.is_optional,
            result: check.verdict.said(),
            detail: check.detail.as_deref(),
            to_do: check.to_do.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct ChecksView<'a> {
    is_healthy: bool,
    checks: Vec<CheckView<'a>>,
}

/// Tells what was tried.
///
/// # Errors
/// Of the worst that was found: a right that is missing, then damage, then the first of the others.
pub(super) fn tell(session: &mut Session, checks: &[Check]) -> Done {
    let troubles: Vec<ErrorKind> = checks.iter().filter_map(Check::trouble).collect();
    if session.out.is_json() {
        let checks = checks.iter().map(CheckView::of).collect();
        session.out.json(&ChecksView { is_healthy: troubles.is_empty(), checks })?;
    } else {
        let cells = |check: &Check| {
            let verdict = check.verdict.said();
            let result = if check.is_optional { format!("{verdict} (optional)") } else { verdict.to_owned() };
            vec![result, check.name.clone(), check.resource.clone(), check.purpose.clone()]
        };
        session.out.sheet(&["RESULT", "CHECK", "ON", "NEEDED FOR"], checks.iter().map(cells))?;
        for check in checks {
            let Some(detail) = &check.detail else { continue };
            session.out.line(&format!("\n{}, {}: {detail}", check.verdict.said(), check.name))?;
            if let Some(to_do) = &check.to_do {
                session.out.line(&format!("  do: {to_do}"))?;
            }
        }
    }
    let Some(worst) = worst(&troubles) else { return Ok(()) };
    let what = match worst {
        ErrorKind::PermissionDenied => "a right that the vault needs is missing",
        _ => "something that the vault needs does not work",
    };
    let of = counted(checks.len(), "check");
    Err(Error::new(worst, format!("{what}: {} of {of} did not end well", troubles.len()))
        .with_hint("do what is said above, then run `tokenvault doctor` again")
        .into())
}

fn worst(troubles: &[ErrorKind]) -> Option<ErrorKind> {
    let has = |kind| troubles.contains(&kind).then_some(kind);
    has(ErrorKind::PermissionDenied).or_else(|| has(ErrorKind::Damaged)).or_else(|| troubles.first().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_the_worst_then_damage() {
        use ErrorKind::{Busy, Damaged, NotFound, PermissionDenied};
        assert_eq!(worst(&[]), None);
        assert_eq!(worst(&[NotFound, Damaged, PermissionDenied]), Some(PermissionDenied));
        assert_eq!(worst(&[Busy, Damaged]), Some(Damaged));
        assert_eq!(worst(&[Busy, NotFound]), Some(Busy));
    }

    #[test]
    fn what_is_optional_troubles_nobody() {
        let refused = Error::new(ErrorKind::PermissionDenied, "no");
        assert_eq!(Check::ok("a", "b", "c").missing(&refused).trouble(), Some(ErrorKind::PermissionDenied));
        assert_eq!(Check::ok("a", "b", "c").missing(&refused).optional(true).trouble(), None);
        assert_eq!(Check::ok("a", "b", "c").warning("d", "e").trouble(), None);
    }
}
