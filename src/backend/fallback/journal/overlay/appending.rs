//! What a write that is decided over a journal's states becomes there: an entry, and the state that it makes.

use std::sync::Arc;

use crate::backend::fallback::journal::entry::{Deed, Deleting, Entry, Saving, Start};
use crate::backend::fallback::journal::mark::Mark;
use crate::backend::fallback::journal::overlay::Overlay;
use crate::backend::fallback::journal::state::{Held, State};
use crate::backend::{Change, Commit};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::fields::{Field, Fields};
use crate::identity::RecordName;
use crate::operation::Context;
use crate::record::Record;
use crate::token::OAuthToken;

impl Overlay {
    pub(super) async fn is_as_expected(&self, commit: &Commit) -> Result<bool> {
        let context = Context::new();
        for Change { name, expected, .. } in &commit.changes {
            if self.find(&context, *name).await?.value.map(|record| record.version) != *expected {
                return Ok(false);
            }
        }
        for claim in &commit.claims {
            if self.candidates(&context, &[claim.key]).await?.value.by_key.first() != Some(&claim.names) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts the change of a save or a deletion into the journal.
    pub(super) async fn append(&self, mark: &Mark, change: &Change) -> Result<()> {
        let old = self.find(&Context::new(), change.name).await?.value;
        let (number, at) = (mark.next, self.kept_since.unwrap_or_else(|| self.now()));
        let before = self.journal.state(change.name).await?;
        if change.expected.is_none() && self.is_ended(mark, change.name, before.as_ref()).await? {
            return Err(Error::new(ErrorKind::Gone, "the token was deleted").with_hint("sign in again"));
        }
        let (deed, state) = match (&change.value, &self.token, old) {
            (Some(new), Some(token), old) => {
                let old = old.as_deref();
                let since = self.known_since((token.fields(), old, new), before.as_ref()).await;
                let held = Held { record: Arc::clone(new), number, at: since.map_or(at, |since| since.min(at)) };
                (Deed::Save(saving(token, old, new)), State::Held(held))
            }
            (None, _, Some(old)) => {
                let (name, lineage, version) = (old.name, old.lineage, old.version.next()?);
                let deed = Deed::Delete(Deleting { name, lineage, fields: Arc::clone(&old.fields) });
                (deed, State::Deleted { name, lineage, number, version })
            }
            _ => return Err(Error::conflict()),
        };
        let entry = Entry { number, at, aim: None, deed };
        self.journal.append(mark, &entry, vec![state.replacing(before.as_ref())?]).await
    }

    /// Whether the entries have deleted a record of this name: an earlier attempt has made it, unheard.
    async fn is_ended(&self, mark: &Mark, name: RecordName, before: Option<&State>) -> Result<bool> {
        if matches!(before, Some(State::Deleted { .. })) {
            return Ok(true);
        }
        let clearings = self.journal.clearings(mark).await?;
        Ok(clearings.iter().any(|(_, clearing)| clearing.seen.contains_key(&name)))
    }

    /// Since when what a save leaves of older secrets is known, which readers have for so long only; `None` where it brings all of them, and
    /// one that is new.
    async fn known_since(
        &self,
        (given, old, new): (&Fields, Option<&Record>, &Record),
        before: Option<&State>,
    ) -> Option<Timestamp> {
        let old = old?;
        let is_new = |field: Field| new.fields.get(field) != old.fields.get(field);
        if brings_secrets(given, &new.fields) && secrets().any(is_new) {
            return None;
        }
        match before {
            Some(State::Held(held)) => Some(held.at),
            _ => Some(self.fallback.usable_as_of().await.unwrap_or_default()),
        }
    }
}

fn secrets() -> impl Iterator<Item = Field> {
    Field::GRANTED.into_iter().chain([Field::ClientSecret])
}

/// Whether whoever gave `given` knows all that opens something in `fields`.
pub(crate) fn brings_secrets(given: &Fields, fields: &Fields) -> bool {
    secrets().all(|field| fields.get(field) == given.get(field))
}

fn saving(token: &OAuthToken, old: Option<&Record>, new: &Record) -> Saving {
    let seen = match (token.base(), old) {
        (Some(base), _) => {
            Some(Start { handed_out: Arc::clone(&base.fields), fields: Arc::clone(&base.seen), lineage: base.lineage })
        }
        (None, Some(old)) => {
            Some(Start { handed_out: Arc::clone(&old.fields), fields: Arc::clone(&old.fields), lineage: old.lineage })
        }
        (None, None) => None,
    };
    Saving {
        name: new.name,
        id: token.id().map(Arc::from),
        given: Arc::clone(token.shared_fields()),
        expected: old.map(|old| old.version),
        version: new.version,
        lineage: new.lineage,
        seen,
        has_base: token.base().is_some(),
    }
}
