//! What a save makes of the record it means: the one copy of the rules on base and lineage.
//!
//! A save is compared with what its token was handed out with (its base), or with the record itself where it was not
//! handed out. Fields that are the same count as not given. The *granted* fields (access token, refresh token, grant,
//! expiry) move as one set, because half of one sign-in and half of another open nothing; the other fields move
//! singly.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::fields::{Field, Fields};
use crate::identity::{Beginning, Lineage};
use crate::record::{Record, Writer};
use crate::secret::SecretText;
use crate::token::{Base, parse_expiry};

/// An overtaken save of the same refresh token is written only if it lives this much longer than what is there.
const WORTH_A_WRITE: Duration = Duration::from_mins(5);

/// What a save makes of a record.
pub(crate) struct Merged {
    pub(crate) record: Record,
    /// The granted fields were kept, because the record has moved on since the base.
    pub(crate) is_superseded: bool,
    /// There is nothing to write.
    pub(crate) is_void: bool,
}

/// The first state of a new record.
pub(crate) fn first_state(
    beginning: Beginning,
    given: &Arc<Fields>,
    id: Option<Arc<str>>,
    writer: Writer,
    now: Timestamp,
) -> Record {
    let Beginning { name, version, lineage } = beginning;
    Record {
        name,
        version,
        fields: Arc::clone(given),
        ids: id.into_iter().collect(),
        adopted: Vec::new(),
        lineage,
        longest_life: None,
        first_refresh: given.get(Field::RefreshToken).map(SecretText::shared),
        created_at: now,
        saved_at: now,
        writer,
        lease: None,
    }
}

/// The state that follows `record` when `given` is saved.
///
/// # Errors
/// `Unavailable` where the system has no randomness to give.
pub(crate) fn next_state(
    given: &Fields,
    base: Option<&Base>,
    record: &Record,
    writer: Writer,
    now: Timestamp,
) -> Result<Merged> {
    let changes = Changes::between(given, base, record);
    let verdict = changes.verdict();
    let mut fields = Fields::clone(&record.fields);
    for field in Field::ALL.into_iter().filter(|field| !Field::GRANTED.contains(field)) {
        if changes.is_given(field) {
            fields.set(field, given.get(field).cloned());
        }
    }
    if matches!(verdict, Verdict::Take | Verdict::NewLineage) {
        changes.move_granted(&mut fields);
    }
    let is_superseded = verdict == Verdict::Superseded;
    let is_void = is_superseded && fields == *record.fields;
    let lineage = if verdict == Verdict::NewLineage { record.lineage.next()? } else { record.lineage };
    let first_refresh = match verdict {
        // Also one that the record holds already: beside a new grant, it is what this sign-in began with.
        Verdict::NewLineage => given.get(Field::RefreshToken).cloned(),
        Verdict::Take if record.first_refresh.is_none() => changes.granted_text(Field::RefreshToken).cloned(),
        _ => record.first_refresh.clone(),
    };
    let longest_life = match verdict {
        Verdict::NewLineage => None,
        Verdict::Take => record.longest_life.max(changes.life_of_refreshed(now)),
        _ => record.longest_life,
    };
    let record = Record {
        version: record.version.next()?,
        fields: Arc::new(fields),
        lineage,
        longest_life,
        first_refresh,
        saved_at: now.max(record.saved_at),
        writer,
        // Somebody is refreshing the token that is kept; a new one has no need of it.
        lease: record.lease.clone().filter(|_| !matches!(verdict, Verdict::Take | Verdict::NewLineage)),
        ..record.clone()
    };
    Ok(Merged { record, is_superseded, is_void })
}

/// The state that follows `record` when all of `given` is put over it, whatever the record has been through since: what
/// an import does that was told to overwrite. What was handed out before counts as of an older sign-in, unless it is
/// this one.
///
/// # Errors
/// `Unavailable` where the system has no randomness to give.
#[cfg(feature = "import")]
pub(crate) fn overwritten_state(given: &Fields, record: &Record, writer: Writer, now: Timestamp) -> Result<Record> {
    let is_other = |field| given.get(field).is_some() && given.get(field) != record.fields.get(field);
    let is_new_sign_in = is_other(Field::RefreshToken) || is_other(Field::GrantToken);
    let mut fields = given.clone();
    fields.fill_from(&record.fields);
    Ok(Record {
        version: record.version.next()?,
        lineage: if is_new_sign_in { record.lineage.next()? } else { record.lineage },
        longest_life: record.longest_life.filter(|_| !is_new_sign_in),
        first_refresh: if is_new_sign_in { given.get(Field::RefreshToken) } else { record.first_refresh.as_ref() }
            .cloned(),
        fields: Arc::new(fields),
        saved_at: now.max(record.saved_at),
        writer,
        lease: None,
        ..record.clone()
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// No granted field is given.
    Keep,
    /// The given set is the next one of this sign-in.
    Take,
    /// The given set is another sign-in.
    NewLineage,
    /// The record's set is the newer one.
    Superseded,
}

/// A save beside what it is compared with.
struct Changes<'a> {
    given: &'a Fields,
    record: &'a Record,
    /// The fields as they were handed out.
    handed_out: &'a Fields,
    /// The record's fields at that time.
    seen: &'a Fields,
    lineage: Lineage,
    has_base: bool,
}

impl<'a> Changes<'a> {
    fn between(given: &'a Fields, base: Option<&'a Base>, record: &'a Record) -> Self {
        Self {
            given,
            record,
            handed_out: base.map_or(&record.fields, |base| &base.fields),
            seen: base.map_or(&record.fields, |base| &base.seen),
            lineage: base.map_or(record.lineage, |base| base.lineage),
            has_base: base.is_some(),
        }
    }

    fn is_given(&self, field: Field) -> bool {
        self.given.get(field).is_some() && self.given.get(field) != self.handed_out.get(field)
    }

    /// A granted field's given text. The refresh token that the lineage began with counts as not given: a
    /// configuration that still holds it says nothing new.
    fn granted_text(&self, field: Field) -> Option<&'a SecretText> {
        self.given
            .get(field)
            .filter(|_| self.is_given(field) && !(field == Field::RefreshToken && self.is_old_refresh()))
    }

    fn is_old_refresh(&self) -> bool {
        let given = self.given.get(Field::RefreshToken);
        given.is_some() && given == self.record.first_refresh.as_ref()
    }

    fn verdict(&self) -> Verdict {
        if Field::GRANTED.into_iter().all(|field| self.granted_text(field).is_none()) {
            return Verdict::Keep;
        }
        if !self.has_base && self.is_new_sign_in() {
            return Verdict::NewLineage;
        }
        if !self.lineage.is_same(self.record.lineage) {
            return Verdict::Superseded;
        }
        if self.has_moved_on() && !self.lives_longer() { Verdict::Superseded } else { Verdict::Take }
    }

    fn is_new_sign_in(&self) -> bool {
        let is_new_refresh =
            self.granted_text(Field::RefreshToken).is_some_and(|refresh| !self.record.holds_refresh(refresh));
        is_new_refresh || self.granted_text(Field::GrantToken).is_some()
    }

    /// Whether the record's granted set is another than the one this save started from.
    fn has_moved_on(&self) -> bool {
        let holds_first_only = !self.has_base && self.is_old_refresh() && self.is_given(Field::RefreshToken);
        holds_first_only
            || Field::GRANTED.into_iter().any(|field| self.seen.get(field) != self.record.fields.get(field))
    }

    /// Whether the given set lives later than the record's, and by enough to be worth a write. A missing expiry loses.
    fn lives_longer(&self) -> bool {
        let expiry = |text: Option<&str>| text.and_then(parse_expiry);
        let Some(given) = expiry(self.granted_text(Field::ExpiresIn).map(SecretText::expose)) else {
            return false;
        };
        let Some(own) = expiry(self.record.fields.text(Field::ExpiresIn)) else {
            return true;
        };
        let is_same_refresh = self.granted(Field::RefreshToken) == self.record.fields.get(Field::RefreshToken);
        given > own && !(is_same_refresh && given.since(own) < WORTH_A_WRITE)
    }

    /// A granted field of the set that this save brings: as given, else as it was when the save started.
    fn granted(&self, field: Field) -> Option<&'a SecretText> {
        self.granted_text(field).or_else(|| self.seen.get(field))
    }

    /// How long the access token has to live that this save brings. None of one that did not come by a refresh for all that
    /// is known: it may have been issued long ago.
    fn life_of_refreshed(&self, now: Timestamp) -> Option<Duration> {
        self.granted_text(Field::AccessToken).filter(|_| self.has_base)?;
        let end = self.granted_text(Field::ExpiresIn).and_then(|text| parse_expiry(text.expose()))?;
        Some(Duration::from_secs(end.since(now).as_millis().div_ceil(1000).try_into().ok()?))
    }

    fn move_granted(&self, fields: &mut Fields) {
        for field in Field::GRANTED {
            // A field is never cleared by absence.
            if let Some(text) = self.granted(field) {
                fields.set(field, Some(text.clone()));
            }
        }
    }
}
