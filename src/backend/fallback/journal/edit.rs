//! Changes of a journal that is there: each by one commit, and made anew where others get ahead of it.

use std::sync::Arc;

use crate::backend::Change;
use crate::backend::fallback::journal::entry::{Aim, Deed, Deleting, Saving};
use crate::backend::fallback::journal::lost::Lost;
use crate::backend::fallback::journal::mark::Mark;
use crate::backend::fallback::journal::part::Part;
use crate::backend::fallback::journal::{Journal, LOST_KEPT, MAX_ROUNDS};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;

/// More than the save of a token writes, unless its texts are far longer than those of today's providers.
const ROOM: usize = 16 * 1024;

enum Edit<'a> {
    Aim { number: u64, aim: &'a Aim, lost: Option<&'a Lost> },
    Finish { number: u64, lost: Option<&'a Lost> },
    Block(Option<&'a str>),
    Forget { until: Timestamp },
    Prove,
}

impl Journal {
    /// Notes what this entry is being written into, and what that will take the place of. What was noted first stays: an attempt
    /// since may have taken effect.
    ///
    /// # Errors
    /// As the journal's backend has them.
    pub(crate) async fn aim(&self, number: u64, aim: &Aim, lost: Option<&Lost>) -> Result<()> {
        self.settle(&Edit::Aim { number, aim, lost }).await.map(drop)
    }

    /// Takes an entry out, whose result the store holds, or which did not stand.
    ///
    /// # Errors
    /// As the journal's backend has them; then it stays.
    pub(crate) async fn finish(&self, number: u64, lost: Option<&Lost>) -> Result<()> {
        self.settle(&Edit::Finish { number, lost }).await.map(drop)
    }

    /// Notes why entries stay; `None` where none does.
    ///
    /// # Errors
    /// As the journal's backend has them.
    pub(crate) async fn block(&self, why: Option<&str>) -> Result<()> {
        self.settle(&Edit::Block(why)).await.map(drop)
    }

    /// Writes as much as the save of a token would, and asks whether there is room for as much again: that shows that the journal takes
    /// one.
    ///
    /// # Errors
    /// `Unavailable` where entries stay until somebody acts, and where it holds as many as it takes; else as its backend has them, and
    /// [`with_room`](Self::with_room).
    pub(crate) async fn prove(&self) -> Result<()> {
        self.settle(&Edit::Prove).await?;
        // What was just written stays in the file until that is rewritten: of what is free behind it nothing is known yet.
        self.room.as_ref().map_or(Ok(()), |has_room| has_room(ROOM))
    }

    /// Forgets the values that did not stand at `until` or before. Answers how many.
    ///
    /// # Errors
    /// As the journal's backend has them; then none is forgotten.
    pub async fn forget_lost(&self, until: Timestamp) -> Result<usize> {
        self.settle(&Edit::Forget { until }).await
    }

    /// Forgets the values that have been kept for [`LOST_KEPT`].
    ///
    /// # Errors
    /// As the journal's backend has them.
    pub(crate) async fn age(&self, mark: &Mark, now: Timestamp) -> Result<()> {
        let is_over = mark.lost_since.is_some_and(|since| since.after(LOST_KEPT) <= now);
        if is_over {
            let span = u64::try_from(LOST_KEPT.as_micros()).unwrap_or(u64::MAX);
            self.forget_lost(Timestamp::from_micros(now.as_micros().saturating_sub(span))).await?;
        }
        Ok(())
    }

    /// Answers how many records it changed.
    async fn settle(&self, edit: &Edit<'_>) -> Result<usize> {
        for _ in 0..MAX_ROUNDS {
            let mut mark = self.mark().await?;
            let planned = match *edit {
                Edit::Aim { number, aim, lost } => self.aimed(&mut mark, number, aim, lost).await?,
                Edit::Finish { number, lost } => self.finished(&mut mark, number, lost).await?,
                Edit::Block(why) => {
                    let is_new = mark.blocked.as_deref() != why;
                    mark.blocked = why.map(Arc::from);
                    is_new.then(Vec::new)
                }
                Edit::Forget { until } => self.forgotten(&mut mark, until).await?,
                Edit::Prove => {
                    self.check_room(&mark)?;
                    if let Some(why) = &mark.blocked {
                        let what = format!("entries of the journal are held up: {why}");
                        return Err(Error::new(ErrorKind::Unavailable, what).with_store(self));
                    }
                    mark.room = ROOM;
                    Some(Vec::new())
                }
            };
            let Some(changes) = planned else { return Ok(0) };
            let count = changes.len();
            match self.change(changes, &mark).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                done => return done.map(|()| count),
            }
        }
        Err(Error::new(ErrorKind::Busy, "others kept changing the journal").with_hint("try again in a moment"))
    }

    async fn aimed(&self, mark: &mut Mark, number: u64, aim: &Aim, lost: Option<&Lost>) -> Result<Option<Vec<Change>>> {
        let mut changes = Vec::new();
        if self.read(Part::Aim.name(number)).await?.is_none() {
            let record = aim.record(number)?;
            changes.push(Change { name: record.name, expected: None, value: Some(Arc::new(record)) });
        }
        changes.extend(self.kept(mark, number, lost).await?);
        Ok((!changes.is_empty()).then_some(changes))
    }

    async fn finished(&self, mark: &mut Mark, number: u64, lost: Option<&Lost>) -> Result<Option<Vec<Change>>> {
        let Some(entry) = self.entry(number).await? else { return Ok(None) };
        let mut changes = Vec::new();
        for part in [Part::Entry, Part::Seen, Part::HandedOut, Part::Aim] {
            changes.extend(self.removal(part.name(number)).await?);
        }
        if let Deed::Save(Saving { name, .. }) | Deed::Delete(Deleting { name, .. }) = &entry.deed
            && self.state(*name).await?.is_some_and(|state| state.number() == number)
        {
            changes.extend(self.removal(*name).await?);
        }
        changes.extend(self.kept(mark, number, lost).await?);
        mark.count = mark.count.saturating_sub(1);
        mark.clears.retain(|clear| *clear != number);
        if mark.count == 0 {
            // Whoever plays them back may be gone before it says so.
            mark.blocked = None;
        }
        while mark.first < mark.next
            && (mark.first == number || self.read(Part::Entry.name(mark.first)).await?.is_none())
        {
            mark.first += 1;
        }
        Ok(Some(changes))
    }

    async fn removal(&self, name: RecordName) -> Result<Option<Change>> {
        let held = self.read(name).await?;
        Ok(held.map(|held| Change { name, expected: Some(held.version), value: None }))
    }

    /// Keeps a value that did not stand, beside others of the same entry: each attempt may have replaced one.
    async fn kept(&self, mark: &mut Mark, mut number: u64, lost: Option<&Lost>) -> Result<Option<Change>> {
        let Some(lost) = lost else { return Ok(None) };
        let old = loop {
            match self.read(Part::Lost.name(number)).await? {
                Some(other) if !Lost::read(&other).is_some_and(|(_, other)| other.is_same(lost)) => number += 1,
                place => break place.map(|old| old.version),
            }
        };
        let mut record = lost.record(number)?;
        if let Some(old) = old {
            record.version = old.next()?;
        }
        mark.lost_since = Some(mark.lost_since.map_or(lost.at, |since| since.min(lost.at)));
        Ok(Some(Change { name: record.name, expected: old, value: Some(Arc::new(record)) }))
    }

    async fn forgotten(&self, mark: &mut Mark, until: Timestamp) -> Result<Option<Vec<Change>>> {
        let (mut changes, mut since) = (Vec::new(), None);
        for record in self.all().await? {
            match Lost::read(&record) {
                Some((_, lost)) if lost.at <= until => {
                    changes.push(Change { name: record.name, expected: Some(record.version), value: None });
                }
                Some((_, lost)) => since = Some(since.map_or(lost.at, |since: Timestamp| since.min(lost.at))),
                None => {}
            }
        }
        let is_new = mark.lost_since != since;
        mark.lost_since = since;
        Ok((is_new || !changes.is_empty()).then_some(changes))
    }
}
