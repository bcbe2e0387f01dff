//! The figures of what is kept beside a vault in AWS for the time that it is out of reach.

use std::time::Duration;

use crate::cli::report;
use crate::cli::status::figures::now;
use crate::cli::status::sheet::{Figure, Section};
use crate::cli::text::counted;
use crate::open::fallback::{CopyState, JournalState};

/// The journal: what was acknowledged while AWS was out of reach, and has not come there yet.
pub(super) fn of_journal(journal: &JournalState) -> Section {
    let section = Section::new("journal").with("path", Figure::text(journal.path.display().to_string()));
    match &journal.seen {
        Err(error) => section.with("entries", Figure::unknown(report::what(error))),
        Ok(None) => section.with("entries", Figure::number(0)).with("conflicts", Figure::number(0)),
        Ok(Some(status)) => {
            let section = section.with("entries", Figure::new(status.entries, status.entries.to_string()));
            let section = match status.oldest {
                Some(oldest) => section.with("oldest", Figure::moment(oldest)),
                None => section,
            };
            let section = match &status.blocked {
                Some(why) => section.with("stays_because", Figure::text(why.as_str())),
                None => section,
            };
            section.with("conflicts", Figure::number(status.conflicts))
        }
    }
}

/// The copy, and what is not saved yet.
pub(super) fn of_copy(copy: &CopyState) -> Section {
    let section = Section::new("fallback").with("path", Figure::text(copy.path.display().to_string()));
    let section = match &copy.seen {
        Err(error) => {
            let why = report::what(error);
            section.with("answers", Figure::unknown(why.clone())).with("as_of", Figure::unknown(why))
        }
        Ok(None) => section
            .with("answers", Figure::new(false, "no: it is not there, or holds nothing yet"))
            .with("as_of", Figure::unknown("there is no copy")),
        Ok(Some(seen)) => {
            let is_young = seen.as_of.is_some_and(|at| at <= now() && now().since(at) <= copy.longest_age);
            let answers = match (seen.is_of_store, seen.as_of) {
                (false, _) => Figure::new(false, "no: it is the copy of another store"),
                (true, None) => Figure::new(false, "no: it is not complete; the next find completes it"),
                (true, Some(_)) if !is_young => Figure::new(false, "no: it is too old; the next find renews it"),
                (true, Some(_)) => Figure::new(true, "yes, while AWS is out of reach"),
            };
            let as_of = seen.as_of.map_or_else(|| Figure::unknown("it is not complete"), Figure::moment);
            section.with("answers", answers).with("as_of", as_of).with("tokens", Figure::number(seen.tokens))
        }
    };
    section.with("may_be_old", length(copy.longest_age)).with(
        "unsaved",
        Figure::unknown("tokens that could not be saved are in the memory of the processes that have them"),
    )
}

/// A length of time.
fn length(time: Duration) -> Figure {
    let seconds = time.as_secs();
    let said = match seconds {
        ..120 => counted(usize::try_from(seconds).unwrap_or(usize::MAX), "second"),
        _ => counted(usize::try_from(seconds / 60).unwrap_or(usize::MAX), "minute"),
    };
    Figure::new(seconds, said)
}
