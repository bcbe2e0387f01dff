//! The command that checks the audit trail's chains: audit verify.

use std::path::PathBuf;

use serde::Serialize;

use crate::audit::verify::{Finding, Standing, Trouble, Verification, Verifier};
use crate::cli::audit_trail::read_all;
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::cli::text::counted;
use crate::error::{Error, ErrorKind};

/// More findings are counted and not named.
const MAX_NAMED: usize = 20;

/// Which chains that are not intact are no failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    pub(super) open: bool,
    pub(super) foreign: bool,
}

pub(super) async fn verify(session: &mut Session, from: &[PathBuf], allowed: Allowed) -> Done {
    let keys = session.audit_keys().await?.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "the vault has no key of an audit trail, so it has written none")
            .with_store(&session.settings.store)
            .with_hint("check the store, its Region and its endpoint; a key is made with the first line")
    })?;
    let verifier = Verifier::new(&keys);
    let mut verifier = if allowed.foreign { verifier.allow_foreign() } else { verifier };
    read_all(session, from, (None, None), |piece| verifier.take(piece)).await?;
    let found = verifier.finish();
    tell(session, &found)?;
    judge(&found, allowed)
}

/// [`Verification`] for programs.
#[derive(Serialize)]
struct VerificationView<'a> {
    intact: usize,
    open: usize,
    broken: usize,
    foreign: usize,
    chains: Vec<ChainView<'a>>,
    findings: Vec<FindingView<'a>>,
}

#[derive(Serialize)]
struct ChainView<'a> {
    chain: &'a str,
    standing: &'static str,
    lines: u64,
    from: &'a str,
    to: &'a str,
    lost: u64,
}

#[derive(Serialize)]
struct FindingView<'a> {
    line: u64,
    chain: Option<&'a str>,
    what: String,
}

const fn said(standing: Standing) -> &'static str {
    match standing {
        Standing::Intact => "intact",
        Standing::Open => "open",
        Standing::Broken => "broken",
        Standing::Foreign => "of another vault",
    }
}

fn tell(session: &mut Session, found: &Verification) -> Done {
    let (intact, open) = (found.count(Standing::Intact), found.count(Standing::Open));
    let (broken, foreign) = (found.count(Standing::Broken), found.count(Standing::Foreign));
    if session.out.is_json() {
        let chains = found.chains.iter().map(|chain| ChainView {
            chain: &chain.id,
            standing: said(chain.standing),
            lines: chain.lines,
            from: &chain.from,
            to: &chain.to,
            lost: chain.lost,
        });
        let findings = found.findings.iter().map(|one| FindingView {
            line: one.number,
            chain: one.chain.as_deref(),
            what: one.trouble.said(),
        });
        let (chains, findings) = (chains.collect(), findings.collect());
        return session.out.json(&VerificationView { intact, open, broken, foreign, chains, findings });
    }
    for one in found.findings.iter().take(MAX_NAMED) {
        session.out.remark(&format!("line {}: {}", one.number, one.trouble.said()))?;
    }
    if let Some(more) = found.findings.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
        session.out.remark(&format!("{more} more"))?;
    }
    for chain in found.chains.iter().filter(|chain| chain.standing != Standing::Intact || chain.lost > 0) {
        let standing = said(chain.standing);
        let lines = counted(usize::try_from(chain.lines).unwrap_or(usize::MAX), "line");
        session.out.remark(&format!("chain {}: {standing}, {lines}, {} to {}", chain.id, chain.from, chain.to))?;
        if chain.lost > 0 {
            let lost = counted(usize::try_from(chain.lost).unwrap_or(usize::MAX), "line");
            session.out.remark(&format!("chain {}: says that {lost} could not be written", chain.id))?;
        }
    }
    session.out.remark(&format!(
        "{}: {intact} intact, {open} open, {broken} broken, {foreign} of another vault",
        counted(found.chains.len(), "chain")
    ))
}

fn judge(found: &Verification, allowed: Allowed) -> Done {
    let is_shared = |finding: &Finding| finding.trouble == Trouble::BeforeUnchecked || finding.trouble.is_harmless();
    if found.is_broken() {
        let hint = if found.findings.iter().all(is_shared) {
            "if other vaults write to this trail, too, add --allow-foreign; else a chain was replaced by one of nobody's"
        } else {
            "hold it against another copy; with several files, name all of them in the order of their time"
        };
        return Err(Error::damaged("the audit trail was changed, or a part of it is missing").with_hint(hint).into());
    }
    if found.chains.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "there is no line of an audit trail")
            .with_hint("check where the trail is; a log that puts lines into JSON of its own is to be unpacked first")
            .into());
    }
    if found.count(Standing::Foreign) > 0 && !allowed.foreign {
        return Err(Error::new(ErrorKind::Busy, "nothing is broken, but there are chains of another vault")
            .with_hint(
                "check those with --store and the key of the other vault; if it is to write to this trail, too, add \
                 --allow-foreign",
            )
            .into());
    }
    let unsure = found.count(Standing::Open) + found.findings.len();
    if unsure > 0 && !allowed.open {
        return Err(Error::new(ErrorKind::Busy, "nothing is broken, but not every chain was followed to its end")
            .with_hint(
                "if its process still runs, look again when it has ended; if it was killed, add --allow-open; else its \
                 last lines are missing",
            )
            .into());
    }
    Ok(())
}
