//! Building the index anew, in an epoch of its own, while others use the vault.
//!
//! 1. All pages that read, of every epoch, and all secrets are read; the new pages are made from them, below the root.
//! 2. Every old page is closed by compare-and-swap: it keeps its entries, and takes no more. What had come to it meanwhile
//!    goes to the new pages. Writers wait from here on; readers go on with the old pages.
//! 3. The root is switched to the new epoch by compare-and-swap.
//! 4. Ten minutes later the secrets are listed again: ListSecrets may be five minutes late, and whoever made a token
//!    meanwhile has looked at the root's epoch before answering, which may be late as well.
//!
//! Broken off before the switch, the next repair finds all entries on the closed pages; broken off after it, the index is
//! whole but for what only the second listing shows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::backend::secrets_manager::calls::{Asked, Found, Which, Written};
use crate::backend::secrets_manager::census::{Census, PageFound, TokenFound, entries, missing};
use crate::backend::secrets_manager::commit::Committer;
use crate::backend::secrets_manager::line::Loaded;
use crate::backend::secrets_manager::naming::PagePlace;
use crate::backend::secrets_manager::page::{Entry, Page, PageKind, SPLIT_SIZE, seconds};
use crate::backend::secrets_manager::survey::{Survey, is_dangling};
use crate::backend::secrets_manager::value::{Head, Writes};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::lookup::LookupKey;

/// How long after the switch the secrets are listed again: twice what ListSecrets may be late.
pub const SECOND_LISTING: Duration = Duration::from_mins(10);

/// How often somebody is told that this is being waited for.
const SLICE: Duration = Duration::from_secs(15);

/// How often a page is written that others write, too.
const MAX_ROUNDS: u32 = 64;

/// How far a repair has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The pages of the index and the secrets are being read.
    Reading,
    /// The pages of the new index are being made.
    Building {
        /// How many entries they hold.
        entries: usize,
    },
    /// The old pages are being closed.
    Closing {
        /// How many there are.
        pages: usize,
    },
    /// The new index is in force. The secrets are listed again after this long.
    Waiting {
        /// What is left of it.
        left: Duration,
    },
    /// The secrets are being listed again.
    ListingAgain,
}

/// Told of each stage as it begins.
pub type Told<'a> = &'a (dyn Fn(Stage) + Sync);

/// The new index.
struct Plan {
    epoch: u64,
    kms_key_id: Option<String>,
    wanted: BTreeSet<Entry>,
    /// Entries that lead nowhere.
    dropped: BTreeSet<Entry>,
    /// Pages to be closed.
    old: Vec<PagePlace>,
}

impl Plan {
    fn page(&self, kind: PageKind) -> Page {
        Page { epoch: self.epoch, kms_key_id: self.kms_key_id.clone(), kind }
    }

    /// Takes the key from the root as it is now: the vault may have been moved meanwhile.
    ///
    /// # Errors
    /// `Busy` where the new pages below the root are under the key of before.
    fn follow_key(&mut self, root: &Page, leaves: &[PagePlace]) -> Result<()> {
        if root.kms_key_id != self.kms_key_id && leaves.iter().any(|place| !place.is_root()) {
            return Err(Error::new(ErrorKind::Busy, "the vault was moved to another KMS key meanwhile")
                .with_hint("run `tokenvault verify --repair` again"));
        }
        self.kms_key_id.clone_from(&root.kms_key_id);
        Ok(())
    }

    /// What of these entries the new index has not.
    fn news(&self, found: &[Entry]) -> Vec<Entry> {
        found.iter().filter(|entry| !self.wanted.contains(entry) && !self.dropped.contains(entry)).copied().collect()
    }
}

/// One repair.
pub(super) struct Repair<'a> {
    pub(super) census: Census<'a>,
    pub(super) committer: Committer<'a>,
    pub(super) told: Told<'a>,
}

impl Repair<'_> {
    pub(super) async fn run(&self, asked: &Asked<'_>) -> Result<Survey> {
        (self.told)(Stage::Reading);
        let mut plan = self.plan(asked).await?;
        (self.told)(Stage::Building { entries: plan.wanted.len() });
        let mut leaves = Vec::new();
        let all: Vec<Entry> = plan.wanted.iter().copied().collect();
        let root = self.build(asked, &plan, &PagePlace::root(), all, &mut leaves).await?;
        (self.told)(Stage::Closing { pages: plan.old.len() });
        for place in plan.old.clone() {
            let closed = self.close(asked, &plan, &place).await?;
            self.take_in(asked, &mut plan, &leaves, &closed).await?;
        }
        self.switch(asked, &mut plan, &leaves, root).await?;
        self.wait().await;
        (self.told)(Stage::ListingAgain);
        self.list_again(asked).await?;
        self.census.survey(asked).await
    }

    async fn plan(&self, asked: &Asked<'_>) -> Result<Plan> {
        let listing = self.census.listing(asked).await?;
        self.census.refuse_bare(asked, &listing).await?;
        self.restore_root(asked).await?;
        let tree = self.census.tree(asked).await?;
        let unknown = listing.pages.iter().filter(|place| !tree.contains_key(place)).cloned();
        let mut pages = self.census.pages(asked, unknown).await?;
        pages.extend(tree);
        let listed = entries(&pages);
        let names: BTreeSet<RecordName> =
            listed.iter().map(|entry| entry.name).chain(listing.tokens.iter().copied()).collect();
        let tokens = self.census.tokens(asked, names).await?;
        self.finish_deletions(asked, &tokens).await?;
        let now = self.census.tokens.calls.pace.now();
        let dropped = self.dropped(asked, &listed, &tokens, seconds(now)).await?;
        let mut wanted: BTreeSet<Entry> = listed.difference(&dropped).copied().collect();
        wanted.extend(missing(&tokens, &listed, seconds(now)));
        let root = whole(pages.get(&PagePlace::root()));
        let kms_key_id = match root {
            Some(root) => root.page.kms_key_id.clone(),
            None => self.census.tokens.calls.key.named().map(str::to_owned),
        };
        // Above all that was seen, and above what a repair has made that no listing shows yet.
        let of_names = listing.pages.iter().chain(&listing.doomed_pages).map(PagePlace::epoch);
        let of_pages = pages.values().filter_map(|found| whole(Some(found))).map(|loaded| loaded.page.epoch);
        let last = of_names.chain(of_pages).max().unwrap_or_default();
        let epoch = last.saturating_add(1).max(u64::from(seconds(now)));
        let is_open = |(place, found): &(&PagePlace, &PageFound)| {
            whole(Some(*found)).is_some_and(|loaded| !place.is_root() && !loaded.page.is_closed(place))
        };
        let old = pages.iter().filter(is_open).map(|(place, _)| place.clone()).collect();
        Ok(Plan { epoch, kms_key_id, wanted, dropped, old })
    }

    /// Takes the root back that somebody has deleted: its name is needed, and its entries are the best there are.
    async fn restore_root(&self, asked: &Asked<'_>) -> Result<()> {
        if !matches!(self.census.page(asked, &PagePlace::root()).await?, PageFound::Doomed) {
            return Ok(());
        }
        if !self.census.tokens.calls.restore(asked, &self.census.prefix.index()).await? {
            return Err(Error::new(
                ErrorKind::Busy,
                "the index's secret is being deleted, and its name is not free yet",
            )
            .with_hint("try again in a few minutes"));
        }
        Ok(())
    }

    async fn finish_deletions(&self, asked: &Asked<'_>, tokens: &BTreeMap<RecordName, TokenFound>) -> Result<()> {
        for (name, found) in tokens {
            if matches!(found, TokenFound::Tombstone) {
                self.census.tokens.calls.delete(asked, &self.census.prefix.record(*name)).await?;
            }
        }
        Ok(())
    }

    /// The entries that lead nowhere. A name without a secret is taken first, so that nobody who was on the way makes one.
    async fn dropped(
        &self,
        asked: &Asked<'_>,
        listed: &BTreeSet<Entry>,
        tokens: &BTreeMap<RecordName, TokenFound>,
        now: u32,
    ) -> Result<BTreeSet<Entry>> {
        let mut dropped: BTreeSet<Entry> =
            listed.iter().filter(|entry| is_dangling(entry, tokens.get(&entry.name), now)).copied().collect();
        let vacant: BTreeSet<RecordName> = dropped
            .iter()
            .map(|entry| entry.name)
            .filter(|name| matches!(tokens.get(name), Some(TokenFound::Vacant)))
            .collect();
        for name in vacant {
            match self.census.tokens.bar(asked, name).await {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Conflict => dropped.retain(|entry| entry.name != name),
                Err(error) => return Err(error),
            }
        }
        Ok(dropped)
    }

    /// Makes the pages below a place, and answers what is to stand there itself.
    async fn build(
        &self,
        asked: &Asked<'_>,
        plan: &Plan,
        place: &PagePlace,
        entries: Vec<Entry>,
        leaves: &mut Vec<PagePlace>,
    ) -> Result<PageKind> {
        // Half full, so that it is not split at once.
        if entries.len() * Entry::LEN <= SPLIT_SIZE / 2 || !place.can_split() {
            leaves.push(place.clone());
            return Ok(PageKind::Leaf(entries));
        }
        for digit in 0..16 {
            let child = place.child(digit, plan.epoch);
            let own = entries.iter().filter(|entry| child.holds(entry.key)).copied().collect();
            let kind = Box::pin(self.build(asked, plan, &child, own, leaves)).await?;
            match self.census.index.make(asked, &child, &plan.page(kind)).await? {
                Written::Done | Written::Before => {}
                Written::Refused | Written::Absent | Written::Doomed => return Err(another()),
            }
        }
        Ok(PageKind::Signpost)
    }

    /// Makes sure that nobody writes to an old page any more. Answers its entries.
    async fn close(&self, asked: &Asked<'_>, plan: &Plan, place: &PagePlace) -> Result<Vec<Entry>> {
        for round in 0..MAX_ROUNDS {
            let PageFound::Whole(loaded) = self.census.page(asked, place).await? else { return Ok(Vec::new()) };
            // A signpost never takes an entry.
            if loaded.page.is_signpost() || loaded.page.is_closed(place) {
                return Ok(loaded.page.entries().to_vec());
            }
            let closed = Page { epoch: plan.epoch, ..loaded.page.clone() };
            if let Some(stands) = self.census.index.put(asked, place, &loaded, closed).await? {
                return Ok(stands.page.entries().to_vec());
            }
            self.census.tokens.calls.pace.back_off(round.min(4)).await;
        }
        Err(Error::new(ErrorKind::Busy, "others kept writing to a page of the index").with_hint("try again"))
    }

    /// Puts what had come to an old page meanwhile on the new ones.
    async fn take_in(&self, asked: &Asked<'_>, plan: &mut Plan, leaves: &[PagePlace], found: &[Entry]) -> Result<()> {
        let news = plan.news(found);
        for place in leaves.iter().filter(|place| !place.is_root()) {
            let own: BTreeMap<(LookupKey, RecordName), Entry> = news
                .iter()
                .filter(|entry| place.holds(entry.key))
                .map(|entry| ((entry.key, entry.name), *entry))
                .collect();
            if !own.is_empty() {
                let page = plan.page(PageKind::Leaf(own.into_values().collect()));
                self.census.index.fill(asked, place, &page).await?;
            }
        }
        plan.wanted.extend(news);
        Ok(())
    }

    /// Puts the new index in force.
    async fn switch(&self, asked: &Asked<'_>, plan: &mut Plan, leaves: &[PagePlace], kind: PageKind) -> Result<()> {
        let place = PagePlace::root();
        for round in 0..MAX_ROUNDS {
            let old = match self.census.page(asked, &place).await? {
                PageFound::Whole(loaded) if loaded.page.epoch >= plan.epoch => return Err(another()),
                PageFound::Whole(loaded) => {
                    plan.follow_key(&loaded.page, leaves)?;
                    self.take_in(asked, plan, leaves, loaded.page.entries()).await?;
                    Some(loaded)
                }
                PageFound::Missing | PageFound::Doomed => None,
                PageFound::Unreadable => Some(self.unreadable_root(asked).await?),
            };
            let mut new = plan.page(kind.clone());
            // On a signpost there is nothing to assert; its pages hold it all.
            plan.wanted.iter().for_each(|entry| new.assert(*entry));
            let is_switched = match old {
                Some(old) => self.census.index.put(asked, &place, &old, new).await?.is_some(),
                None => matches!(self.census.index.make(asked, &place, &new).await?, Written::Done | Written::Before),
            };
            if is_switched {
                return Ok(());
            }
            self.census.tokens.calls.pace.back_off(round.min(4)).await;
        }
        Err(Error::new(ErrorKind::Busy, "others kept writing to the root of the index").with_hint("try again"))
    }

    /// What can be told of a root that does not read: what follows from it, and how far it had come.
    async fn unreadable_root(&self, asked: &Asked<'_>) -> Result<Loaded> {
        let (calls, secret) = (&self.census.tokens.calls, self.census.prefix.index());
        let Found::Value(value) = calls.get(asked, &secret, Which::Current).await? else {
            return Err(Error::conflict());
        };
        let sequence = self.census.index.furthest(asked, &PagePlace::root()).await?;
        let head = Head { sequence, id: value.id.clone(), writes: Writes::default() };
        Ok(Loaded { id: value.id, head, page: Page::empty(0) })
    }

    async fn wait(&self) {
        let mut left = SECOND_LISTING;
        while !left.is_zero() {
            (self.told)(Stage::Waiting { left });
            let slice = left.min(SLICE);
            self.census.tokens.calls.pace.wait(slice).await;
            left = left.saturating_sub(slice);
        }
    }

    /// Lists what the first listing did not show yet.
    async fn list_again(&self, asked: &Asked<'_>) -> Result<()> {
        let listing = self.census.listing(asked).await?;
        let listed = entries(&self.census.tree(asked).await?);
        let names: BTreeSet<RecordName> = listed.iter().map(|entry| entry.name).collect();
        let new = listing.tokens.difference(&names).copied();
        let tokens = self.census.tokens(asked, new).await?;
        let missing = missing(&tokens, &listed, seconds(self.census.tokens.calls.pace.now()));
        self.committer.place(asked, &missing, Vec::new()).await.map(drop)
    }
}

fn whole(found: Option<&PageFound>) -> Option<&Loaded> {
    match found {
        Some(PageFound::Whole(loaded)) => Some(loaded),
        _ => None,
    }
}

fn another() -> Error {
    Error::new(ErrorKind::Busy, "another repair of this vault is under way")
        .with_hint("wait for it to end, then verify")
}
