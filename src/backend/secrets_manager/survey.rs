//! Verification: the index held against the secrets, and what is wrong with either.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::secrets_manager::calls::Asked;
use crate::backend::secrets_manager::census::{Census, PageFound, TokenFound, entries, missing};
use crate::backend::secrets_manager::naming::PagePlace;
use crate::backend::secrets_manager::page::{Entry, seconds};
use crate::error::Result;
use crate::identity::RecordName;
use crate::lookup::LookupKey;

/// What a survey of a vault in AWS found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Survey {
    /// Live tokens.
    pub tokens: usize,
    /// Pages of the index.
    pub pages: usize,
    /// What is not as it should be, the worst first.
    pub findings: Vec<Finding>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Finding {
    /// What is wrong.
    pub trouble: Trouble,
    /// The secret that it is about.
    pub secret: String,
}

/// What can be wrong, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Trouble {
    /// A page of the index is missing.
    PageMissing,
    /// A page of the index is scheduled for deletion.
    PageDoomed,
    /// A page of the index does not read.
    PageUnreadable,
    /// A page of the index takes no entries, since a repair was broken off.
    PageClosed,
    /// A live token is not listed: nobody finds it but by our id, and `delete_tokens` misses it.
    TokenUnlisted,
    /// A live token is not listed under all that it should be found by.
    KeyUnlisted,
    /// A token's secret holds something else than a token, or a newer format.
    TokenUnreadable,
    /// Several live tokens are of one user and client: of a time when the index was not whole.
    Doubled,
    /// The key of the audit trail is scheduled for deletion: without it nobody can check what was written.
    AuditKeyDoomed,
    /// The secret of the audit trail's key holds something else, or a newer format.
    AuditKeyUnreadable,
    /// An old version of a token is in force.
    SetBack,
    /// The version in force was not written by a vault.
    ByHand,
    /// A deleted token whose secret is not scheduled for deletion.
    TombstoneLeft,
    /// Entries of the index that lead to nothing. They cost a call now and then, and nothing else.
    Dangling,
    /// A page that the index does not lead to: of an epoch before a repair. It can be deleted a day after that.
    PageLeft,
    /// What a doctor tries rights on: one is at work, or was broken off.
    ProbeLeft,
    /// A secret under the prefix that is not the vault's.
    Foreign,
}

/// What to do about [`Trouble::TokenUnreadable`].
#[cfg(feature = "cli")]
pub(crate) const READABLE_AGAIN: &str = "where a newer tokenvault wrote it, use that version; else put AWSCURRENT back on a \
                                         version that the vault wrote";

impl Trouble {
    /// Whether tokens are lost to the vault, or would be; else it costs money, or needs a look.
    pub const fn is_damage(self) -> bool {
        matches!(
            self,
            Self::PageMissing
                | Self::PageDoomed
                | Self::PageUnreadable
                | Self::PageClosed
                | Self::TokenUnlisted
                | Self::KeyUnlisted
                | Self::TokenUnreadable
                | Self::Doubled
        )
    }

    /// Whether a repair mends it.
    pub const fn is_mendable(self) -> bool {
        !matches!(
            self,
            Self::TokenUnreadable
                | Self::Doubled
                | Self::AuditKeyDoomed
                | Self::AuditKeyUnreadable
                | Self::SetBack
                | Self::ByHand
                | Self::PageLeft
                | Self::ProbeLeft
                | Self::Foreign
        )
    }

    /// What it is, in words.
    pub const fn said(self) -> &'static str {
        match self {
            Self::PageMissing => "a page of the index is missing",
            Self::PageDoomed => "a page of the index is scheduled for deletion",
            Self::PageUnreadable => "a page of the index does not read",
            Self::PageClosed => "a page of the index was closed by a repair that was broken off",
            Self::TokenUnlisted => "a token is not listed in the index",
            Self::KeyUnlisted => "a token is not listed under all that it is found by",
            Self::TokenUnreadable => "a token's secret holds no token, or one of a newer format",
            Self::Doubled => "a token is one of several of the same user and client; delete those that are not wanted",
            Self::AuditKeyDoomed => "the key of the audit trail is scheduled for deletion",
            Self::AuditKeyUnreadable => "the secret of the audit trail's key holds none, or one of a newer format",
            Self::SetBack => "an old version of a token is in force; later saves took effect and count no more",
            Self::ByHand => "the version of a token that is in force was not written by a vault",
            Self::TombstoneLeft => "a deleted token's secret is not scheduled for deletion",
            Self::Dangling => "the index leads to a token that is not there",
            Self::PageLeft => "a page of an earlier index is left; delete it a day after the repair",
            Self::ProbeLeft => {
                "a doctor is at work, or was broken off: the next `tokenvault doctor` deletes what it left"
            }
            Self::Foreign => "a secret under the vault's prefix is not the vault's",
        }
    }
}

impl Census<'_> {
    /// Holds the index against the secrets. Changes nothing.
    pub(super) async fn survey(&self, asked: &Asked<'_>) -> Result<Survey> {
        // The index first: what is made meanwhile is listed before it is there.
        let listing = self.listing(asked).await?;
        self.refuse_bare(asked, &listing).await?;
        let tree = self.tree(asked).await?;
        let entries = entries(&tree);
        let named: BTreeSet<RecordName> =
            entries.iter().map(|entry| entry.name).chain(listing.tokens.iter().copied()).collect();
        let tokens = self.tokens(asked, named).await?;
        // Read again: what came to be listed while the tokens were read is no trouble.
        let mut listed = entries.clone();
        let now = seconds(self.tokens.calls.pace.now());
        if !missing(&tokens, &listed, now).is_empty() {
            listed.extend(self::entries(&self.tree(asked).await?));
        }
        let mut findings = self.of_pages(&tree);
        findings.extend(self.of_tokens(&tokens, &listed, now));
        findings.extend(self.of_entries(&tokens, &entries, now));
        let left = listing.pages.iter().filter(|place| !tree.contains_key(place));
        findings.extend(left.map(|place| Finding { trouble: Trouble::PageLeft, secret: self.prefix.page(place) }));
        let of_audit_key = self.of_audit_key(asked, &listing).await?;
        findings.extend(of_audit_key.map(|trouble| Finding { trouble, secret: self.prefix.audit_key() }));
        let probes = listing.probes.into_iter();
        findings.extend(probes.map(|secret| Finding { trouble: Trouble::ProbeLeft, secret }));
        let foreign = listing.foreign.into_iter();
        findings.extend(foreign.map(|secret| Finding { trouble: Trouble::Foreign, secret }));
        findings.sort();
        findings.dedup();
        let is_live = |found: &&TokenFound| matches!(found, TokenFound::Live { .. });
        Ok(Survey { tokens: tokens.values().filter(is_live).count(), pages: tree.len(), findings })
    }

    fn of_pages(&self, tree: &BTreeMap<PagePlace, PageFound>) -> Vec<Finding> {
        let trouble = |(place, found): (&PagePlace, &PageFound)| {
            let trouble = match found {
                PageFound::Whole(loaded) if loaded.page.is_closed(place) => Trouble::PageClosed,
                PageFound::Whole(_) => return None,
                PageFound::Missing => Trouble::PageMissing,
                PageFound::Doomed => Trouble::PageDoomed,
                PageFound::Unreadable => Trouble::PageUnreadable,
            };
            Some(Finding { trouble, secret: self.prefix.page(place) })
        };
        tree.iter().filter_map(trouble).collect()
    }

    fn of_tokens(
        &self,
        tokens: &BTreeMap<RecordName, TokenFound>,
        entries: &BTreeSet<Entry>,
        now: u32,
    ) -> Vec<Finding> {
        let listed: BTreeSet<RecordName> = entries.iter().map(|entry| entry.name).collect();
        let mut troubles: Vec<(Trouble, RecordName)> = missing(tokens, entries, now)
            .into_iter()
            .map(|entry| {
                let is_listed = listed.contains(&entry.name);
                (if is_listed { Trouble::KeyUnlisted } else { Trouble::TokenUnlisted }, entry.name)
            })
            .collect();
        for (name, found) in tokens {
            match found {
                TokenFound::Live { is_set_back: true, .. } => troubles.push((Trouble::SetBack, *name)),
                TokenFound::Live { is_by_hand: true, .. } => troubles.push((Trouble::ByHand, *name)),
                TokenFound::Tombstone => troubles.push((Trouble::TombstoneLeft, *name)),
                TokenFound::Unreadable => troubles.push((Trouble::TokenUnreadable, *name)),
                TokenFound::Live { .. } | TokenFound::Dead | TokenFound::Vacant => {}
            }
        }
        troubles.extend(doubled(tokens).into_iter().map(|name| (Trouble::Doubled, name)));
        troubles.into_iter().map(|(trouble, name)| Finding { trouble, secret: self.prefix.record(name) }).collect()
    }

    fn of_entries(
        &self,
        tokens: &BTreeMap<RecordName, TokenFound>,
        entries: &BTreeSet<Entry>,
        now: u32,
    ) -> Vec<Finding> {
        let leads_nowhere = |entry: &&Entry| is_dangling(entry, tokens.get(&entry.name), now);
        let of = |entry: &Entry| Finding { trouble: Trouble::Dangling, secret: self.prefix.record(entry.name) };
        entries.iter().filter(leads_nowhere).map(of).collect()
    }
}

/// The live tokens that are of the same user and client as another.
fn doubled(tokens: &BTreeMap<RecordName, TokenFound>) -> Vec<RecordName> {
    let mut by_owner: BTreeMap<LookupKey, Vec<RecordName>> = BTreeMap::new();
    for (name, found) in tokens {
        if let TokenFound::Live { owner: Some(owner), .. } = found {
            by_owner.entry(*owner).or_default().push(*name);
        }
    }
    by_owner.into_values().filter(|names| names.len() > 1).flatten().collect()
}

/// A minute more than a claim may take to become a token.
const YOUNG: u32 = 6 * 60;

/// Whether an entry leads nowhere, and will not.
pub(super) fn is_dangling(entry: &Entry, found: Option<&TokenFound>, now: u32) -> bool {
    match found {
        Some(TokenFound::Live { sequence, keys, .. }) => entry.sequence <= *sequence && !keys.contains(&entry.key),
        Some(TokenFound::Tombstone | TokenFound::Dead) => true,
        Some(TokenFound::Vacant) | None => now.saturating_sub(entry.asserted_at) > YOUNG,
        Some(TokenFound::Unreadable) => false,
    }
}
