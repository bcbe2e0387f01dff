//! What a line tells of a call.

use std::fmt;

use crate::audit::line::Ending;
use crate::error::{ErrorKind, Result};
use crate::identity::RecordName;
use crate::operation::Source;

/// What a call is about. Its `Debug` shows neither ids nor users, which may be anything.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Subject<'a> {
    /// Every token, or none in particular.
    All,
    /// The token that this id may name.
    Id(&'a str),
    /// A token that is asked for or given: its id and user, as far as they are there.
    Token {
        /// Its id.
        id: Option<&'a str>,
        /// Its user.
        user: Option<&'a str>,
    },
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("All"),
            Self::Id(_) => f.debug_tuple("Id").finish_non_exhaustive(),
            Self::Token { .. } => f.debug_struct("Token").finish_non_exhaustive(),
        }
    }
}

/// What came of a call. Its `Debug` shows neither ids nor users.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// How it ended.
    pub ending: Ending,
    /// Why not otherwise.
    pub error: Option<ErrorKind>,
    /// What it did, where the operation does not say: `inserted`, `updated`, `superseded`.
    pub did: Option<&'static str>,
    /// The id of the token that there is.
    pub token: Option<&'a str>,
    /// The name of its record, which all of its ids lead to.
    pub record: Option<RecordName>,
    /// The id that was asked for is a token's.
    pub is_token: bool,
    /// The user of the token that there is.
    pub user: Option<&'a str>,
    /// How many tokens it was about.
    pub count: Option<usize>,
    /// Where the answer came from.
    pub source: Option<Source>,
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Facts");
        shown.field("ending", &self.ending).field("error", &self.error).field("did", &self.did);
        shown.field("count", &self.count).field("source", &self.source).finish_non_exhaustive()
    }
}

impl Facts<'_> {
    /// A call that ended so.
    pub const fn of(ending: Ending) -> Self {
        Self {
            ending,
            error: None,
            did: None,
            token: None,
            record: None,
            is_token: false,
            user: None,
            count: None,
            source: None,
        }
    }

    /// A call that ended with an error of this kind.
    pub const fn of_error(kind: ErrorKind) -> Self {
        Self { error: Some(kind), ..Self::of(Ending::of(kind)) }
    }
}

/// The facts of any answer, but for what it holds.
pub fn facts_of<T>(result: &Result<T>) -> Facts<'_> {
    result.as_ref().map_or_else(|error| Facts::of_error(error.kind()), |_| Facts::of(Ending::Ok))
}
