//! What an import does, by the model: row after row, and all or nothing.

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{self, AccessToken, ClientId, GrantToken, RefreshToken, UserName};
use tokenvault::import::{Ids, ImportOptions};

use crate::model::{At, Held, Model, refuse_unusable};

/// By line: what was new, what was kept as it is, what was refused.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) new: Vec<usize>,
    pub(crate) kept: Vec<usize>,
    pub(crate) refused: Vec<usize>,
}

impl Model {
    /// Imports rows, which stand on the lines 1, 2, and so on.
    pub(crate) fn import(&mut self, rows: &[Held], options: &ImportOptions<'_>, now: u64) -> Told {
        let mut told = Told::default();
        let before = self.rows.clone();
        for (line, row) in (1..).zip(rows) {
            match self.import_row(row, options, now + line as u64) {
                Ok(Fate::New) => told.new.push(line),
                Ok(Fate::Kept) => told.kept.push(line),
                Ok(Fate::Taken) => {}
                Err(_) => told.refused.push(line),
            }
        }
        if options.dry_run || (!told.refused.is_empty() && !options.skip_refused) {
            self.rows = before;
            return told;
        }
        // Rows that ended where they began were never written.
        for row in &mut self.rows {
            let old = before.iter().find(|old| old.number == row.number);
            if let Some(old) = old.filter(|old| old.texts == row.texts && old.ids == row.ids) {
                row.clone_from(old);
            }
        }
        told
    }

    fn import_row(&mut self, given: &Held, options: &ImportOptions<'_>, now: u64) -> Result<Fate, ErrorKind> {
        let mut given = given.clone();
        if options.ids == Ids::New {
            given.id.clear();
        }
        refuse_unusable(&given.id)?;
        let Some(at) = self.meant_by_row(&given)? else {
            let at = self.insert(&given, now)?;
            self.rows[at].is_imported = true;
            return Ok(Fate::New);
        };
        let mut row = self.rows[at].clone();
        let mut is_kept = !options.overwrite && !row.is_imported;
        if options.overwrite {
            let is_other = |field| given.texts.has(field) && given.texts.at(field) != row.texts.at(field);
            if is_other(RefreshToken) || is_other(GrantToken) {
                row.sign_in += 1;
                given.texts.at(RefreshToken).clone_into(&mut row.first_refresh);
            }
            let mut texts = given.texts.clone();
            texts.fill_from(&row.texts);
            row.texts = texts;
        } else if !is_kept {
            is_kept = row.take(&given);
        }
        if is_kept {
            row = self.rows[at].clone();
        }
        self.refuse_twins(&row)?;
        let is_new_id = !given.id.is_empty() && !row.has_id(&given.id);
        row.ids.extend(is_new_id.then(|| given.id.clone()));
        if !is_kept && (is_new_id || row.texts != self.rows[at].texts) {
            row.saved = now;
            row.is_imported = true;
        }
        if is_new_id || row.texts != self.rows[at].texts {
            self.rows[at] = row;
        }
        Ok(if is_kept { Fate::Kept } else { Fate::Taken })
    }

    /// By its id, where nothing speaks against it; else as a save without an id.
    fn meant_by_row(&self, given: &Held) -> Result<Option<At>, ErrorKind> {
        if !given.id.is_empty()
            && let Some(at) = self.with_id(&given.id)
        {
            let is_another = self.rows[at].is_contradicted_by(&given.texts) || self.may_be_another(at, given);
            return if is_another { Err(ErrorKind::InvalidInput) } else { Ok(Some(at)) };
        }
        self.meant_by_save(&Held { id: String::new(), ..given.clone() })
    }

    /// Only one of the two names a user or client, and they have no token in common.
    fn may_be_another(&self, at: At, given: &Held) -> bool {
        let row = &self.rows[at];
        let is_one_sided = |field| given.texts.has(field) != row.texts.has(field);
        let is_shared = |field: Field| given.texts.has(field) && given.texts.at(field) == row.texts.at(field);
        let is_first = given.texts.has(RefreshToken) && given.texts.at(RefreshToken) == row.first_refresh;
        (is_one_sided(UserName) || is_one_sided(ClientId))
            && !(is_first || is_shared(RefreshToken) || is_shared(GrantToken) || is_shared(AccessToken))
    }
}

enum Fate {
    New,
    Kept,
    Taken,
}
