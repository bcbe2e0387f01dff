//! Which calls are asked for.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::audit::keys::{Hashed, Keys};
use crate::audit::line::{Ending, as_written};
use crate::audit::read::{Line, Piece};
use crate::clock::Timestamp;
use crate::identity::RecordName;
use crate::operation::Operation;

/// What a call must be like. What is not set is not asked. Its `Debug` shows neither ids nor users.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Filter {
    token: Option<Named>,
    user: Option<Named>,
    principal: Option<String>,
    /// How it ended.
    pub ending: Option<Ending>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Filter");
        shown.field("ending", &self.ending).field("since", &self.since).field("until", &self.until);
        shown.finish_non_exhaustive()
    }
}

/// Somebody, by name and by hash.
#[derive(Clone)]
struct Named {
    plain: String,
    hash: Option<String>,
}

impl Named {
    fn new(kind: Hashed, name: &str, keys: Option<&Keys>) -> Self {
        Self { plain: as_written(name).into_owned(), hash: keys.map(|keys| keys.hash(kind, name)) }
    }

    fn is_token_of(&self, line: &Line) -> bool {
        self.is(line.token.as_ref(), line.token_hash.as_ref())
    }

    fn is(&self, plain: Option<&String>, hash: Option<&String>) -> bool {
        plain.is_some_and(|plain| *plain == self.plain) || hash.is_some_and(|hash| self.hash.as_ref() == Some(hash))
    }
}

impl Filter {
    /// Only calls about this token, under whichever of its ids, and those about all tokens. That two ids are of one token is
    /// known as far as a line of the trail says so. Without `keys` ids that led to nothing are not found.
    pub fn set_token(&mut self, id: &str, keys: Option<&Keys>) {
        self.token = Some(Named::new(Hashed::Token, id, keys));
    }

    /// Only calls about this user's tokens. Without `keys` only where users are written by name.
    pub fn set_user(&mut self, name: &str, keys: Option<&Keys>) {
        self.user = Some(Named::new(Hashed::User, name, keys));
    }

    /// Only calls of this principal.
    pub fn set_principal(&mut self, name: &str) {
        self.principal = Some(as_written(name).into_owned());
    }

    /// Whether `line` is asked for.
    fn fits(&self, line: &Line, ties: &Ties<'_>) -> bool {
        let is_of_all = || {
            let operation = Operation::ALL.into_iter().find(|one| Some(one.name()) == line.operation.as_deref());
            operation.is_some_and(Operation::is_of_all)
        };
        self.token.as_ref().is_none_or(|token| token.is_token_of(line) || ties.has(line) || is_of_all())
            && self.user.as_ref().is_none_or(|user| user.is(line.user.as_ref(), line.user_hash.as_ref()))
            && self.principal.as_ref().is_none_or(|own| Some(own) == line.principal.as_ref())
            && self.ending.is_none_or(|ending| line.outcome.as_deref() == Some(ending.name()))
            && (self.since.is_none() && self.until.is_none() || line.at().is_some_and(|at| self.is_within(at)))
    }

    fn is_within(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }
}

/// What the lines of a trail tie to the token that is asked for: its record, and the ids that lead there.
#[derive(Default)]
struct Ties<'l> {
    records: HashSet<&'l str>,
    ids: HashSet<&'l str>,
}

impl<'l> Ties<'l> {
    fn of(token: &'l Named, lines: &'l [Line]) -> Self {
        let own = RecordName::parse(&token.plain).map(|_| &*token.plain);
        let of_asked = lines.iter().filter(|line| token.is_token_of(line)).filter_map(record_of);
        let records: HashSet<&str> = of_asked.chain(own).collect();
        let is_tied = |line: &&Line| record_of(line).is_some_and(|record| records.contains(record));
        let ids = lines.iter().filter(is_tied).flat_map(ids_of).collect();
        Self { records, ids }
    }

    /// An id may have been another record's before or after: where a line says which record it is, that counts.
    fn has(&self, line: &Line) -> bool {
        match record_of(line) {
            Some(record) => self.records.contains(record),
            None => ids_of(line).any(|id| self.ids.contains(id)),
        }
    }
}

fn record_of(line: &Line) -> Option<&str> {
    line.record.as_deref().or_else(|| line.token.as_deref().filter(|id| RecordName::parse(id).is_some()))
}

fn ids_of(line: &Line) -> impl Iterator<Item = &str> {
    line.token.as_deref().into_iter().chain(line.token_hash.as_deref())
}

/// Collects the calls of a trail: how each ended, or that it was begun and nobody knows its end.
#[derive(Debug, Default)]
pub struct Calls {
    found: Vec<Line>,
    /// Where the intents without an end are in `found`, by their number, which those of several processes may share.
    open: HashMap<u64, Vec<usize>>,
}

impl Calls {
    /// The next piece of the trail, if it is a line.
    pub fn take_piece(&mut self, piece: Piece<'_>) {
        if let Some(line) = piece.line() {
            self.take(line);
        }
    }

    /// The next line of the trail.
    pub fn take(&mut self, line: Line) {
        match (line.kind.as_str(), line.change) {
            ("intent", Some(change)) => {
                self.open.entry(change).or_default().push(self.found.len());
                self.found.push(Line { outcome: Some(Ending::Unknown.name().to_owned()), ..line });
            }
            ("call", change) => {
                let begun = change.and_then(|change| self.begun(change, &line));
                match begun.and_then(|place| self.found.get_mut(place)) {
                    Some(intent) => *intent = line,
                    None => self.found.push(line),
                }
            }
            _ => {}
        }
    }

    /// Where the intent of this call is: in its chain, or in another one, where the chain broke between the two.
    fn begun(&mut self, change: u64, call: &Line) -> Option<usize> {
        let open = self.open.get_mut(&change)?;
        let find = |is: fn(&Line, &Line) -> bool| {
            open.iter().position(|place| self.found.get(*place).is_some_and(|intent| is(intent, call)))
        };
        let at = find(is_of_chain).or_else(|| find(may_be_of))?;
        let place = open.remove(at);
        if open.is_empty() {
            self.open.remove(&change);
        }
        Some(place)
    }

    /// Those that are asked for, in the order in which they were begun, as far as that is known.
    pub fn that_fit(self, filter: &Filter) -> Vec<Line> {
        let ties = filter.token.as_ref().map_or_else(Ties::default, |token| Ties::of(token, &self.found));
        let fit: Vec<bool> = self.found.iter().map(|line| filter.fits(line, &ties)).collect();
        self.found.into_iter().zip(fit).filter_map(|(line, fits)| fits.then_some(line)).collect()
    }
}

fn is_of_chain(intent: &Line, call: &Line) -> bool {
    intent.chain == call.chain && intent.operation == call.operation
}

fn may_be_of(intent: &Line, call: &Line) -> bool {
    let differ =
        |of: fn(&Line) -> &Option<String>| of(intent).is_some() && of(call).is_some() && of(intent) != of(call);
    intent.chain != call.chain
        && intent.operation == call.operation
        && (&intent.principal, &intent.caller) == (&call.principal, &call.caller)
        && !differ(|line| &line.token)
        && !differ(|line| &line.user)
        && !differ(|line| &line.user_hash)
}
