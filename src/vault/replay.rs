//! Writes that were decided while the store was out of reach, made by the same rules beside what the store has by now.
//!
//! Where nobody has touched the record meanwhile, it becomes just what was acknowledged: the same name, version and sign-in.
//! So a play-back that was broken off is known by what it has left, and is not made twice. Else the rules decide, and of what an
//! earlier attempt began to write they leave alone what has changed since.

use std::sync::Arc;

use crate::backend::fallback::journal::entry::{Aim, Deleting, Saving, Start};
use crate::backend::{Change, Claim, Commit};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::fields::{Field, Fields};
use crate::identity::{Beginning, Lineage, RecordName};
use crate::matching;
use crate::merging;
use crate::operation::Context;
use crate::record::{Record, Writer};
use crate::token::{Base, OAuthToken};
use crate::vault::{Target, Vault};

/// What there is to do for a save of a journal.
pub(crate) enum Step {
    /// Nothing: the store has it.
    Done,
    /// Nothing: the store has something newer.
    Overtaken,
    /// Nothing: the record was deleted.
    Gone,
    Write(Write),
}

/// What there is to write for a save of a journal.
pub(crate) struct Write {
    pub(crate) commit: Commit,
    /// The record that it is written into; `None`: it makes one.
    pub(crate) into: Option<Aim>,
    /// The record's own set of tokens is the newer one: only other fields are written, or an id.
    pub(crate) is_overtaken: bool,
    /// The record as it is, if its tokens are replaced and others have written them meanwhile.
    pub(crate) replaced: Option<Arc<Record>>,
}

/// What the store has for a save.
enum Found {
    Record(Arc<Record>),
    Nothing(Target),
    Gone,
}

impl Vault {
    /// What there is to do for a save of a journal that was acknowledged at `at`. `aim`: what an earlier attempt has begun to write
    /// it into.
    ///
    /// # Errors
    /// Those of a save: what the rules refuse, and as the store has them.
    pub(crate) async fn replay_save(
        &self,
        context: &Context,
        save: &Saving,
        (at, aim): (Timestamp, Option<&Aim>),
    ) -> Result<Step> {
        let (old, mut taken) = match self.found(context, save, aim).await? {
            Found::Gone => return Ok(Step::Gone),
            Found::Record(old) => (Some(old), Target::default()),
            Found::Nothing(target) => (None, target),
        };
        let merged = match &old {
            Some(old) if old.version == save.version => return Ok(Step::Done),
            Some(old) if matching::contradicts(&save.given, old) => return Err(of_another()),
            Some(old) => merge(&Beside { save, at, aim, old })?,
            None => first_state(save, taken.reserved, at),
        };
        let Merged { record, is_overtaken, is_written } = merged;
        if !is_written {
            return Ok(if is_overtaken { Step::Overtaken } else { Step::Done });
        }
        let mut claims: Vec<Claim> = std::mem::take(&mut taken.claims);
        if !old.as_ref().is_some_and(|old| matching::is_same_owner(&old.fields, &record.fields)) {
            let token = match &old {
                Some(old) => OAuthToken::new().with_id(&old.name.to_string()),
                None => given(save),
            };
            claims.extend(self.claim_owner(context, &token, old.as_ref().map(|old| old.version), &record).await?);
        }
        let (name, expected) = (record.name, old.as_ref().map(|old| old.version));
        let into = old.as_deref().map(Aim::at);
        let replaced = old.filter(|old| !is_overtaken && is_replaced(save, old, &record, at));
        let change = Change { name, expected, value: Some(Arc::new(record)) };
        let commit = Commit { changes: vec![change], claims };
        Ok(Step::Write(Write { commit, into, is_overtaken, replaced }))
    }

    async fn found(&self, context: &Context, save: &Saving, aim: Option<&Aim>) -> Result<Found> {
        if let Some(aim) = aim {
            let record = self.backend.read(context, aim.record).await?.value;
            return Ok(record.map_or(Found::Gone, Found::Record));
        }
        if let Some(record) = self.of_name(context, save.name).await? {
            // Of several of the user's, the copy may have had this one alone.
            let is_it = record.version == save.version
                || !is_of_any_client(save)
                || self.target(context, &given(save)).await?.record.is_some_and(|meant| meant.name == record.name);
            return if is_it { Ok(Found::Record(record)) } else { Err(of_another()) };
        }
        if save.expected.is_some() {
            return Ok(Found::Gone);
        }
        let target = self.target(context, &given(save)).await?;
        Ok(match target.record {
            Some(record) => Found::Record(record),
            None => Found::Nothing(target),
        })
    }

    /// The record that a deletion of a journal means, and whether it is still the sign-in that was to be ended, whenever another was
    /// begun; `None` where there is none.
    ///
    /// # Errors
    /// As the store has them.
    pub(crate) async fn replay_delete(
        &self,
        context: &Context,
        delete: &Deleting,
    ) -> Result<Option<(Arc<Record>, bool)>> {
        let found = self.of_name(context, delete.name).await?;
        Ok(found.map(|record| {
            let is_meant = record.lineage.is_same(delete.lineage) || matching::holds_one_given(&delete.fields, &record);
            (record, is_meant)
        }))
    }
}

/// Whether it is of a record that its user alone led to.
fn is_of_any_client(save: &Saving) -> bool {
    let is_given = |field| save.given.get(field).is_some();
    let is_free = !save.has_base && save.id.is_none() && save.expected.is_some();
    is_free && is_given(Field::UserName) && !is_given(Field::ClientId)
}

fn of_another() -> Error {
    Error::invalid("the token's record has become another user's or client's")
}

/// The token as it was given, for a save that made a record.
fn given(save: &Saving) -> OAuthToken {
    let mut token = OAuthToken::from_fields(Fields::clone(&save.given));
    token.set_id(save.id.as_deref());
    token
}

struct Merged {
    record: Record,
    is_overtaken: bool,
    is_written: bool,
}

fn first_state(save: &Saving, reserved: Option<RecordName>, at: Timestamp) -> Merged {
    let Saving { name, version, lineage, .. } = *save;
    let beginning = Beginning { name: reserved.unwrap_or(name), version, lineage };
    let mut record = merging::first_state(beginning, &save.given, save.id.clone(), Writer::Save, at);
    add_name(&mut record, name);
    Merged { record, is_overtaken: false, is_written: true }
}

/// What was handed out is of the record, and its id leads to it, whatever that is named.
fn add_name(record: &mut Record, name: RecordName) {
    if !record.is_of_name(name) {
        record.adopted.push(name);
    }
    let id = name.to_string();
    if !record.has_id(&id) {
        record.ids.push(Arc::from(id));
    }
}

/// A save beside the record that it means by now.
struct Beside<'a> {
    save: &'a Saving,
    at: Timestamp,
    aim: Option<&'a Aim>,
    old: &'a Record,
}

impl Beside<'_> {
    fn is_untouched(&self) -> bool {
        self.save.expected == Some(self.old.version)
    }

    /// Whether the record is of the name that the save drew for one: it has been made already.
    fn is_made(&self) -> bool {
        self.save.expected.is_none() && self.old.is_of_name(self.save.name)
    }

    /// Whether what a sign-in brought is there already. It may have been refreshed since.
    fn is_signed_in(&self) -> bool {
        self.save.is_sign_in() && matching::holds_one_given(&self.save.given, self.old)
    }

    /// What is given, but for single fields that may have been written already, or were written by others after it.
    fn given(&self) -> Fields {
        let mut given = Fields::clone(&self.save.given);
        if let Some(before) = self.before() {
            let is_changed = |field: &Field| self.old.fields.get(*field) != before.get(*field);
            let single = Field::ALL.into_iter().filter(|field| !Field::GRANTED.contains(field));
            single.filter(is_changed).for_each(|field| given.set(field, None));
        }
        given
    }

    /// The record's fields before the save, where it may have been made already.
    fn before(&self) -> Option<Arc<Fields>> {
        if let Some(aim) = self.aim {
            return Some(Arc::clone(&aim.fields));
        }
        let seen = || self.save.seen.as_ref().map(|start| Arc::clone(&start.fields)).unwrap_or_default();
        self.is_signed_in().then(seen)
    }

    fn basis(&self) -> Basis {
        let Self { save, at, aim, old } = *self;
        let start = save.seen.as_ref();
        let has_same = |start: &Start| start.lineage.is_same(old.lineage);
        // Also where what it started from was of a record that has become part of this one.
        let is_same = |start: &Start| has_same(start) || matching::holds_one_given(&start.fields, old);
        let lineage = |start: &Start| if is_same(start) { old.lineage } else { start.lineage };
        if self.is_untouched() {
            // As it was decided before: nobody has written the record since.
            let start = start.filter(|_| save.has_base);
            return Basis::Rule(start.map(|start| base_of(old, lineage(start), Some(start))));
        }
        if !save.is_sign_in() {
            return Basis::Rule(Some(base_of(old, start.map_or(save.lineage, lineage), start)));
        }
        if self.is_signed_in() {
            // The later end decides.
            return Basis::Rule(Some(base_of(old, old.lineage, None)));
        }
        // A sign-in that came after an attempt to write this one is the newer one, whatever the clocks say.
        if self.is_made() || aim.is_some_and(|aim| !aim.lineage.is_same(old.lineage)) {
            return Basis::Loses;
        }
        if old.saved_at <= at || start.is_some_and(has_same) { Basis::Rule(None) } else { Basis::Loses }
    }
}

fn merge(beside: &Beside<'_>) -> Result<Merged> {
    let Beside { save, at, old, .. } = *beside;
    let is_untouched = beside.is_untouched();
    let mut record = Record { version: old.version.next()?, ..Record::clone(old) };
    let mut is_superseded = true;
    if let Basis::Rule(base) = beside.basis() {
        let merged = merging::next_state(&beside.given(), base.as_ref(), old, Writer::Save, at)?;
        (record, is_superseded) = (merged.record, merged.is_superseded);
    }
    if !record.lineage.is_same(old.lineage) {
        record.lineage = Lineage { nonce: save.lineage.nonce, ..record.lineage };
    }
    if is_untouched {
        record.version = save.version;
    }
    if save.expected.is_none() {
        add_name(&mut record, save.name);
    }
    let is_overtaken = is_superseded && !holds_set(old, &save.given);
    let is_changed = record.fields != old.fields || record.ids.len() != old.ids.len();
    let is_written = is_changed || (is_untouched && !is_superseded);
    Ok(Merged { record, is_overtaken, is_written })
}

/// What a save is decided by.
enum Basis {
    /// The rule, beside what it started from.
    Rule(Option<Base>),
    /// The store has a newer sign-in.
    Loses,
}

fn base_of(old: &Record, lineage: Lineage, start: Option<&Start>) -> Base {
    Base {
        record: old.name,
        lineage,
        rotated_from: None,
        fields: start.map(|start| Arc::clone(&start.handed_out)).unwrap_or_default(),
        seen: start.map(|start| Arc::clone(&start.fields)).unwrap_or_default(),
    }
}

/// Whether the record has all that is given of one set of tokens.
fn holds_set(record: &Record, given: &Fields) -> bool {
    Field::GRANTED.into_iter().filter_map(|field| Some((field, given.get(field)?))).all(|(field, text)| {
        record.fields.get(field) == Some(text) || (field == Field::RefreshToken && record.holds_refresh(text))
    })
}

/// Whether tokens are replaced that the save did not start from.
fn is_replaced(save: &Saving, old: &Record, new: &Record, at: Timestamp) -> bool {
    let differ =
        |one: &Fields, other: &Fields| Field::GRANTED.into_iter().any(|field| one.get(field) != other.get(field));
    let is_unseen = match &save.seen {
        Some(start) => differ(&start.fields, &old.fields),
        None => old.saved_at > at,
    };
    is_unseen && differ(&old.fields, &new.fields)
}
