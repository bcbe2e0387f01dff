//! Playing a journal back: entry after entry, each taken out once the store has its result.

use std::collections::HashSet;
use std::sync::Arc;

use crate::backend::fallback::journal::entry::{Clearing, Deed, Deleting, Entry, Saving};
use crate::backend::fallback::journal::lost::{Lost, Why};
use crate::backend::{Change, Commit};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::fields::Fields;
use crate::identity::RecordName;
use crate::layer::journal::Journaled;
use crate::layer::journal::standing::Standing;
use crate::operation::Context;
use crate::pause::within;
use crate::record::Record;
use crate::vault::begun::MAX_VACANT;
use crate::vault::replay::{Step, Write};

/// How often an entry is tried that others get ahead of.
const MAX_ROUNDS: usize = 64;

impl Journaled {
    /// Plays back what there is: where `is_all` does not say otherwise, for no longer than a read waits for the store, and the
    /// next operation goes on. An answer of the store is waited for as long as that in any case; but what a deletion of all has to
    /// list first takes its time.
    ///
    /// # Errors
    /// As the journal has them.
    pub(super) async fn play(&self, context: &Context, is_all: bool) -> Result<Standing> {
        let mark = self.journal.mark().await?;
        if let Err(error) = self.journal.age(&mark, self.options().clock.now()).await {
            tracing::warn!(%error, "what did not stand is kept for longer than 30 days: the journal cannot be written");
        }
        if mark.count == 0 {
            return Ok(Standing::Empty);
        }
        if self.fallback.has_just_failed() {
            return Ok(Standing::Waiting(self.fallback.no_answer()));
        }
        let patience = self.options().first_wait;
        let Some(_turn) = within(&*self.options().pause, patience, self.turn.lock()).await else {
            return Ok(Standing::Waiting(being_played()));
        };
        let _place = match self.place.try_take() {
            Ok(Some(place)) => place,
            Ok(None) => return Ok(Standing::Waiting(being_played())),
            Err(error) => return Ok(Standing::Waiting(self.unwritable(error))),
        };
        let until = (!is_all).then(|| self.options().clock.now().after(patience));
        self.play_until(&context.clone().under_lease(), until).await
    }

    async fn play_until(&self, context: &Context, until: Option<Timestamp>) -> Result<Standing> {
        let mut blocked = None;
        let waiting = self.play_entries(context, until, &mut blocked).await?;
        // Of what was not come to nothing is known. But what is held up is, also once the store is out of reach.
        let is_known = waiting.is_none() || blocked.is_some();
        if is_known && let Err(error) = self.journal.block(blocked.as_ref().map(Error::to_string).as_deref()).await {
            tracing::warn!(%error, "why entries stay could not be noted in the journal");
        }
        Ok(match (waiting, blocked) {
            (Some(error), _) => Standing::Waiting(error),
            (None, Some(error)) => Standing::Blocked(behind(&error)),
            (None, None) => Standing::Empty,
        })
    }

    /// Answers why it did not come to the last entry, where it did not. `blocked`: why those stay that stay until somebody acts.
    async fn play_entries(
        &self,
        context: &Context,
        until: Option<Timestamp>,
        blocked: &mut Option<Error>,
    ) -> Result<Option<Error>> {
        let (mut number, mut stuck) = (0, HashSet::new());
        loop {
            let mark = self.journal.mark().await?;
            let Some(entry) = self.journal.entry_from(&mark, number).await? else { return Ok(None) };
            if until.is_some_and(|until| self.options().clock.now() >= until) {
                return Ok(Some(being_played()));
            }
            number = entry.number + 1;
            let name = name_of(&entry);
            if name.map_or(!stuck.is_empty(), |name| stuck.contains(&name)) {
                stuck.extend(name);
                continue;
            }
            match self.play_one(context, &entry, until.is_none()).await {
                Ok(lost) => {
                    lost.iter().for_each(tell);
                    if let Err(error) = self.journal.finish(entry.number, lost.as_ref()).await {
                        return Ok(Some(self.unwritable(error)));
                    }
                }
                Err(error) if error.retry() == Retry::Later => return Ok(Some(error)),
                Err(error) => {
                    tracing::warn!(%error, "an entry of the journal cannot be played back");
                    let is_of_all = matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::WrongKey);
                    stuck.extend(name);
                    *blocked = Some(error);
                    if is_of_all || name.is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Makes one write. Answers what did not stand.
    async fn play_one(&self, context: &Context, entry: &Entry, is_all: bool) -> Result<Option<Lost>> {
        let lost = |why, fields: &Arc<Fields>, name: RecordName, id: Option<&Arc<str>>| {
            let id = id.cloned().unwrap_or_else(|| Arc::from(name.to_string()));
            Lost::new(why, Some(id), fields, (entry.at, self.options().clock.now()))
        };
        match &entry.deed {
            Deed::Save(save) => {
                let of_save = |why| lost(why, &save.given, save.name, save.id.as_ref());
                match self.in_time(self.play_save(context, entry, save)).await {
                    Err(error) if is_refused(&error) => Ok(Some(of_save(Why::Refused))),
                    outcome => Ok(match outcome? {
                        Played::Stands => None,
                        Played::Over(lost) => Some(lost),
                        Played::Overtaken => Some(of_save(Why::Overtaken)),
                        Played::Gone => Some(of_save(Why::Deleted)),
                    }),
                }
            }
            Deed::Delete(delete) => {
                let is_done = self.in_time(self.play_delete(context, delete)).await?;
                let none = Arc::default();
                Ok((!is_done).then(|| lost(Why::SignedInAgain, &none, delete.name, None)))
            }
            Deed::Clear(clearing) => {
                let is_done = self.play_clear(context, entry, clearing, is_all).await?;
                let times = (entry.at, self.options().clock.now());
                Ok((!is_done).then(|| Lost::new(Why::SignedInAgain, None, &Arc::default(), times)))
            }
        }
    }

    async fn play_save(&self, context: &Context, entry: &Entry, save: &Saving) -> Result<Played> {
        let (mut aim, mut vacant) = (entry.aim.clone(), 0);
        for _ in 0..MAX_ROUNDS {
            let write = match self.inner.replay_save(context, save, (entry.at, aim.as_ref())).await {
                Ok(Step::Done) => return Ok(Played::Stands),
                Ok(Step::Overtaken) => return Ok(Played::Overtaken),
                Ok(Step::Gone) => return Ok(Played::Gone),
                Ok(Step::Write(write)) => write,
                Err(error) if error.kind() == ErrorKind::Conflict => continue,
                Err(error) => return Err(error),
            };
            let Write { commit, into, is_overtaken, replaced } = write;
            let over = replaced.map(|old| self.replaced(&old));
            let is_new = into.is_none();
            if let Some(into) = into {
                let noted = self.journal.aim(entry.number, &into, over.as_ref()).await;
                noted.map_err(|error| self.unwritable(error))?;
                aim.get_or_insert(into);
            }
            match self.inner.backend().commit(context, commit).await {
                Ok(_) if is_overtaken => return Ok(Played::Overtaken),
                Ok(_) => return Ok(over.map_or(Played::Stands, Played::Over)),
                Err(error) if error.kind() != ErrorKind::Conflict => return Err(error),
                Err(_) if is_new => {
                    vacant += 1;
                    if vacant >= MAX_VACANT {
                        return Ok(Played::Gone);
                    }
                }
                Err(_) => {}
            }
        }
        Err(Error::new(ErrorKind::Busy, "others kept changing the same records").with_hint("try again in a moment"))
    }

    /// Trouble of the journal's own disk, which stops no read of a store that is in reach: its entries wait.
    pub(super) fn unwritable(&self, cause: Error) -> Error {
        Error::new(ErrorKind::Unavailable, "the journal cannot be read or written, so its entries wait")
            .with_hint("see to the disk that the journal is on; what is in the journal stays there")
            .with_store(&self.journal)
            .with_source(cause)
    }

    fn replaced(&self, old: &Record) -> Lost {
        Lost::new(Why::Replaced, Some(old.id()), &old.fields, (old.saved_at, self.options().clock.now()))
    }

    /// Answers whether the token is gone: not, where it was signed in again.
    async fn play_delete(&self, context: &Context, delete: &Deleting) -> Result<bool> {
        for _ in 0..MAX_ROUNDS {
            let found = self.inner.replay_delete(context, delete).await?;
            let Some((record, is_meant)) = found else { return Ok(true) };
            if !is_meant || self.delete(context, &record).await? {
                return Ok(is_meant);
            }
        }
        Err(Error::new(ErrorKind::Busy, "others kept changing the same record").with_hint("try again in a moment"))
    }

    /// Answers whether every token is gone that was seen then. Where `is_all` does not say otherwise, it stops after so many deletions
    /// as are made while a read waits for the store, and the next one finds fewer.
    async fn play_clear(&self, context: &Context, entry: &Entry, clearing: &Clearing, is_all: bool) -> Result<bool> {
        for _ in 0..MAX_ROUNDS {
            let (mut is_done, mut is_again) = (true, false);
            let listed = self.inner.backend().list(context).await?.value;
            let until = self.options().clock.now().after(self.options().first_wait);
            for record in listed {
                if clearing.covers(&record, entry.at) {
                    is_again |= !self.in_time(self.delete(context, &record)).await?;
                    if !is_all && self.options().clock.now() >= until {
                        return Err(being_played());
                    }
                } else {
                    is_done &= !clearing.has_seen(&record);
                }
            }
            if !is_again {
                return Ok(is_done);
            }
        }
        Err(Error::new(ErrorKind::Busy, "others kept changing the same records").with_hint("try again in a moment"))
    }

    /// Answers whether the record was still in this state.
    async fn delete(&self, context: &Context, record: &Record) -> Result<bool> {
        let change = Change { name: record.name, expected: Some(record.version), value: None };
        let commit = Commit { changes: vec![change], claims: Vec::new() };
        match self.inner.backend().commit(context, commit).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn tell(lost: &Lost) {
    tracing::warn!(why = lost.why.name(), "a value did not stand; `tokenvault conflicts` shows it");
}

/// What became of a save.
enum Played {
    Stands,
    /// It stands, and this does not.
    Over(Lost),
    Overtaken,
    Gone,
}

/// The record that an entry is of; `None` for all of them.
fn name_of(entry: &Entry) -> Option<RecordName> {
    match &entry.deed {
        Deed::Save(save) => Some(save.name),
        Deed::Delete(delete) => Some(delete.name),
        Deed::Clear(_) => None,
    }
}

/// No later attempt would be answered otherwise.
fn is_refused(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Ambiguous | ErrorKind::InvalidInput)
}

fn being_played() -> Error {
    Error::new(ErrorKind::Unavailable, "the journal is being played back").with_hint("try again in a moment")
}

fn behind(cause: &Error) -> Error {
    let what = "a write that was acknowledged before has not come to the store, and this one goes behind it";
    let hint = cause.hint().unwrap_or("`tokenvault status` says why it stays");
    Error::new(cause.kind(), format!("{what}: {cause}")).with_hint(hint)
}
