//! The rules once more, as plainly as they can be said: rows in a list, looked through one by one.
//!
//! Written from the contract, not from the vault, so that the two can disagree. No lookup keys, no versions, no claims.

use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{
    self, AccessToken, ClientId, ClientSecret, ExpiresIn, GrantToken, RefreshToken, UserName,
};
use tokenvault::store::Outcome;

/// The nine texts in the order of `Field::ALL`; an empty one is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Texts(pub(crate) [String; 9]);

impl Texts {
    pub(crate) fn at(&self, field: Field) -> &str {
        &self.0[field as usize]
    }

    pub(crate) fn has(&self, field: Field) -> bool {
        !self.at(field).is_empty()
    }

    pub(crate) fn set(&mut self, field: Field, text: &str) {
        self.0[field as usize] = text.to_owned();
    }

    pub(crate) fn fill_from(&mut self, other: &Self) {
        for field in Field::ALL {
            if !self.has(field) {
                self.set(field, other.at(field));
            }
        }
    }
}

/// A token as its holder has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) texts: Texts,
    pub(crate) base: Option<Base>,
}

/// What a handed-out token remembers.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    row: u64,
    sign_in: u64,
    handed_out: Texts,
    seen: Texts,
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Never used twice: what a base names.
    pub(crate) number: u64,
    /// The id of the vault's making, where it was ever seen.
    pub(crate) made: String,
    /// Those that were brought; the first is the one handed out.
    pub(crate) ids: Vec<String>,
    pub(crate) texts: Texts,
    /// Counts the row's sign-ins.
    pub(crate) sign_in: u64,
    /// The refresh token that the sign-in began with, once there is one.
    pub(crate) first_refresh: String,
    pub(crate) saved: u64,
    pub(crate) is_imported: bool,
}

/// Every row, in the order of the first saves.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) rows: Vec<Row>,
    made: u64,
}

/// A row's place in the list.
pub(crate) type At = usize;

impl Model {
    /// Answers whether something was found.
    pub(crate) fn find(&self, held: &mut Held) -> bool {
        match self.meant(held) {
            Some(at) => self.rows[at].hand_out(held),
            None => return false,
        }
        true
    }

    pub(crate) fn find_by_id(&self, id: &str) -> Option<Held> {
        let mut held = Held { id: id.to_owned(), ..Held::default() };
        self.rows[self.with_id(id)?].hand_out(&mut held);
        Some(held)
    }

    pub(crate) fn delete(&mut self, id: &str) -> bool {
        self.with_id(id).map(|at| self.rows.remove(at)).is_some()
    }

    pub(crate) fn delete_all(&mut self) -> usize {
        self.rows.drain(..).count()
    }

    /// `made` is the id that the vault makes where a new row has none; `now` is later than every moment before.
    pub(crate) fn save(&mut self, held: &mut Held, made: &str, now: u64) -> Result<Outcome, ErrorKind> {
        refuse_unusable(&held.id)?;
        let (at, outcome) = match self.meant_by_save(held)? {
            Some(at) => (at, self.update(at, held, now)?),
            None => (self.insert(held, now)?, Outcome::Inserted),
        };
        if self.rows[at].id().is_empty() {
            self.rows[at].made = made.to_owned();
        }
        held.base = None;
        self.rows[at].hand_out(held);
        Ok(outcome)
    }

    pub(crate) fn insert(&mut self, held: &Held, now: u64) -> Result<At, ErrorKind> {
        if ![GrantToken, RefreshToken, AccessToken].into_iter().any(|field| held.texts.has(field)) {
            return Err(ErrorKind::InvalidInput);
        }
        self.made += 1;
        let row = Row {
            number: self.made,
            made: String::new(),
            ids: Some(held.id.clone()).filter(|id| !id.is_empty()).into_iter().collect(),
            texts: held.texts.clone(),
            sign_in: 1,
            first_refresh: held.texts.at(RefreshToken).to_owned(),
            saved: now,
            is_imported: false,
        };
        self.refuse_twins(&row)?;
        self.rows.push(row);
        Ok(self.rows.len() - 1)
    }

    fn update(&mut self, at: At, held: &Held, now: u64) -> Result<Outcome, ErrorKind> {
        let mut row = self.rows[at].clone();
        let is_kept = row.take(held);
        if !(is_kept && row.texts == self.rows[at].texts) {
            row.saved = now;
            row.is_imported = false;
        }
        self.refuse_twins(&row)?;
        self.rows[at] = row;
        Ok(if is_kept { Outcome::Superseded } else { Outcome::Updated })
    }

    /// One row for one user and client.
    pub(crate) fn refuse_twins(&self, row: &Row) -> Result<(), ErrorKind> {
        let is_twin = |other: &Row| {
            other.number != row.number
                && row.texts.has(UserName)
                && [UserName, ClientId].into_iter().all(|field| other.texts.at(field) == row.texts.at(field))
        };
        if self.rows.iter().any(is_twin) { Err(ErrorKind::InvalidInput) } else { Ok(()) }
    }

    pub(crate) fn with_id(&self, id: &str) -> Option<At> {
        self.rows.iter().position(|row| row.has_id(id) && !id.is_empty())
    }

    fn last_saved(&self, is_meant: impl Fn(&Row) -> bool) -> Option<At> {
        let meant = self.rows.iter().enumerate().filter(|(_, row)| is_meant(row));
        meant.max_by_key(|(_, row)| row.saved).map(|(at, _)| at)
    }

    fn meant(&self, held: &Held) -> Option<At> {
        if !held.id.is_empty() {
            return self.with_id(&held.id).filter(|at| !self.rows[*at].is_contradicted_by(&held.texts));
        }
        let given = &held.texts;
        let is_client = |row: &Row| !given.has(ClientId) || row.texts.at(ClientId) == given.at(ClientId);
        let equal = |row: &Row, field| given.has(field) && row.texts.at(field) == given.at(field);
        if given.has(UserName) {
            return self.last_saved(|row| equal(row, UserName) && is_client(row));
        }
        let mut meant = None;
        if !given.has(ClientId) && !given.has(ClientSecret) {
            meant = self.last_saved(|row| equal(row, AccessToken) && !row.texts.has(RefreshToken));
        }
        meant = meant.or_else(|| self.last_saved(|row| equal(row, GrantToken) && is_client(row)));
        let is_refresh = |row: &Row| given.has(RefreshToken) && row.found_by() == given.at(RefreshToken);
        meant.or_else(|| self.last_saved(|row| is_refresh(row) && is_client(row)))
    }

    pub(crate) fn meant_by_save(&self, held: &Held) -> Result<Option<At>, ErrorKind> {
        if let Some(base) = &held.base {
            let at = self.rows.iter().position(|row| row.number == base.row).ok_or(ErrorKind::Gone)?;
            let is_another = !held.id.is_empty() && !self.rows[at].has_id(&held.id);
            if is_another || self.rows[at].is_contradicted_by(&held.texts) {
                return Err(ErrorKind::InvalidInput);
            }
            return Ok(Some(at));
        }
        if !held.id.is_empty() {
            return match self.with_id(&held.id) {
                Some(at) if self.rows[at].is_contradicted_by(&held.texts) => Err(ErrorKind::InvalidInput),
                None if held.id.starts_with("tv") && held.id.len() == 28 => Err(ErrorKind::Gone),
                at => Ok(at),
            };
        }
        let of_user = self.rows.iter().filter(|row| row.texts.at(UserName) == held.texts.at(UserName)).count();
        if !held.texts.has(UserName) || held.texts.has(ClientId) || of_user < 2 {
            return Ok(self.meant(held));
        }
        let is_meant = |row: &Row| row.texts.at(UserName) == held.texts.at(UserName) && row.holds_one_of(&held.texts);
        self.last_saved(is_meant).map(Some).ok_or(ErrorKind::Ambiguous)
    }
}

impl Row {
    /// The id that is handed out.
    pub(crate) fn id(&self) -> &str {
        self.ids.first().unwrap_or(&self.made)
    }

    pub(crate) fn has_id(&self, id: &str) -> bool {
        self.made == id || self.ids.iter().any(|own| own == id)
    }

    fn found_by(&self) -> &str {
        if self.first_refresh.is_empty() { self.texts.at(RefreshToken) } else { &self.first_refresh }
    }

    pub(crate) fn is_contradicted_by(&self, given: &Texts) -> bool {
        let differs = |field| given.has(field) && self.texts.has(field) && given.at(field) != self.texts.at(field);
        differs(UserName) || differs(ClientId)
    }

    fn holds_one_of(&self, given: &Texts) -> bool {
        [RefreshToken, GrantToken, AccessToken]
            .into_iter()
            .any(|field| given.has(field) && given.at(field) == self.texts.at(field))
            || (given.has(RefreshToken) && given.at(RefreshToken) == self.found_by())
    }

    fn hand_out(&self, held: &mut Held) {
        let before = held.texts.clone();
        held.texts.fill_from(&self.texts);
        let mut handed_out = held.texts.clone();
        // What was changed since this row was handed out before, and is not saved yet, stays a change.
        if let Some(base) = held.base.as_ref().filter(|base| base.row == self.number) {
            for field in Field::ALL {
                let is_change = before.has(field) && before.at(field) != base.handed_out.at(field);
                if is_change && before.at(field) != self.texts.at(field) {
                    handed_out.set(field, base.handed_out.at(field));
                }
            }
        }
        if held.id.is_empty() {
            self.id().clone_into(&mut held.id);
        }
        let (row, sign_in) = (self.number, self.sign_in);
        held.base = Some(Base { row, sign_in, handed_out, seen: self.texts.clone() });
    }

    /// Takes what `held` brings. Answers whether its grants were overtaken, and so left out.
    pub(crate) fn take(&mut self, held: &Held) -> bool {
        let own = self.texts.clone();
        let sign_in = held.base.as_ref().map_or(self.sign_in, |base| base.sign_in);
        let (handed_out, seen) = match &held.base {
            Some(base) => (&base.handed_out, &base.seen),
            None => (&own, &own),
        };
        let is_new = |field| held.texts.has(field) && held.texts.at(field) != handed_out.at(field);
        for field in Field::ALL.into_iter().filter(|field| !Field::GRANTED.contains(field) && is_new(*field)) {
            self.texts.set(field, held.texts.at(field));
        }
        // A first refresh token that some configuration still holds is nothing new, and of no use any more.
        let is_configured = held.texts.has(RefreshToken) && held.texts.at(RefreshToken) == self.first_refresh;
        let brings = |field| is_new(field) && !(field == RefreshToken && is_configured);
        if !Field::GRANTED.into_iter().any(brings) {
            return false;
        }
        let is_unknown_refresh = brings(RefreshToken) && held.texts.at(RefreshToken) != own.at(RefreshToken);
        let is_sign_in = held.base.is_none() && (brings(GrantToken) || is_unknown_refresh);
        let is_stale = if held.base.is_some() {
            Field::GRANTED.into_iter().any(|field| seen.at(field) != own.at(field))
        } else {
            is_configured && is_new(RefreshToken)
        };
        let set = |field| if brings(field) { held.texts.at(field) } else { seen.at(field) };
        let expiry = if brings(ExpiresIn) { held.texts.at(ExpiresIn) } else { "" };
        let margin = if set(RefreshToken) == own.at(RefreshToken) { 5 * 60_000 } else { 1 };
        if !is_sign_in && (sign_in != self.sign_in || (is_stale && !outlives(expiry, own.at(ExpiresIn), margin))) {
            return true;
        }
        for field in Field::GRANTED.into_iter().filter(|field| !set(*field).is_empty()) {
            self.texts.set(field, set(field));
        }
        self.sign_in += u64::from(is_sign_in);
        if is_sign_in || (self.first_refresh.is_empty() && brings(RefreshToken)) {
            self.first_refresh = held.texts.at(RefreshToken).to_owned();
        }
        false
    }
}

pub(crate) fn refuse_unusable(id: &str) -> Result<(), ErrorKind> {
    if id.len() > 256 || id.chars().any(char::is_control) { Err(ErrorKind::InvalidInput) } else { Ok(()) }
}

/// Whether one expiry is later than another by so many milliseconds. A missing one loses.
fn outlives(one: &str, other: &str, margin: u64) -> bool {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one >= other + margin,
        (one, _) => one.is_ok(),
    }
}
