//! What a vault in AWS needs beside rights, and what somebody should know of it.

use std::time::Duration;

use crate::backend::leases::LONG_ENOUGH;
use crate::backend::secrets_manager::SecretsManagerBackend;
use crate::backend::secrets_manager::look::{Depth, KeySeen, Look, PageSeen, TokensSeen};
use crate::backend::secrets_manager::survey::{READABLE_AGAIN, Trouble};
use crate::cli::doctor::check::Check;
use crate::cli::doctor::rights;
use crate::cli::look_args::DoctorArgs;
use crate::cli::text::counted;
use crate::error::{Error, ErrorKind, Result};
use crate::open::aws::Location;
use crate::operation::Context;

/// More names are counted.
const MAX_NAMED: usize = 5;

/// From here on the clocks are too far apart: AWS refuses signatures from 5 minutes on (AWS General Reference, Signature
/// Version 4), and a lease is of 90 seconds.
const CLOCKS_APART: Duration = Duration::from_mins(1);

/// Below 20 minutes the saves of a token, a minute or two before each end, use up what AWS keeps of its versions; a minute may
/// lie between the provider's answer and the save that tells.
const SHORTEST_LIFE: Duration = Duration::from_mins(19);

pub(super) async fn checks(
    location: &Location,
    aws: &SecretsManagerBackend,
    context: &Context,
    args: &DoctorArgs,
) -> Vec<Check> {
    let depth = if args.quick { Depth::Index } else { Depth::Tokens };
    let looked = aws.look(context, depth).await.map(|answer| answer.value);
    let index = Check::ok("the index", location.prefix().index(), "everything");
    let mut checks = Vec::new();
    let key = match &looked {
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            checks.push(index.failed(error));
            return checks;
        }
        // Rights can be tried all the same, for a vault that is to be made or mended.
        Err(_) => aws.named_key(),
        Ok(look) => look.kms_key_id.as_deref(),
    };
    checks.extend(rights::checks(aws, context, (key, location), args.operator).await);
    match looked {
        Err(error) => checks.push(index.failed(&error)),
        Ok(look) => {
            checks.extend([of_clock(&look), of_index(index, &look), of_quota(&look)]);
            checks.extend(of_audit_key(&look));
            checks.extend(look.tokens.iter().flat_map(of_tokens));
            checks.push(of_history(aws, context, &look).await);
        }
    }
    checks
}

fn of_clock(look: &Look) -> Check {
    let check = Check::ok("the clock", "this machine", "signatures, leases, ends of tokens");
    let Some(ahead) = look.clock_ahead else {
        let timeless = Error::new(ErrorKind::Unsupported, "the answers of AWS bear no Date")
            .with_hint("see whether a proxy takes the header Date out of its answers");
        return check.not_tried(&timeless).optional(true);
    };
    let apart = Duration::from_millis(ahead.unsigned_abs());
    let side = if ahead >= 0 { "ahead of" } else { "behind" };
    let said = format!("it is {} s {side} AWS", apart.as_secs());
    if apart < CLOCKS_APART {
        return check.saying(said);
    }
    check.warning(
        said,
        "set the clock by NTP: AWS refuses signatures that are five minutes off, and tokens seem to end early or late",
    )
}

fn of_index(check: Check, look: &Look) -> Check {
    let broken: Vec<&PageSeen> =
        look.pages.iter().filter(|page| page.trouble.is_some_and(Trouble::is_damage)).collect();
    if let [first, ..] = broken.as_slice() {
        let said = first.trouble.map(Trouble::said).unwrap_or_default();
        let damaged = Error::damaged(format!("{said}: {}", named(broken.iter().map(|page| &*page.secret))))
            .with_hint("run `tokenvault verify --repair`");
        return check.failed(&damaged);
    }
    let by_hand: Vec<&str> =
        look.pages.iter().filter(|page| page.trouble.is_some()).map(|page| &*page.secret).collect();
    if !by_hand.is_empty() {
        let said = format!("the version in force was not written by a vault: {}", named(by_hand.iter().copied()));
        return check.warning(said, "find out who writes to these secrets; run `tokenvault verify`");
    }
    check.saying(format!("{}, {} listed", counted(look.pages.len(), "page"), counted(look.listed, "name")))
}

/// What was written nearly as often within 24 hours as AWS has room for.
fn of_quota(look: &Look) -> Check {
    let check = Check::ok("writes within 24 hours", "the index and the tokens", "every save");
    let pages = look.pages.iter().filter(|page| page.writes > PageSeen::QUOTA / 4 * 3);
    let pages = pages.map(|page| (&*page.secret, page.writes));
    let tokens = look.tokens.iter().flat_map(|tokens| &tokens.busy).map(|(secret, writes)| (&**secret, *writes));
    let busy: Vec<(&str, usize)> = pages.chain(tokens).collect();
    let most = look.pages.iter().map(|page| page.writes).max().unwrap_or_default();
    if busy.is_empty() {
        return check.saying(format!("at most {most} of {} for a page of the index", PageSeen::QUOTA));
    }
    let said = busy.iter().map(|(secret, writes)| format!("{secret} ({writes} of {})", PageSeen::QUOTA));
    let said: Vec<String> = said.collect();
    check.warning(
        format!("nearly as often as AWS has room for: {}", named(said.iter().map(String::as_str))),
        "find out what saves so often; beyond the quota saves are refused until versions are a day old",
    )
}

fn of_audit_key(look: &Look) -> Option<Check> {
    let check = Check::ok("the audit trail's key", "the vault", "the audit trail");
    match look.audit_key {
        Ok(Some(KeySeen { is_doomed: true, .. })) => Some(check.warning(
            "it is scheduled for deletion",
            "restore its secret with `aws secretsmanager restore-secret`: without it nobody can check what was written",
        )),
        _ => None,
    }
}

fn of_tokens(seen: &TokensSeen) -> Vec<Check> {
    let check = Check::ok("the tokens", counted(seen.tally.tokens, "token"), "their users");
    let reading = match (&seen.unread, seen.unreadable.as_slice()) {
        (Some((count, error)), _) => {
            check.failed(error).on(format!("{} that could not be read", counted(*count, "secret")))
        }
        (None, []) => check.saying("every one of them reads"),
        (None, unreadable) => {
            let damaged = Error::damaged(format!(
                "a token's secret holds no token, or one of a newer format: {}",
                named(unreadable.iter().map(String::as_str))
            ))
            .with_hint(READABLE_AGAIN);
            check.failed(&damaged)
        }
    };
    let life = Check::ok("lives of access tokens", "the tokens", "one save at each refresh");
    let life = match seen.tally.shortest_life {
        None => life.saying("not known: no token has been refreshed yet"),
        Some(shortest) if shortest < SHORTEST_LIFE => life.warning(
            format!("one lives for {} s", shortest.as_secs()),
            "where access tokens live for less than 20 minutes, their saves run out of what AWS keeps of versions in a day; \
             keep such tokens in a file",
        ),
        Some(shortest) if shortest < LONG_ENOUGH => life.warning(
            format!("one lives for {} min", shortest.as_secs() / 60),
            "where access tokens live for less than 40 minutes, one refreshes for each process, not for all machines",
        ),
        Some(shortest) => life.saying(format!("{} min at the least", shortest.as_secs() / 60)),
    };
    vec![reading, life]
}

/// Old versions that are in force, and versions that no vault wrote.
async fn of_history(aws: &SecretsManagerBackend, context: &Context, look: &Look) -> Check {
    let check = Check::ok("versions in force", "the index and the tokens", "what is read being what was saved last");
    let set_back: Result<Vec<String>> = aws.set_back(context, look).await.map(|answer| answer.value);
    let set_back = match set_back {
        Ok(set_back) => set_back,
        Err(error) => return check.not_tried(&error),
    };
    let by_hand: Vec<&str> = look.tokens.iter().flat_map(|tokens| &tokens.by_hand).map(String::as_str).collect();
    let mut said = Vec::new();
    if !set_back.is_empty() {
        said.push(format!("AWSCURRENT was put back: {}", named(set_back.iter().map(String::as_str))));
    }
    if !by_hand.is_empty() {
        said.push(format!("not written by a vault: {}", named(by_hand.iter().copied())));
    }
    if said.is_empty() {
        return check.saying(if look.tokens.is_some() {
            "each is the last one"
        } else {
            "of the index; tokens were left out"
        });
    }
    check.warning(
        said.join("; "),
        "find out who did it: of a token the old version counts from then on, of the index nothing is lost",
    )
}

/// The first of these names, and how many more there are.
fn named<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let shown: Vec<&str> = names.take(MAX_NAMED).collect();
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}
