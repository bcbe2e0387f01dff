//! The record that a save means.

use std::borrow::Cow;
use std::sync::Arc;

use crate::backend::Claim;
use crate::error::{Error, Result};
use crate::identity::RecordName;
use crate::matching;
use crate::record::Record;
use crate::token::{Base, OAuthToken};

/// The record that a save means, and what that rests on.
#[derive(Default)]
pub(super) struct Target {
    pub(super) record: Option<Arc<Record>>,
    pub(super) claims: Vec<Claim>,
    /// The name that a new record must take, because it is reserved under one of its keys.
    pub(super) reserved: Option<RecordName>,
}

/// A record that an id or a base names, unless the token contradicts it.
pub(super) fn checked(token: &OAuthToken, record: Arc<Record>) -> Result<Target> {
    if matching::contradicts(token.fields(), &record) {
        return Err(Error::invalid("the token's id belongs to another user or client")
            .with_hint("save it without the id, or under the user and client that the id belongs to"));
    }
    Ok(Target { record: Some(record), ..Target::default() })
}

/// What a token remembers, beside the record that it means. Where its own record has become part of this one, they are of one
/// sign-in if this one holds a token of that.
pub(super) fn beside<'b>(base: &'b Base, record: &Record) -> Cow<'b, Base> {
    if base.record == record.name || !matching::holds_one_given(&base.seen, record) {
        return Cow::Borrowed(base);
    }
    Cow::Owned(Base { lineage: record.lineage, ..base.clone() })
}
