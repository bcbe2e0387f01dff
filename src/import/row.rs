//! What a source gives: rows, and the lines that give none.

use std::borrow::Cow;
use std::sync::Arc;

use crate::fields::{Field, Fields};

/// The fields in the order of the SDKs' columns, after the id.
pub(crate) const FIELD_COLUMNS: [Field; 9] = [
    Field::UserName,
    Field::ClientId,
    Field::ClientSecret,
    Field::RefreshToken,
    Field::AccessToken,
    Field::GrantToken,
    Field::ExpiresIn,
    Field::RedirectUrl,
    Field::ApiDomain,
];

/// One token of a source.
#[derive(Clone, Debug)]
pub struct Row {
    /// The line that the row starts on, from 1; in a database the number of the row.
    pub line: usize,
    /// The row's id; never empty, and not checked otherwise.
    pub id: Arc<str>,
    /// The row's texts; not checked.
    pub fields: Arc<Fields>,
}

/// All of a source.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The rows that could be read, in the source's order.
    pub rows: Vec<Row>,
    /// The lines of rows without an id: the SDK for Node leaves one when it upgrades a file.
    pub skipped: Vec<usize>,
    /// The rows that could not be read.
    pub refused: Vec<Refusal>,
}

/// A row that is not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line that the row starts on.
    pub line: usize,
    /// Why. Never holds a piece of the row.
    pub reason: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn new(line: usize, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { line, reason: reason.into() }
    }
}
