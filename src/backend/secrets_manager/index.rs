//! The index: a tree of pages, from a root that is there from the beginning.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::backend::secrets_manager::calls::{Asked, Calls, First, Found, Which, Written};
use crate::backend::secrets_manager::line::{Loaded, Slot};
use crate::backend::secrets_manager::lost::{no_vault, page_doomed, page_missing};
use crate::backend::secrets_manager::naming::{PagePlace, Prefix};
use crate::backend::secrets_manager::pace::MAX_STALE;
use crate::backend::secrets_manager::page::{Entry, Page};
use crate::backend::secrets_manager::value::{self, Head, Writes};
use crate::backend::secrets_manager::version::VersionId;
use crate::error::{Error, Result};
use crate::lookup::LookupKey;

const PARALLEL: usize = 16;

/// What is under a page's name.
pub(super) enum PageRead {
    Whole(Loaded),
    Absent,
    /// A secret that is scheduled for deletion.
    Doomed,
    /// A value that is no page, or one of a newer format.
    Unreadable(Error),
}

#[derive(Debug)]
pub(super) struct Index {
    pub(super) calls: Arc<Calls>,
    prefix: Prefix,
    slots: Mutex<HashMap<PagePlace, Arc<Slot>>>,
}

impl Index {
    pub(super) fn new(calls: Arc<Calls>, prefix: Prefix) -> Self {
        Self { calls, prefix, slots: Mutex::default() }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<PagePlace, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn slot(&self, place: &PagePlace) -> Arc<Slot> {
        Arc::clone(self.slots().entry(place.clone()).or_default())
    }

    pub(super) fn secret(&self, place: &PagePlace) -> String {
        self.prefix.page(place)
    }

    /// Makes the index of a new vault.
    ///
    /// # Errors
    /// `InvalidInput` where there is one.
    pub(super) async fn create(&self, asked: &Asked<'_>, kms_key_id: Option<String>) -> Result<()> {
        let page = Page { kms_key_id, ..Page::empty(1) };
        match self.make(asked, &PagePlace::root(), &page).await? {
            Written::Done | Written::Before => Ok(()),
            Written::Doomed => Err(Error::invalid("an index that was here is scheduled for deletion")
                .with_hint("restore it with the AWS console, or choose another prefix")),
            Written::Refused | Written::Absent => Err(Error::invalid("there is a vault under this prefix already")
                .with_hint("use it as it is, or choose another prefix")),
        }
    }

    /// Makes the secret of a page.
    pub(super) async fn make(&self, asked: &Asked<'_>, place: &PagePlace, page: &Page) -> Result<Written> {
        let writes = Writes::default().and_now(self.calls.pace.now());
        let head = Head { sequence: 1, id: VersionId::first()?, writes };
        let bytes = value::encode_page(&head, place, page);
        let first = First { id: &head.id, bytes: &bytes, kms_key_id: page.kms_key_id.as_deref() };
        let made = self.calls.create(asked, &self.secret(place), first).await?;
        if matches!(made, Written::Done | Written::Before) {
            self.slot(place).sees(head.sequence);
        }
        Ok(made)
    }

    /// Reads a page; `None` where there is no such secret.
    ///
    /// # Errors
    /// `Damaged` where it is scheduled for deletion: it can be had back.
    pub(super) async fn read(&self, asked: &Asked<'_>, place: &PagePlace) -> Result<Option<Loaded>> {
        match self.read_whatever(asked, place).await? {
            PageRead::Whole(loaded) => Ok(Some(loaded)),
            PageRead::Absent => Ok(None),
            PageRead::Doomed => Err(page_doomed(&self.secret(place))),
            PageRead::Unreadable(error) => Err(error),
        }
    }

    /// Reads a page, whatever is there.
    pub(super) async fn read_whatever(&self, asked: &Asked<'_>, place: &PagePlace) -> Result<PageRead> {
        let slot = self.slot(place);
        // What others of this process see meanwhile need not show here: a read may be as old as its beginning.
        let (mut older, least) = (None, slot.sequence());
        for attempt in 0..MAX_STALE {
            match self.calls.get(asked, &self.secret(place), Which::Current).await? {
                Found::Value(value) => {
                    let (head, page) = match value::decode_page(place, &value.bytes) {
                        Ok(decoded) => decoded,
                        Err(error) => return Ok(PageRead::Unreadable(error.with_store(&self.secret(place)))),
                    };
                    let loaded = self.load(asked, place, Loaded { id: value.id, head, page }).await?;
                    slot.sees(loaded.head.sequence);
                    if loaded.head.sequence >= least {
                        if place.digits().is_empty() {
                            self.calls.key.note(loaded.page.kms_key_id.as_deref());
                        }
                        return Ok(PageRead::Whole(loaded));
                    }
                    older = Some(loaded);
                }
                Found::Absent if least == 0 => return Ok(PageRead::Absent),
                Found::Absent => older = None,
                Found::Doomed => return Ok(PageRead::Doomed),
            }
            self.calls.pace.catch_up(attempt).await;
        }
        // No read is stale for so long: somebody has put an old version back in force.
        match older {
            Some(loaded) => self.put_forward(asked, place, loaded).await.map(PageRead::Whole),
            None => Ok(PageRead::Absent),
        }
    }

    /// A page with what else it has to have: where it was written by hand, that of the versions around it.
    async fn load(&self, asked: &Asked<'_>, place: &PagePlace, mut loaded: Loaded) -> Result<Loaded> {
        let written_as = loaded.head.id.clone();
        if written_as != loaded.id {
            if self.slot(place).is_news(&loaded.id) {
                let (page, version) = (self.secret(place), &loaded.id);
                tracing::warn!(page, %version, "a version of a page of the index was not written by a vault");
            }
            // What stood before it, and what followed from the version that it was copied from.
            for which in [Which::Previous, Which::Exactly(&written_as)] {
                if let Found::Value(before) = self.calls.get(asked, &self.secret(place), which).await?
                    && let Ok((head, page)) = value::decode_page(place, &before.bytes)
                {
                    let before = self.united(asked, place, Loaded { id: before.id, head, page }).await?;
                    loaded.take_in(&before, place);
                }
            }
        }
        Ok(loaded)
    }

    /// A page with the entries of all that followed from it: whichever version is in force, none of them may be lost. The
    /// next version follows from the last of them.
    pub(super) async fn united(&self, asked: &Asked<'_>, place: &PagePlace, mut loaded: Loaded) -> Result<Loaded> {
        loop {
            let next = loaded.id.next(0);
            let Found::Value(value) = self.calls.get(asked, &self.secret(place), Which::Exactly(&next)).await? else {
                return Ok(loaded);
            };
            let (head, page) = value::decode_page(place, &value.bytes)?;
            let mut after = Loaded { id: next, head, page };
            after.take_in(&loaded, place);
            loaded = after;
        }
    }

    /// How far a page is known to have come, whatever is in force.
    pub(super) async fn furthest(&self, asked: &Asked<'_>, place: &PagePlace) -> Result<u64> {
        let before = match self.calls.get(asked, &self.secret(place), Which::Previous).await? {
            Found::Value(value) => value::decode_page(place, &value.bytes).map_or(0, |(head, _)| head.sequence),
            Found::Absent | Found::Doomed => 0,
        };
        Ok(before.max(self.slot(place).sequence()))
    }

    /// Which building of the index counts.
    pub(super) async fn epoch(&self, asked: &Asked<'_>) -> Result<u64> {
        Ok(self.read_listed(asked, &PagePlace::root()).await?.page.epoch)
    }

    /// Reads a page that must be there, since another leads to it.
    pub(super) async fn read_listed(&self, asked: &Asked<'_>, place: &PagePlace) -> Result<Loaded> {
        for attempt in 0..MAX_STALE {
            if let Some(loaded) = self.read(asked, place).await? {
                return Ok(loaded);
            }
            if place.digits().is_empty() {
                return Err(no_vault(&self.calls.place()));
            }
            self.calls.pace.catch_up(attempt).await;
        }
        Err(page_missing(&self.secret(place)))
    }

    /// The leaves that these keys belong to, each with its keys.
    pub(super) async fn leaves(
        &self,
        asked: &Asked<'_>,
        keys: &[LookupKey],
    ) -> Result<Vec<(PagePlace, Loaded, Vec<LookupKey>)>> {
        let mut leaves = Vec::new();
        let mut open = BTreeMap::from([(PagePlace::root(), keys.to_vec())]);
        while !open.is_empty() {
            let level = std::mem::take(&mut open);
            let read = |(place, keys): (PagePlace, Vec<LookupKey>)| async move {
                let loaded = self.read_listed(asked, &place).await?;
                Ok::<_, Error>((place, loaded, keys))
            };
            let pages: Vec<_> = stream::iter(level).map(read).buffered(PARALLEL).try_collect().await?;
            for (place, loaded, keys) in pages {
                if !loaded.page.is_signpost() {
                    leaves.push((place, loaded, keys));
                    continue;
                }
                for key in keys {
                    open.entry(place.child_of(key, loaded.page.epoch)).or_insert_with(Vec::new).push(key);
                }
            }
        }
        Ok(leaves)
    }

    /// The entries of each key, in the order asked for.
    pub(super) async fn entries(&self, asked: &Asked<'_>, keys: &[LookupKey]) -> Result<Vec<Vec<Entry>>> {
        let leaves = self.leaves(asked, keys).await?;
        let of_key = |key: &LookupKey| {
            let leaf = leaves.iter().find(|(place, ..)| place.holds(*key));
            leaf.map_or_else(Vec::new, |(_, loaded, _)| loaded.page.of_key(*key).to_vec())
        };
        Ok(keys.iter().map(of_key).collect())
    }

    /// Every leaf.
    pub(super) async fn all_leaves(&self, asked: &Asked<'_>) -> Result<Vec<(PagePlace, Loaded)>> {
        let (mut leaves, mut open) = (Vec::new(), vec![PagePlace::root()]);
        while !open.is_empty() {
            let read = |place: PagePlace| async move {
                let loaded = self.read_listed(asked, &place).await?;
                Ok::<_, Error>((place, loaded))
            };
            let level = std::mem::take(&mut open);
            let pages: Vec<_> = stream::iter(level).map(read).buffered(PARALLEL).try_collect().await?;
            for (place, loaded) in pages {
                if loaded.page.is_signpost() {
                    open.extend((0..16).map(|digit| place.child(digit, loaded.page.epoch)));
                } else {
                    leaves.push((place, loaded));
                }
            }
        }
        Ok(leaves)
    }
}
