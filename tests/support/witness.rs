//! Watches the three promises that matter most by what can be seen from outside, knowing neither rules nor model.

use std::collections::HashMap;

use tokenvault::fields::Field;
use tokenvault::fields::Field::{ClientId, GrantToken, RefreshToken, UserName};

use crate::model::Texts;

/// What is known of a token that stands under some id.
#[derive(Clone, Debug)]
struct Seen {
    /// Counts what appeared: an id that vanished and came back is another one.
    appeared: u64,
    sign_ins: u64,
    /// Whether a save put these texts there, not an import.
    is_saved: bool,
    texts: Texts,
}

/// What stood at the last look.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    standing: HashMap<String, Seen>,
    appeared: u64,
}

/// What was done since the last look.
pub(crate) enum Deed<'a> {
    Saved(Save<'a>),
    /// An import, told to overwrite or not.
    Imported {
        is_overwriting: bool,
    },
    Deleted,
}

/// A save, as its caller sees it.
pub(crate) struct Save<'a> {
    pub(crate) is_done: bool,
    /// What the witness answered when the token was read.
    pub(crate) read: Option<(u64, u64)>,
    pub(crate) has_base: bool,
    pub(crate) id: &'a str,
}

impl Witness {
    /// What stands under an id, and at which of its sign-ins: to be remembered with a token that is read now.
    pub(crate) fn read(&self, id: &str) -> Option<(u64, u64)> {
        self.standing.get(id).map(|seen| (seen.appeared, seen.sign_ins))
    }

    /// A token is handed out under another id from now on: an import brought it one.
    pub(crate) fn rename(&mut self, old: &str, new: &str) {
        if let Some(seen) = self.standing.remove(old) {
            self.standing.insert(new.to_owned(), seen);
        }
    }

    pub(crate) fn look(&mut self, listed: Vec<(String, Texts)>, deed: Deed<'_>) -> Result<(), &'static str> {
        owners_are_single(&listed)?;
        let before = std::mem::take(&mut self.standing);
        for (id, texts) in listed {
            let now = self.see(before.get(&id), &id, texts, &deed);
            self.standing.insert(id, now);
        }
        match deed {
            Deed::Saved(Save { is_done: true, read: Some(read), id, .. }) => self.judge(&before, read, id),
            Deed::Saved(Save { is_done: false, .. }) => self.nothing_changed(&before),
            Deed::Imported { is_overwriting: false } => self.saves_stand(&before),
            Deed::Saved(_) | Deed::Imported { .. } | Deed::Deleted => Ok(()),
        }
    }

    fn see(&mut self, old: Option<&Seen>, id: &str, texts: Texts, deed: &Deed<'_>) -> Seen {
        let is_import = matches!(deed, Deed::Imported { .. });
        let Some(old) = old else {
            self.appeared += 1;
            return Seen { appeared: self.appeared, sign_ins: 1, is_saved: !is_import, texts };
        };
        let is_new = [GrantToken, RefreshToken].into_iter().any(|field| old.texts.at(field) != texts.at(field));
        let is_baseless = is_import || matches!(deed, Deed::Saved(save) if !save.has_base && save.id == id);
        let is_saved = match deed {
            // It may have written the same texts, and that counts.
            Deed::Imported { is_overwriting: true } => false,
            _ if old.texts == texts => old.is_saved,
            _ => !is_import,
        };
        Seen { sign_ins: old.sign_ins + u64::from(is_new && is_baseless), is_saved, texts, ..*old }
    }

    /// An import puts nothing over what a save has put there.
    fn saves_stand(&self, before: &HashMap<String, Seen>) -> Result<(), &'static str> {
        let mut saved = before.iter().filter(|(_, seen)| seen.is_saved);
        let is_same = saved.all(|(id, seen)| self.standing.get(id).is_some_and(|now| now.texts == seen.texts));
        if is_same { Ok(()) } else { Err("an import put something over what a save had put there") }
    }

    /// A save that rested on what was read at `read` succeeded.
    fn judge(&self, before: &HashMap<String, Seen>, read: (u64, u64), id: &str) -> Result<(), &'static str> {
        let Some(old) = before.values().find(|seen| seen.appeared == read.0) else {
            return Err("a log-out was undone: the save of a token whose record was deleted succeeded");
        };
        let new = self.standing.get(id).ok_or("a save succeeded, and its token is not there")?;
        if new.appeared != old.appeared {
            return Err("a save of a handed-out token went to another record");
        }
        let is_kept = Field::GRANTED.into_iter().all(|field| old.texts.at(field) == new.texts.at(field));
        if old.sign_ins > read.1 && !is_kept {
            return Err("a newer sign-in was overwritten by a save with an older base");
        }
        Ok(())
    }

    fn nothing_changed(&self, before: &HashMap<String, Seen>) -> Result<(), &'static str> {
        let is_same = before.len() == self.standing.len()
            && before.iter().all(|(id, seen)| self.standing.get(id).is_some_and(|now| now.texts == seen.texts));
        if is_same { Ok(()) } else { Err("a refused save changed the store") }
    }
}

fn owners_are_single(listed: &[(String, Texts)]) -> Result<(), &'static str> {
    let owner = |texts: &Texts| (texts.at(UserName).to_owned(), texts.at(ClientId).to_owned());
    let mut owners: Vec<_> =
        listed.iter().map(|(_, texts)| owner(texts)).filter(|(user, _)| !user.is_empty()).collect();
    let count = owners.len();
    owners.sort_unstable();
    owners.dedup();
    if owners.len() == count { Ok(()) } else { Err("two records of one user and client") }
}
