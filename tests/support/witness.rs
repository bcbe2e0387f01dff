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
    texts: Texts,
}

/// What stood at the last look.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    standing: HashMap<String, Seen>,
    appeared: u64,
}

/// A save, as its caller sees it.
pub(crate) struct Wrote<'a> {
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

    pub(crate) fn look(&mut self, listed: Vec<(String, Texts)>, wrote: Option<Wrote<'_>>) -> Result<(), &'static str> {
        self.owners_are_single(&listed)?;
        let before = std::mem::take(&mut self.standing);
        for (id, texts) in listed {
            let seen = match before.get(&id) {
                Some(old) => {
                    let is_new =
                        [GrantToken, RefreshToken].into_iter().any(|field| old.texts.at(field) != texts.at(field));
                    let is_sign_in = is_new && wrote.as_ref().is_some_and(|wrote| !wrote.has_base && wrote.id == id);
                    Seen { sign_ins: old.sign_ins + u64::from(is_sign_in), texts, ..*old }
                }
                None => {
                    self.appeared += 1;
                    Seen { appeared: self.appeared, sign_ins: 1, texts }
                }
            };
            self.standing.insert(id, seen);
        }
        match wrote {
            Some(Wrote { is_done: true, read: Some(read), id, .. }) => self.judge(&before, read, id),
            Some(Wrote { is_done: false, .. }) => self.nothing_changed(&before),
            _ => Ok(()),
        }
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

    fn owners_are_single(&self, listed: &[(String, Texts)]) -> Result<(), &'static str> {
        let owner = |texts: &Texts| (texts.at(UserName).to_owned(), texts.at(ClientId).to_owned());
        let mut owners: Vec<_> =
            listed.iter().map(|(_, texts)| owner(texts)).filter(|(user, _)| !user.is_empty()).collect();
        let count = owners.len();
        owners.sort_unstable();
        owners.dedup();
        if owners.len() == count { Ok(()) } else { Err("two records of one user and client") }
    }
}
