//! Figures that several kinds of store have.

use crate::backend::tally::Tally;
use crate::cli::status::sheet::{Figure, List, Section};
use crate::clock::{Clock, SystemClock, Timestamp};

/// What is said of figures that take a look at every token.
pub(super) const NOT_LOOKED_AT: &str = "the tokens were not looked at, because of --quick";

/// What records come to.
pub(super) fn of_tally(section: Section, tally: &Tally) -> Section {
    section
        .with("tokens", Figure::number(tally.tokens))
        .with("users", Figure::number(tally.users()))
        .with("oauth_clients", Figure::number(tally.apps()))
        .with("leases_under_way", Figure::number(tally.leases.len()))
}

/// The same where no record was looked at. `tokens` is what is known of their number all the same.
pub(super) fn of_no_tally(section: Section, tokens: Figure, why: &str) -> Section {
    section
        .with("tokens", tokens)
        .with("users", Figure::unknown(why))
        .with("oauth_clients", Figure::unknown(why))
        .with("leases_under_way", Figure::unknown(why))
}

pub(super) fn leases(tally: &Tally) -> List {
    let rows = tally.leases.iter().map(|lease| {
        vec![
            Figure::text(&*lease.token),
            Figure::text(&*lease.holder),
            Figure::new(lease.attempt, lease.attempt.to_string()),
            Figure::moment(lease.until),
        ]
    });
    List { name: "leases", columns: &["token", "holder", "attempt", "until"], rows: rows.collect() }
}

/// A number of bytes.
pub(super) fn bytes(count: u64) -> Figure {
    let said = match count {
        ..10_240 => format!("{count} bytes"),
        10_240..10_485_760 => format!("{} KiB", count / 1024),
        _ => format!("{} MiB", count / (1024 * 1024)),
    };
    Figure::new(count, said)
}

pub(super) fn now() -> Timestamp {
    SystemClock.now()
}
