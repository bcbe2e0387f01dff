//! Which calls are asked for.

use std::collections::HashMap;

use crate::audit::keys::{Hashed, Keys};
use crate::audit::line::{Ending, as_written};
use crate::audit::read::{Line, Piece};
use crate::clock::Timestamp;
use crate::operation::Operation;

/// What a call must be like. What is not set is not asked.
#[derive(Clone, Debug, Default)]
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

/// Somebody, by name and by hash.
#[derive(Clone, Debug)]
struct Named {
    plain: String,
    hash: Option<String>,
}

impl Named {
    fn new(kind: Hashed, name: &str, keys: Option<&Keys>) -> Self {
        Self { plain: as_written(name).into_owned(), hash: keys.map(|keys| keys.hash(kind, name)) }
    }

    fn is(&self, plain: Option<&String>, hash: Option<&String>) -> bool {
        plain.is_some_and(|plain| *plain == self.plain) || hash.is_some_and(|hash| self.hash.as_ref() == Some(hash))
    }
}

impl Filter {
    /// Only calls about this token, and those about all tokens. Without `keys` ids that led to nothing are not found.
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
    pub fn fits(&self, line: &Line) -> bool {
        let is_of_all = || {
            let operation = Operation::ALL.into_iter().find(|one| Some(one.name()) == line.operation.as_deref());
            operation.is_some_and(Operation::is_of_all)
        };
        self.token.as_ref().is_none_or(|token| token.is(line.token.as_ref(), line.token_hash.as_ref()) || is_of_all())
            && self.user.as_ref().is_none_or(|user| user.is(line.user.as_ref(), line.user_hash.as_ref()))
            && self.principal.as_ref().is_none_or(|own| Some(own) == line.principal.as_ref())
            && self.ending.is_none_or(|ending| line.outcome.as_deref() == Some(ending.name()))
            && (self.since.is_none() && self.until.is_none() || line.at().is_some_and(|at| self.is_within(at)))
    }

    fn is_within(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }
}

/// Collects the calls of a trail: how each ended, or that it was begun and nobody knows its end.
#[derive(Debug, Default)]
pub struct Calls {
    found: Vec<Line>,
    /// Where the intents without an end are in `found`.
    open: HashMap<u64, usize>,
}

impl Calls {
    /// The next piece of the trail, if it is a line.
    pub fn take_piece(&mut self, piece: Piece<'_>) {
        if let Some(line) = Line::parse(piece.bytes) {
            self.take(line);
        }
    }

    /// The next line of the trail.
    pub fn take(&mut self, line: Line) {
        match (line.kind.as_str(), line.change) {
            ("intent", Some(change)) => {
                self.open.insert(change, self.found.len());
                self.found.push(Line { outcome: Some(Ending::Unknown.name().to_owned()), ..line });
            }
            ("call", change) => {
                let begun = change.and_then(|change| self.open.remove(&change));
                let intent = begun.and_then(|place| self.found.get_mut(place));
                match intent.filter(|intent| intent.operation == line.operation) {
                    Some(intent) => *intent = line,
                    None => self.found.push(line),
                }
            }
            _ => {}
        }
    }

    /// Those that are asked for, in the order in which they were begun, as far as that is known.
    pub fn that_fit(self, filter: &Filter) -> Vec<Line> {
        self.found.into_iter().filter(|line| filter.fits(line)).collect()
    }
}
