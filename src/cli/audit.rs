//! The command that looks through the audit trail: audit.

use std::path::Path;

use serde::Serialize;

use crate::audit::cloudtrail::{Held, Join, Stranger};
use crate::audit::keys::Keys;
use crate::audit::line::Ending;
use crate::audit::query::{Calls, Filter};
use crate::audit::read::{Line, Piece};
use crate::audit::timeline::Timeline;
use crate::audit::utc;
use crate::cli::audit_args::{AuditArgs, AuditCommand};
use crate::cli::audit_trail::{opened, read_all, unreadable};
use crate::cli::audit_verify::{self, Allowed};
use crate::cli::new_file::write_new;
use crate::cli::report::Done;
use crate::cli::session::Session;
use crate::cli::text;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};

/// How many stretches of time a picture has.
const COLUMNS: usize = 60;

pub(super) async fn run(session: &mut Session, args: &AuditArgs) -> Done {
    if let Some(AuditCommand::Verify { from, allow_open, allow_foreign }) = &args.command {
        let allowed = Allowed { open: *allow_open, foreign: *allow_foreign };
        return audit_verify::verify(session, from, allowed).await;
    }
    if let Some(events) = &args.cloudtrail {
        return strangers(session, args, events).await;
    }
    let filter = filter(session, args).await?;
    let mut calls = Calls::default();
    read_all(session, &args.from, (filter.since, filter.until), |piece| calls.take_piece(piece)).await?;
    let calls = calls.that_fit(&filter);
    if args.timeline || args.svg.is_some() {
        return draw(session, args, &calls);
    }
    show(session, &calls)
}

fn draw(session: &mut Session, args: &AuditArgs, calls: &[Line]) -> Done {
    let Some(timeline) = Timeline::of(calls, COLUMNS) else {
        return session.out.remark("no calls");
    };
    if args.timeline {
        timeline.text().lines().try_for_each(|line| session.out.line(&text::printable(line)))?;
    }
    if let Some(path) = &args.svg {
        write_new(path, timeline.svg().as_bytes())?;
        session.out.remark(&format!("drew {}", path.display()))?;
    }
    Ok(())
}

/// Reads that no line of the trail is about.
async fn strangers(session: &mut Session, args: &AuditArgs, events: &Path) -> Done {
    let mut join = join(session, args)?;
    let take = |piece: Piece<'_>| piece.line().into_iter().for_each(|line| join.take(line));
    read_all(session, &args.from, (None, None), take).await?;
    let mut json = Vec::new();
    opened(events)?.read_to_end(&mut json).map_err(|cause| unreadable(events, cause))?;
    let held = join.hold(&json)?;
    tell(session, &held)?;
    match held.strangers.len() {
        0 => Ok(()),
        count => Err(Error::new(
            ErrorKind::NotFound,
            format!("{} not in the audit trail", text::counted(count, "read")),
        )
        .with_hint(
            "see that the trail is of the same time and of every process, and that the vault did not lose the answer of its \
             own request; else somebody read the secrets directly",
        )
        .into()),
    }
}

fn tell(session: &mut Session, held: &Held) -> Done {
    let (events, reads) = (text::counted(held.events, "event"), text::counted(held.reads, "read"));
    session.out.note(&format!("held {events} against the trail: {reads} of the vault's secrets"));
    if session.out.is_json() {
        return session.out.json(&held.strangers.iter().map(StrangerView::of).collect::<Vec<_>>());
    }
    let rows = held.strangers.iter().map(|one| {
        let error = one.error.clone().unwrap_or_default();
        vec![
            one.time.clone(),
            one.event.clone(),
            one.secrets.join(" "),
            one.who.clone(),
            one.address.clone(),
            one.request.clone(),
            error,
        ]
    });
    let none = match held.reads {
        0 => "no read of the vault's secrets is among the events",
        _ => "every read of the vault's secrets came through the vault",
    };
    if held.strangers.is_empty() {
        return session.out.remark(none);
    }
    session.out.sheet(&["TIME", "EVENT", "SECRET", "WHO", "FROM", "REQUEST", "ERROR"], rows)
}

/// [`Stranger`] for programs.
#[derive(Serialize)]
struct StrangerView<'a> {
    time: &'a str,
    event: &'a str,
    secrets: &'a [String],
    who: &'a str,
    from: &'a str,
    request: &'a str,
    error: Option<&'a str>,
}

impl<'a> StrangerView<'a> {
    fn of(one: &'a Stranger) -> Self {
        Self {
            time: &one.time,
            event: &one.event,
            secrets: &one.secrets,
            who: &one.who,
            from: &one.address,
            request: &one.request,
            error: one.error.as_deref(),
        }
    }
}

/// For the vault that is named.
fn join(session: &Session, args: &AuditArgs) -> Result<Join> {
    #[cfg(feature = "aws")]
    if let crate::open::StoreLocation::Aws(location) = &session.settings.store {
        let join = Join::new(&args.prefix.clone().unwrap_or_else(|| location.prefix().to_string()));
        return Ok(match location.region() {
            Some(region) => join.in_region(region),
            None => join,
        });
    }
    let _ = session;
    args.prefix.as_deref().map(Join::new).ok_or_else(|| {
        Error::invalid("where the vault's secrets are is not named")
            .with_hint("add --prefix PREFIX, or name the vault by --store aws:PREFIX")
    })
}

async fn filter(session: &Session, args: &AuditArgs) -> Result<Filter> {
    let mut filter = Filter::default();
    filter.ending = args.outcome.as_deref().and_then(|name| Ending::ALL.into_iter().find(|one| one.name() == name));
    filter.since = args.since.as_deref().map(moment).transpose()?;
    filter.until = args.until.as_deref().map(moment).transpose()?;
    let keys = if args.user.is_some() || args.token.is_some() { keys(session).await } else { Ok(None) };
    if let Some(principal) = &args.principal {
        filter.set_principal(principal);
    }
    if let Some(id) = &args.token {
        // Without the key, what led to a token is found all the same.
        filter.set_token(id, keys.as_ref().ok().and_then(Option::as_ref));
    }
    if let Some(user) = &args.user {
        filter.set_user(user, keys?.as_ref());
    }
    Ok(filter)
}

/// The vault's; none where there is no vault here, or none of a trail: then users can be found only where they are written by
/// name.
async fn keys(session: &Session) -> Result<Option<Keys>> {
    let why = match session.audit_keys().await {
        Ok(None) => "the vault has no key of an audit trail",
        Err(error) if error.kind() == ErrorKind::NotFound => "there is no vault here",
        found => return found,
    };
    session.out.note(&format!("{why}, so a user is found only where the trail has names"));
    Ok(None)
}

/// A moment as users write it: in UTC, or how long ago.
fn moment(text: &str) -> Result<Timestamp> {
    let ago = || {
        let ago = text::parse_duration(text).ok()?;
        let now = SystemClock.now().as_micros();
        Some(Timestamp::from_micros(now.saturating_sub(u64::try_from(ago.as_micros()).unwrap_or(u64::MAX))))
    };
    utc::read(text).or_else(ago).ok_or_else(|| {
        Error::invalid("a time is a moment in UTC, a date, or how long ago")
            .with_hint("write for example 2026-11-22T17:20:00Z, 2026-11-22 or 2h")
    })
}

fn show(session: &mut Session, calls: &[Line]) -> Done {
    if session.out.is_json() {
        return calls.iter().try_for_each(|call| session.out.line(&call.text));
    }
    if calls.is_empty() {
        return session.out.remark("no calls");
    }
    // Whole texts: what roles of one account have in common is as long as a cell of a list.
    let header = ["TIME", "OPERATION", "OUTCOME", "TOKEN", "USER", "PRINCIPAL", "SOURCE", "TOOK"];
    session.out.sheet(&header, calls.iter().map(row))
}

fn row(call: &Line) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let hashed = |plain: &Option<String>, hash: &Option<String>| {
        let hash = hash.as_ref().map(|hash| format!("#{}", hash.get(..12).unwrap_or(hash)));
        plain.clone().or(hash).unwrap_or_default()
    };
    let outcome = match (&call.error, &call.did) {
        (Some(error), _) => format!("{} ({error})", text(&call.outcome)),
        (None, Some(did)) => format!("{} ({did})", text(&call.outcome)),
        (None, None) => text(&call.outcome),
    };
    let token = match call.count {
        Some(count) => text::counted(usize::try_from(count).unwrap_or(usize::MAX), "token"),
        None => hashed(&call.token, &call.token_hash),
    };
    vec![
        call.time.clone(),
        text(&call.operation),
        outcome,
        token,
        hashed(&call.user, &call.user_hash),
        text(&call.principal),
        text(&call.source),
        call.micros.map(|micros| format!("{}.{:03} ms", micros / 1000, micros % 1000)).unwrap_or_default(),
    ]
}
