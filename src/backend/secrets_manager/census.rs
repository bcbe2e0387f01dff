//! All that is under a vault's prefix, as it is: the pages of the index and the secrets of the tokens.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::backend::secrets_manager::calls::{Asked, Found, Which};
use crate::backend::secrets_manager::index::{Index, PageRead};
use crate::backend::secrets_manager::line::Loaded;
use crate::backend::secrets_manager::lost::no_vault;
use crate::backend::secrets_manager::naming::{Meaning, PagePlace, Prefix};
use crate::backend::secrets_manager::pace::MAX_STALE;
use crate::backend::secrets_manager::page::Entry;
use crate::backend::secrets_manager::tokens::Tokens;
use crate::backend::secrets_manager::value::{self, Body};
use crate::backend::secrets_manager::version::VersionId;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::lookup::LookupKey;

const PARALLEL: usize = 16;

/// What is under the prefix, by name.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Pages of every epoch.
    pub(super) pages: BTreeSet<PagePlace>,
    /// Pages that are scheduled for deletion.
    pub(super) doomed_pages: BTreeSet<PagePlace>,
    pub(super) tokens: BTreeSet<RecordName>,
    pub(super) doomed_tokens: BTreeSet<RecordName>,
    pub(super) has_audit_key: bool,
    /// What doctors try rights on.
    pub(super) probes: Vec<String>,
    /// What is not the vault's.
    pub(super) foreign: Vec<String>,
}

impl Listing {
    /// Whether nothing tells of a vault, past or present. A doctor's trials and other people's secrets do not.
    fn is_bare(&self) -> bool {
        let has_pages = !self.pages.is_empty() || !self.doomed_pages.is_empty();
        let has_tokens = !self.tokens.is_empty() || !self.doomed_tokens.is_empty();
        !has_pages && !has_tokens && !self.has_audit_key
    }
}

/// A page as it was found.
#[derive(Debug)]
pub(super) enum PageFound {
    Whole(Loaded),
    Missing,
    Doomed,
    Unreadable,
}

/// A token's secret as it was found.
#[derive(Debug)]
pub(super) enum TokenFound {
    Live {
        sequence: u64,
        keys: Vec<LookupKey>,
        /// Of its user and client together, as far as it has a user.
        owner: Option<LookupKey>,
        /// Under an identifier that is not the vault's.
        is_by_hand: bool,
        /// A version follows from it that is not in force.
        is_set_back: bool,
    },
    /// A tombstone whose secret is not scheduled for deletion.
    Tombstone,
    Unreadable,
    /// Scheduled for deletion.
    Dead,
    /// No secret: it is being made, or is long gone.
    Vacant,
}

/// Reads all that is under the prefix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Census<'a> {
    pub(super) index: &'a Index,
    pub(super) tokens: &'a Tokens,
    pub(super) prefix: &'a Prefix,
}

impl Census<'_> {
    /// What ListSecrets shows, which may be five minutes old.
    ///
    /// # Errors
    /// `PermissionDenied` where listing is not granted.
    pub(super) async fn listing(&self, asked: &Asked<'_>) -> Result<Listing> {
        let listed = self.tokens.calls.secrets(asked, &format!("{}/", self.prefix)).await?;
        let listed = listed.ok_or_else(|| {
            Error::new(ErrorKind::PermissionDenied, "AWS refused the action (secretsmanager:ListSecrets)").with_hint(
                "allow secretsmanager:ListSecrets on * for whoever verifies: IAM cannot limit it to a prefix",
            )
        })?;
        let mut listing = Listing::default();
        for secret in listed {
            match self.prefix.meaning(&secret.name) {
                Some(Meaning::AuditKey) => listing.has_audit_key = true,
                Some(Meaning::Doctor) if secret.is_doomed => {}
                Some(Meaning::Doctor) => listing.probes.push(secret.name),
                Some(Meaning::Page(place)) if secret.is_doomed => drop(listing.doomed_pages.insert(place)),
                Some(Meaning::Page(place)) => drop(listing.pages.insert(place)),
                Some(Meaning::Token(name)) if secret.is_doomed => drop(listing.doomed_tokens.insert(name)),
                Some(Meaning::Token(name)) => drop(listing.tokens.insert(name)),
                None => listing.foreign.push(secret.name),
            }
        }
        Ok(listing)
    }

    /// # Errors
    /// `NotFound` where there never was a vault: only `init` makes one, and an empty one under a mistyped prefix would pass
    /// for the one that is meant.
    pub(super) async fn refuse_bare(&self, asked: &Asked<'_>, listing: &Listing) -> Result<()> {
        if listing.is_bare()
            && matches!(self.index.read_whatever(asked, &PagePlace::root()).await, Ok(PageRead::Absent))
        {
            return Err(no_vault(&self.index.calls.place()));
        }
        Ok(())
    }

    /// Reads a page, whatever it holds.
    pub(super) async fn page(&self, asked: &Asked<'_>, place: &PagePlace) -> Result<PageFound> {
        for attempt in 0..MAX_STALE {
            match self.index.read_whatever(asked, place).await {
                Ok(PageRead::Whole(loaded)) => return Ok(PageFound::Whole(loaded)),
                Ok(PageRead::Absent) => self.tokens.calls.pace.catch_up(attempt).await,
                Ok(PageRead::Doomed) => return Ok(PageFound::Doomed),
                Ok(PageRead::Unreadable(_)) => return Ok(PageFound::Unreadable),
                // That of a version around the one in force.
                Err(error) if error.kind() == ErrorKind::Damaged => return Ok(PageFound::Unreadable),
                Err(error) => return Err(error),
            }
        }
        Ok(PageFound::Missing)
    }

    /// Reads these pages, whatever they hold.
    pub(super) async fn pages(
        &self,
        asked: &Asked<'_>,
        places: impl IntoIterator<Item = PagePlace>,
    ) -> Result<BTreeMap<PagePlace, PageFound>> {
        let read = |place: PagePlace| async move { Ok((place.clone(), self.page(asked, &place).await?)) };
        stream::iter(places).map(read).buffer_unordered(PARALLEL).try_collect().await
    }

    /// Reads the pages that the root leads to.
    pub(super) async fn tree(&self, asked: &Asked<'_>) -> Result<BTreeMap<PagePlace, PageFound>> {
        let (mut tree, mut open) = (BTreeMap::new(), vec![PagePlace::root()]);
        while !open.is_empty() {
            let level = self.pages(asked, std::mem::take(&mut open)).await?;
            for (place, found) in &level {
                if let PageFound::Whole(loaded) = found
                    && loaded.page.is_signpost()
                {
                    open.extend((0..16).map(|digit| place.child(digit, loaded.page.epoch)));
                }
            }
            tree.extend(level);
        }
        Ok(tree)
    }

    /// Reads the secrets of these tokens, whatever they hold.
    pub(super) async fn tokens(
        &self,
        asked: &Asked<'_>,
        names: impl IntoIterator<Item = RecordName>,
    ) -> Result<BTreeMap<RecordName, TokenFound>> {
        let read = |name| async move { Ok((name, self.token(asked, name).await?)) };
        stream::iter(names).map(read).buffer_unordered(PARALLEL).try_collect().await
    }

    async fn token(&self, asked: &Asked<'_>, name: RecordName) -> Result<TokenFound> {
        let secret = self.prefix.record(name);
        for attempt in 0..MAX_STALE {
            let value = match self.tokens.calls.get(asked, &secret, Which::Current).await? {
                Found::Value(value) => value,
                Found::Doomed => return Ok(TokenFound::Dead),
                Found::Absent => {
                    self.tokens.calls.pace.catch_up(attempt).await;
                    continue;
                }
            };
            let Ok((head, body)) = value::decode_record(name, &value.bytes) else {
                return Ok(TokenFound::Unreadable);
            };
            let Body::Record(record) = body else { return Ok(TokenFound::Tombstone) };
            let is_by_hand = head.id != value.id;
            let is_set_back = self.is_set_back(asked, &secret, &value.id).await?;
            let (keys, owner) = (record.lookup_keys(), record.owner_key());
            return Ok(TokenFound::Live { sequence: head.sequence, keys, owner, is_by_hand, is_set_back });
        }
        Ok(TokenFound::Vacant)
    }

    /// Whether a version that has been replaced is in force all the same, for longer than a read may be late.
    pub(super) async fn is_set_back(&self, asked: &Asked<'_>, secret: &str, id: &VersionId) -> Result<bool> {
        let calls = &self.tokens.calls;
        if !matches!(calls.get(asked, secret, Which::Exactly(&id.next(0))).await?, Found::Value(_)) {
            return Ok(false);
        }
        for attempt in 0..MAX_STALE {
            calls.pace.catch_up(attempt).await;
            if calls.labels(asked, secret).await?.current.as_ref() != Some(id) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The entries on all pages that could be read.
pub(super) fn entries(pages: &BTreeMap<PagePlace, PageFound>) -> BTreeSet<Entry> {
    let whole = pages.values().filter_map(|found| match found {
        PageFound::Whole(loaded) => Some(loaded.page.entries()),
        PageFound::Missing | PageFound::Doomed | PageFound::Unreadable => None,
    });
    whole.flatten().copied().collect()
}

/// The entries that records which are there should have, and have not.
pub(super) fn missing(tokens: &BTreeMap<RecordName, TokenFound>, entries: &BTreeSet<Entry>, now: u32) -> Vec<Entry> {
    let listed: BTreeSet<(LookupKey, RecordName)> = entries.iter().map(|entry| (entry.key, entry.name)).collect();
    let mut missing = Vec::new();
    for (name, found) in tokens {
        let TokenFound::Live { sequence, keys, .. } = found else { continue };
        let new = keys.iter().filter(|key| !listed.contains(&(**key, *name)));
        missing.extend(new.map(|key| Entry { key: *key, name: *name, sequence: *sequence, asserted_at: now }));
    }
    missing
}
