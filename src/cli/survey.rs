//! Verification and repair of a vault in AWS: verify, verify --repair.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::audit::facts::{Subject, facts_of};
use crate::backend::secrets_manager::repair::Stage;
use crate::backend::secrets_manager::survey::{READABLE_AGAIN, Survey, Trouble};
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::cli::text::counted;
use crate::error::Error;
use crate::operation::{Context, Operation};

/// More findings of one kind are counted and not named.
const MAX_NAMED: usize = 20;

pub(super) async fn verify(session: &mut Session, repair: bool) -> Done {
    let opened = session.open().await?;
    let aws = opened.aws()?;
    let out = &session.out;
    let operation = if repair { Operation::Repair } else { Operation::Verify };
    let look = async |context: &Context| match repair {
        true => aws.repair(context, &|stage| told(stage).into_iter().for_each(|text| out.note(&text))).await,
        false => aws.verify(context).await,
    };
    let call = (&session.context, operation, Subject::All);
    let survey = opened.recorded(call, look, facts_of).await?.value;
    tell(session, &survey)
}

/// A stage in words; nothing for what was said a moment ago.
fn told(stage: Stage) -> Option<String> {
    match stage {
        Stage::Reading => Some("reading the index and every secret".to_owned()),
        Stage::Building { entries } => Some(format!("building a new index of {}", plural(entries, "entry", "entries"))),
        Stage::Closing { pages: 0 } => None,
        Stage::Closing { pages } => Some(format!("closing {} of the old index", counted(pages, "page"))),
        // Every minute.
        Stage::Waiting { left } if left.as_secs() % 60 == 0 => Some(format!(
            "the new index is in force; in {} the secrets are listed again, since AWS may list a new one late",
            counted(usize::try_from(left.as_secs() / 60).unwrap_or_default(), "minute")
        )),
        Stage::ListingAgain => Some("listing the secrets again".to_owned()),
        _ => None,
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// [`Survey`] for programs.
#[derive(Serialize)]
struct SurveyView<'a> {
    tokens: usize,
    pages: usize,
    is_whole: bool,
    findings: Vec<FindingView<'a>>,
}

#[derive(Serialize)]
struct FindingView<'a> {
    what: &'a str,
    secret: &'a str,
    is_damage: bool,
    is_mendable: bool,
}

fn tell(session: &mut Session, survey: &Survey) -> Done {
    let Survey { tokens, pages, findings, .. } = survey;
    let damage: Vec<Trouble> =
        findings.iter().map(|finding| finding.trouble).filter(|trouble| trouble.is_damage()).collect();
    if session.out.is_json() {
        let findings = findings.iter().map(|finding| FindingView {
            what: finding.trouble.said(),
            secret: &finding.secret,
            is_damage: finding.trouble.is_damage(),
            is_mendable: finding.trouble.is_mendable(),
        });
        let (tokens, pages, is_whole) = (*tokens, *pages, damage.is_empty());
        session.out.json(&SurveyView { tokens, pages, is_whole, findings: findings.collect() })?;
    }
    let mut by_trouble: BTreeMap<Trouble, Vec<&str>> = BTreeMap::new();
    for finding in findings {
        by_trouble.entry(finding.trouble).or_default().push(&finding.secret);
    }
    for (trouble, secrets) in &by_trouble {
        for secret in secrets.iter().take(MAX_NAMED) {
            session.out.remark(&format!("{}: {secret}", trouble.said()))?;
        }
        if let Some(more) = secrets.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
            session.out.remark(&format!("{}: {more} more", trouble.said()))?;
        }
    }
    let size = format!("{} in {} of the index", counted(*tokens, "token"), counted(*pages, "page"));
    if damage.is_empty() {
        return session.out.remark(&format!("whole: {size}"));
    }
    let unreadable = format!("{READABLE_AGAIN}, or delete the secret");
    let hint = if damage.iter().any(|trouble| trouble.is_mendable()) {
        "run `tokenvault verify --repair`, which builds the index anew from the secrets"
    } else if damage.contains(&Trouble::TokenUnreadable) {
        &unreadable
    } else {
        "delete the tokens that are not wanted: the end of a secret's name is an id of the token"
    };
    Err(Error::damaged(format!("the vault is not whole: {} ({size})", plural(damage.len(), "trouble", "troubles")))
        .with_hint(hint)
        .into())
}
