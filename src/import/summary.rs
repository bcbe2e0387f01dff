//! What an import did, or would do.

use crate::error::{Error, Result};
use crate::import::row::Refusal;

/// What became of the import as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effect {
    /// What the summary says is in the vault.
    #[default]
    Imported,
    /// Nothing was written, as asked for.
    DryRun,
    /// Nothing was written, because rows were refused and were not to be skipped.
    Stopped,
}

/// What became of each row, by line. A row is in one list only (beside the warning).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "an import that was stopped by a refused row answers a summary, not an error"]
pub struct Summary {
    /// What became of it all.
    pub effect: Effect,
    /// A new token.
    pub new: Vec<usize>,
    /// The token with the row's id (or, with new ids, the one that the row means) was changed.
    pub updated: Vec<usize>,
    /// A token was there already, under another id or in an earlier row: the row is now that token, and its id leads
    /// to it too.
    pub merged: Vec<Merge>,
    /// All of it was there already.
    pub unchanged: Vec<usize>,
    /// The vault's token is newer than the last import and was kept; the row's id leads to it.
    pub kept: Vec<usize>,
    /// The row has no id.
    pub skipped: Vec<usize>,
    /// The row cannot be imported.
    pub refused: Vec<Refusal>,
    /// A warning: the expiry of these rows looks like seconds where milliseconds belong. Stored as given.
    pub looks_like_seconds: Vec<usize>,
}

/// A row that became one with another token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merge {
    /// The row's line.
    pub line: usize,
    /// The earlier row of the same token, which this one replaces; `None` where the token was in the vault.
    pub earlier: Option<usize>,
}

impl Summary {
    /// Fails where the import was stopped.
    ///
    /// # Errors
    /// `InvalidInput`, with the number of refused rows and the line of the first.
    pub fn check(&self) -> Result<()> {
        match (self.effect, self.refused.first()) {
            (Effect::Stopped, Some(first)) => {
                let count = self.refused.len();
                let rows = if count == 1 { "row was" } else { "rows were" };
                let message =
                    format!("{count} {rows} refused (the first on line {}); nothing was imported", first.line);
                Err(Error::invalid(message).with_hint("correct these rows, or skip refused rows to import the others"))
            }
            _ => Ok(()),
        }
    }
}
