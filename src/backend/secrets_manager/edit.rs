//! Writing pages of the index: edits of one process that wait together become one version.

use std::sync::Arc;

use crate::backend::secrets_manager::calls::{Asked, Found, Which, Written};
use crate::backend::secrets_manager::index::Index;
use crate::backend::secrets_manager::line::{Edit, Loaded, Outcome};
use crate::backend::secrets_manager::lost::{page_doomed, page_missing};
use crate::backend::secrets_manager::naming::PagePlace;
use crate::backend::secrets_manager::pace::MAX_STALE;
use crate::backend::secrets_manager::page::{Entry, Page, PageKind};
use crate::backend::secrets_manager::tokens::Tokens;
use crate::backend::secrets_manager::value::{self, Head, MAX_WRITES};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;

/// How often a page is written again that others write, too.
const MAX_ROUNDS: u32 = 64;

/// Whether every claim holds on `page`: each key leads to the names that were read, and to others only that are known to
/// be left over. What the edit itself is about does not count.
fn holds(edit: &Edit, page: &Page, tokens: &Tokens) -> bool {
    edit.claims.iter().all(|claim| {
        let is_own = |name: RecordName| edit.add.iter().any(|entry| entry.name == name);
        let entries = page.of_key(claim.key);
        let is_expected =
            |entry: &Entry| claim.names.contains(&entry.name) || is_own(entry.name) || tokens.is_past(entry);
        let is_there = |name: &RecordName| entries.iter().any(|entry| entry.name == *name && !tokens.is_past(entry));
        entries.iter().all(is_expected) && claim.names.iter().all(is_there)
    })
}

impl Index {
    /// Makes an edit, together with all that wait for the same page. `read` is the page as the caller has read it.
    pub(super) async fn edit(
        &self,
        asked: &Asked<'_>,
        tokens: &Tokens,
        (place, read): (&PagePlace, Loaded),
        edit: Arc<Edit>,
    ) -> Result<Outcome> {
        let slot = self.slot(place);
        slot.waiting().push(Arc::clone(&edit));
        let turn = slot.turn.lock().await;
        if let Some(outcome) = edit.answered() {
            return Ok(outcome);
        }
        // Stays in the line until it is answered: whoever has the turn may be dropped at any await.
        let batch = slot.waiting().clone();
        let done = self.write(asked, tokens, (place, read), &batch).await;
        slot.waiting().retain(|edit| edit.answered().is_none());
        if done.is_err() {
            slot.waiting().retain(|other| !Arc::ptr_eq(other, &edit));
        }
        drop(turn);
        done?;
        edit.answered().ok_or_else(|| Error::new(ErrorKind::Internal, "an edit of the index got no answer"))
    }

    async fn write(
        &self,
        asked: &Asked<'_>,
        tokens: &Tokens,
        (place, read): (&PagePlace, Loaded),
        batch: &[Arc<Edit>],
    ) -> Result<()> {
        let mut read = Some(read);
        for round in 0..MAX_ROUNDS {
            // A write proves that what it rests on is fresh; where nothing is written, a read has to.
            let proves_itself = |read: &Loaded| apply(batch, &read.page, tokens).page.is_some();
            let loaded = match read.take().filter(proves_itself) {
                Some(loaded) => loaded,
                None => self.read(asked, place).await?.ok_or_else(|| page_missing(&self.secret(place)))?,
            };
            if loaded.page.is_signpost() || loaded.page.is_closed(place) {
                batch.iter().for_each(|edit| edit.answer(Outcome::Moved));
                return Ok(());
            }
            let Applied { page, held, refused, more } = apply(batch, &loaded.page, tokens);
            let writes = loaded.head.writes.count(self.calls.pace.now());
            let stands = match page {
                None => Some(loaded),
                Some(page) if page.is_due(place, writes) => {
                    self.split(asked, tokens, place, loaded).await?;
                    continue;
                }
                Some(_) if more > 0 && writes >= MAX_WRITES => return Err(too_often()),
                Some(page) => self.put(asked, place, &loaded, page).await?,
            };
            if let Some(stands) = stands.map(Arc::new) {
                held.iter().for_each(|edit| edit.answer(Outcome::Done(Arc::clone(&stands))));
                refused.iter().for_each(|edit| edit.answer(Outcome::Refused));
                return Ok(());
            }
            self.calls.pace.back_off(round.min(4)).await;
        }
        Err(Error::new(ErrorKind::Busy, "others kept writing to the same page of the index").with_hint("try again"))
    }

    /// Replaces a page; `None` where somebody else has. The answer is what stands then.
    pub(super) async fn put(
        &self,
        asked: &Asked<'_>,
        place: &PagePlace,
        old: &Loaded,
        page: Page,
    ) -> Result<Option<Loaded>> {
        let writes = old.head.writes.and_now(self.calls.pace.now());
        let head = Head { sequence: old.head.sequence.saturating_add(1), id: old.id.next(0), writes };
        let bytes = value::encode_page(&head, place, &page);
        let is_sure = match self.calls.put(asked, &self.secret(place), &head.id, &bytes).await? {
            Written::Done => true,
            Written::Before => false,
            Written::Refused => {
                self.follow_if_stuck(asked, place, old).await?;
                return Ok(None);
            }
            Written::Absent => return Err(page_missing(&self.secret(place))),
            Written::Doomed => return Err(page_doomed(&self.secret(place))),
        };
        let stands = Loaded { id: head.id.clone(), head, page };
        let is_there = self.is_there(asked, place, &stands.head).await?.unwrap_or(is_sure);
        if is_there {
            self.slot(place).sees(stands.head.sequence);
        }
        Ok(is_there.then_some(stands))
    }

    /// Whether a version of a page that was written is in force, or was: a repeated write succeeds also where others came
    /// in its place. `None` where all reads are older.
    async fn is_there(&self, asked: &Asked<'_>, place: &PagePlace, written: &Head) -> Result<Option<bool>> {
        for attempt in 0..MAX_STALE {
            if let Found::Value(value) = self.calls.get(asked, &self.secret(place), Which::Current).await? {
                if value.id.follows(&written.id, u64::MAX) {
                    return Ok(Some(true));
                }
                let told = value::decode_page(place, &value.bytes);
                if !told.is_ok_and(|(told, _)| told.sequence < written.sequence) {
                    return Ok(Some(false));
                }
            }
            self.calls.pace.catch_up(attempt).await;
        }
        Ok(None)
    }

    /// A version is in force that was replaced before.
    async fn follow_if_stuck(&self, asked: &Asked<'_>, place: &PagePlace, old: &Loaded) -> Result<()> {
        // Some time for a read that shows what has replaced it.
        for attempt in 0..MAX_STALE {
            match self.read(asked, place).await? {
                Some(current) if current.id == old.id => self.calls.pace.catch_up(attempt).await,
                _ => return Ok(()),
            }
        }
        match self.read(asked, place).await? {
            Some(current) if current.id == old.id => self.put_forward(asked, place, current).await.map(drop),
            _ => Ok(()),
        }
    }

    /// Puts what followed from an old version back in force, with the entries of all of them.
    pub(super) async fn put_forward(&self, asked: &Asked<'_>, place: &PagePlace, old: Loaded) -> Result<Loaded> {
        let (page, set_back) = (self.secret(place), old.id.clone());
        let last = self.united(asked, place, old).await?;
        if last.id == set_back {
            return Ok(last);
        }
        tracing::warn!(page, version = %set_back, overruled_by = %last.id, "an old version of a page of the index was in force");
        let writes = last.head.writes.and_now(self.calls.pace.now());
        let head = Head { sequence: last.head.sequence.saturating_add(1), id: last.id.next(0), writes };
        let bytes = value::encode_page(&head, place, &last.page);
        match self.calls.put(asked, &page, &head.id, &bytes).await {
            Ok(Written::Done | Written::Before) => {
                self.slot(place).sees(head.sequence);
                Ok(Loaded { id: head.id.clone(), head, page: last.page })
            }
            // Somebody else is at it; or nothing may be written, and reading has to do.
            Ok(_) | Err(_) => Ok(last),
        }
    }

    /// Hands a page's entries to the sixteen below it, then makes it a signpost: so every entry is found at every moment.
    async fn split(&self, asked: &Asked<'_>, tokens: &Tokens, place: &PagePlace, loaded: Loaded) -> Result<()> {
        let mut page = loaded.page.clone();
        page.retain(|entry| !tokens.is_past(entry));
        tracing::info!(page = self.secret(place), entries = page.entries().len(), "splitting a page of the index");
        for digit in 0..16 {
            let child = place.child(digit, loaded.page.epoch);
            self.fill(asked, &child, &page).await?;
        }
        let signpost = Page { kind: PageKind::Signpost, ..page };
        // Where somebody has written the page meanwhile, the children miss an entry: then all begins again.
        self.put(asked, place, &loaded, signpost).await.map(drop)
    }

    /// Makes sure that a page below `parent` holds all entries of it that belong there.
    pub(super) async fn fill(&self, asked: &Asked<'_>, place: &PagePlace, parent: &Page) -> Result<()> {
        let mut page = Page { kms_key_id: parent.kms_key_id.clone(), ..Page::empty(parent.epoch) };
        page.unite(parent, place);
        for round in 0..MAX_ROUNDS {
            if matches!(self.make(asked, place, &page).await?, Written::Done | Written::Before) {
                return Ok(());
            }
            let Some(loaded) = self.read(asked, place).await? else { continue };
            // A split that slept through a move to another KMS key may have made the page: it says what the parent says.
            let mut both = Page { kms_key_id: parent.kms_key_id.clone(), ..loaded.page.clone() };
            both.unite(parent, place);
            if both == loaded.page || self.put(asked, place, &loaded, both).await?.is_some() {
                return Ok(());
            }
            self.calls.pace.back_off(round.min(4)).await;
        }
        Err(Error::new(ErrorKind::Busy, "others kept writing to the same page of the index").with_hint("try again"))
    }
}

/// Of a page that cannot be split, since all that is on it is of one key.
fn too_often() -> Error {
    Error::new(
        ErrorKind::QuotaReached,
        "a page of the index was written 96 times within 24 hours for one user or token",
    )
    .with_hint("AWS keeps each version for a day and takes about a hundred; find out who signs in and out so often")
}

/// What edits make of a page, one after the other.
struct Applied<'a> {
    /// `None` where there is nothing to write.
    page: Option<Page>,
    held: Vec<&'a Arc<Edit>>,
    refused: Vec<&'a Arc<Edit>>,
    /// How many entries they bring.
    more: usize,
}

fn apply<'a>(batch: &'a [Arc<Edit>], old: &Page, tokens: &Tokens) -> Applied<'a> {
    let mut applied = Applied { page: None, held: Vec::new(), refused: Vec::new(), more: 0 };
    let mut page = old.clone();
    for edit in batch {
        if !holds(edit, &page, tokens) {
            applied.refused.push(edit);
            continue;
        }
        applied.held.push(edit);
        if edit.is_new(&page) {
            applied.more += edit.add.len();
            page.retain(|entry| !tokens.is_past(entry));
            edit.take_out.iter().for_each(|left| page.retract(left.key, left.name, left.seen));
            edit.add.iter().for_each(|entry| page.assert(*entry));
            applied.page = Some(page.clone());
        }
    }
    applied
}
