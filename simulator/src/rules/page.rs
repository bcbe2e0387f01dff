//! Pages of listings, and the tokens that lead from one to the next.

use std::hash::{DefaultHasher, Hash, Hasher};

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ServiceError;
use crate::operation::Operation;
use crate::rules::input;
use crate::world::World;

/// By what a listing is ordered; no two entries share one.
pub(crate) type Position = (String, String);

/// What a NextToken holds. It serves the request it was made for, and no other.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    operation: String,
    request: u64,
    after: Option<Position>,
    follows_an_empty_page: bool,
}

#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) next: Option<String>,
}

/// What to cut a page from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut<'a> {
    pub(crate) operation: Operation,
    pub(crate) body: &'a Value,
    pub(crate) token: Option<&'a str>,
    pub(crate) most: usize,
    pub(crate) descending: bool,
}

impl Cut<'_> {
    /// The page of these entries that the token leads to: now and then an empty one, with a token to go on.
    pub(crate) fn page<T>(&self, world: &mut World, mut entries: Vec<(Position, T)>) -> Result<Page<T>, ServiceError> {
        let cursor = self.token.map(|token| self.read(token)).transpose()?;
        let follows_an_empty_page = cursor.as_ref().is_some_and(|cursor| cursor.follows_an_empty_page);
        let after = cursor.and_then(|cursor| cursor.after);
        if !follows_an_empty_page && world.random.u8(0..100) < world.switches.empty_pages {
            return Ok(Page { entries: Vec::new(), next: Some(self.written(after, true)) });
        }
        entries.sort_by(|(one, _), (other, _)| if self.descending { other.cmp(one) } else { one.cmp(other) });
        if let Some(after) = &after {
            entries.retain(|(position, _)| if self.descending { position < after } else { position > after });
        }
        let is_last = entries.len() <= self.most;
        entries.truncate(self.most);
        let next = entries.last().filter(|_| !is_last).map(|(position, _)| self.written(Some(position.clone()), false));
        Ok(Page { entries: entries.into_iter().map(|(_, entry)| entry).collect(), next })
    }

    fn read(&self, token: &str) -> Result<Cursor, ServiceError> {
        input::length("NextToken", token, 1..=4096)?;
        let cursor = BASE64URL_NOPAD.decode(token.as_bytes()).ok();
        let cursor: Option<Cursor> = cursor.and_then(|cursor| serde_json::from_slice(&cursor).ok());
        let fits = |cursor: &Cursor| cursor.operation == self.operation.name() && cursor.request == self.request();
        cursor
            .filter(fits)
            .ok_or_else(|| ServiceError::new("InvalidNextTokenException", "The NextToken value is invalid."))
    }

    fn written(&self, after: Option<Position>, follows_an_empty_page: bool) -> String {
        let operation = self.operation.name().to_owned();
        let cursor = Cursor { operation, request: self.request(), after, follows_an_empty_page };
        BASE64URL_NOPAD.encode(&serde_json::to_vec(&cursor).unwrap_or_default())
    }

    /// All of the request that has to stay the same from page to page.
    fn request(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (name, value) in self.body.as_object().into_iter().flatten() {
            if name != "NextToken" && name != "MaxResults" {
                (name, value.to_string()).hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}
