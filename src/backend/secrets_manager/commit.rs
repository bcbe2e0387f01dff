//! Making changes: entries first, then the secrets they lead to, then out with what leads nowhere.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::backend::secrets_manager::calls::Asked;
use crate::backend::secrets_manager::index::Index;
use crate::backend::secrets_manager::known::Seen;
use crate::backend::secrets_manager::line::Loaded;
use crate::backend::secrets_manager::line::{Edit, LeftOver, Outcome};
use crate::backend::secrets_manager::naming::PagePlace;
use crate::backend::secrets_manager::page::{Entry, seconds};
use crate::backend::secrets_manager::tokens::{State, Tokens};
use crate::backend::secrets_manager::value;
use crate::backend::{Change, Claim, Commit};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;
use crate::lookup::LookupKey;

const PARALLEL: usize = 16;

/// How often an edit follows pages that are split under it.
const MAX_MOVES: u32 = 64;

/// How long a name that is announced is left to whoever is about to make a token under it, by a rule that does not take
/// names over: else a save that brings an id would wait without end for a sign-in of its user that was broken off.
const ANNOUNCED: Duration = Duration::from_secs(10);

/// Where entries came to stand.
#[derive(Debug, Default)]
pub(super) struct Placed {
    /// The KMS key that the pages say.
    kms_key_id: Option<String>,
    epochs: BTreeSet<u64>,
}

impl Placed {
    fn note(&mut self, place: &PagePlace, stands: &Loaded) {
        self.kms_key_id.clone_from(&stands.page.kms_key_id);
        self.epochs.insert(if place.is_root() { stands.page.epoch } else { place.epoch() });
    }
}

/// A change, and the state of its record that it rests on.
struct Step {
    change: Change,
    held: Option<Seen>,
}

impl Step {
    /// The entries that the new state needs and the old one has not.
    fn entries(&self, now: Timestamp) -> Vec<Entry> {
        let Some(record) = &self.change.value else { return Vec::new() };
        let old = self.held.as_ref().map_or(&[][..], Seen::listed_keys);
        let sequence = self.held.as_ref().map_or(1, Seen::next_sequence);
        let mut keys = record.lookup_keys();
        keys.retain(|key| !old.contains(key));
        let name = self.change.name;
        keys.into_iter().map(|key| Entry { key, name, sequence, asserted_at: seconds(now) }).collect()
    }
}

/// Makes changes to the index and the tokens.
#[derive(Debug)]
pub(super) struct Committer<'a> {
    pub(super) index: &'a Index,
    pub(super) tokens: &'a Tokens,
}

impl Committer<'_> {
    pub(super) async fn commit(&self, asked: &Asked<'_>, commit: Commit) -> Result<()> {
        let Commit { changes, claims } = commit;
        changes.iter().filter_map(|change| change.value.as_deref()).try_for_each(value::check_size)?;
        let steps = self.steps(asked, changes).await?;
        let now = self.index.calls.pace.now();
        let entries: Vec<Entry> = steps.iter().flat_map(|step| step.entries(now)).collect();
        // A name that was listed before may be on somebody else's way, too: its entries stay.
        let is_fresh = |name| !claims.iter().any(|claim| claim.names.contains(&name));
        let own: Vec<Entry> =
            entries.iter().filter(|entry| entry.sequence == 1 && is_fresh(entry.name)).copied().collect();
        let placed = match self.place(asked, &entries, claims).await {
            Ok(placed) => placed,
            Err(error) => {
                if error.kind() == ErrorKind::Conflict {
                    self.withdraw(asked, &own).await;
                }
                return Err(error);
            }
        };
        let make = |step| self.make(asked, step, placed.kms_key_id.as_deref());
        stream::iter(steps).map(make).buffer_unordered(PARALLEL).try_collect::<()>().await?;
        self.keep_listed(asked, &entries, placed).await
    }

    /// Looks at what the changes rest on, before anything is written.
    async fn steps(&self, asked: &Asked<'_>, changes: Vec<Change>) -> Result<Vec<Step>> {
        let is_one_insert = changes.len() == 1 && changes.iter().all(|change| change.value.is_some());
        let look = |change: Change| async move {
            let held = match change.expected {
                Some(expected) => Some(self.tokens.at(asked, change.name, expected).await?),
                // Making the secret decides; only where it must not be made for another change's sake it is asked before.
                None if is_one_insert => None,
                None => match self.tokens.read(asked, change.name).await? {
                    State::Vacant => None,
                    State::Live(_) | State::Dead => return Err(Error::conflict()),
                },
            };
            Ok(Step { change, held })
        };
        stream::iter(changes).map(look).buffered(PARALLEL).try_collect().await
    }

    /// Looks after claims that did not hold, so that the rule finds something settled when it runs again: who has only
    /// announced a key for a record is refused, and a second name that nobody has made anything under is barred.
    /// `cannot_take`: the rule has a name already; else it takes the one that it has not seen yet, if it is a rule that does.
    async fn settle(&self, asked: &Asked<'_>, claims: &[Claim], own: &[Entry], cannot_take: bool) -> Result<()> {
        let keys: Vec<LookupKey> = claims.iter().map(|claim| claim.key).collect();
        let is_own = |name: RecordName| own.iter().any(|entry| entry.name == name);
        for (claim, entries) in claims.iter().zip(self.index.entries(asked, &keys).await?) {
            for entry in entries {
                if claim.names.contains(&entry.name) || is_own(entry.name) {
                    continue;
                }
                match self.tokens.read(asked, entry.name).await? {
                    State::Live(record) if !record.lookup_keys().contains(&claim.key) => {
                        let held = self.tokens.at(asked, entry.name, record.version).await?;
                        if held.sequence < entry.sequence {
                            self.tokens.replace(asked, &held.raised_to(entry.sequence), &record).await?;
                        }
                    }
                    State::Vacant if cannot_take || self.is_overdue(&entry) => {
                        self.tokens.bar(asked, entry.name).await?;
                    }
                    State::Live(_) | State::Dead | State::Vacant => {}
                }
            }
        }
        Ok(())
    }

    fn is_overdue(&self, entry: &Entry) -> bool {
        let now = seconds(self.index.calls.pace.now());
        u64::from(now.saturating_sub(entry.asserted_at)) >= ANNOUNCED.as_secs()
    }

    /// Writes entries and checks claims, page after page in the order of their keys. Answers the KMS key of a page that
    /// took an entry: whoever changes the vault's key writes it into every page first and looks for entries then, so a
    /// secret that is made under an old key is one that it finds.
    pub(super) async fn place(&self, asked: &Asked<'_>, entries: &[Entry], claims: Vec<Claim>) -> Result<Placed> {
        let (mut entries, mut claims, mut placed) = (entries.to_vec(), claims, Placed::default());
        // A new record rests on what its keys do not lead to: of that only a write is proof, since any read may be late.
        let makes_record = entries.iter().any(|entry| entry.sequence == 1);
        let has_name = |name: &RecordName| entries.iter().any(|entry| entry.name == *name);
        let has_adopted = claims.iter().flat_map(|claim| &claim.names).any(has_name);
        let cannot_take = has_adopted || entries.iter().any(|entry| entry.sequence > 1);
        // With entries first: where two commits rest on what the other brings, one of them sees the other's.
        for round in 0..MAX_MOVES {
            let keys: Vec<LookupKey> =
                entries.iter().map(|entry| entry.key).chain(claims.iter().map(|claim| claim.key)).collect();
            if keys.is_empty() {
                return Ok(placed);
            }
            let mut leaves = self.index.leaves(asked, &keys).await?;
            leaves.sort_by(|one, other| one.0.cmp(&other.0));
            let with_entries = |place: &PagePlace| entries.iter().any(|entry| place.holds(entry.key));
            let (first, then): (Vec<_>, Vec<_>) = leaves.into_iter().partition(|(place, ..)| with_entries(place));
            let (mut moved_entries, mut moved_claims) = (Vec::new(), Vec::new());
            for (place, loaded, _) in first.into_iter().chain(then) {
                let on_page = Arc::new(Self::edit_of(&place, &entries, &claims, makes_record));
                match self.write(asked, (&place, loaded), &on_page).await? {
                    Outcome::Done(stands) if !on_page.add.is_empty() => placed.note(&place, &stands),
                    Outcome::Done(_) => {}
                    Outcome::Refused => {
                        self.settle(asked, &on_page.claims, &on_page.add, cannot_take).await?;
                        self.index.calls.pace.back_off(0).await;
                        return Err(Error::conflict());
                    }
                    Outcome::Moved => {
                        moved_entries.extend(on_page.add.iter().copied());
                        moved_claims.extend(on_page.claims.iter().cloned());
                    }
                }
            }
            if !moved_entries.is_empty() || !moved_claims.is_empty() {
                self.index.calls.pace.back_off(round.min(4)).await;
            }
            (entries, claims) = (moved_entries, moved_claims);
        }
        Err(being_rebuilt())
    }

    async fn write(&self, asked: &Asked<'_>, (place, read): (&PagePlace, Loaded), edit: &Arc<Edit>) -> Result<Outcome> {
        self.look_at_some(asked, edit, &read.page).await;
        self.index.edit(asked, self.tokens, (place, read), Arc::clone(edit)).await
    }

    /// What is to be done on one page.
    fn edit_of(place: &PagePlace, entries: &[Entry], claims: &[Claim], is_fence: bool) -> Edit {
        Edit {
            claims: claims.iter().filter(|claim| place.holds(claim.key)).cloned().collect(),
            add: entries.iter().filter(|entry| place.holds(entry.key)).copied().collect(),
            is_fence,
            ..Edit::default()
        }
    }

    /// Makes sure that what was made is listed where the vault looks: a repair that has begun a new epoch meanwhile may have
    /// looked for the secret before it was there, and its entries on pages that count no more.
    async fn keep_listed(&self, asked: &Asked<'_>, entries: &[Entry], mut placed: Placed) -> Result<()> {
        for _ in 0..MAX_MOVES {
            if placed.epochs.is_empty() || placed.epochs == BTreeSet::from([self.index.epoch(asked).await?]) {
                return Ok(());
            }
            placed = self.place(asked, entries, Vec::new()).await?;
        }
        Err(being_rebuilt())
    }

    /// Takes back the entries of names that will not be made. What cannot be taken back leads nowhere, and whoever meets
    /// it makes sure of that.
    async fn withdraw(&self, asked: &Asked<'_>, own: &[Entry]) {
        let keys: Vec<LookupKey> = own.iter().map(|entry| entry.key).collect();
        let left = own.iter().map(|entry| LeftOver { key: entry.key, name: entry.name, seen: entry.sequence });
        let left: Vec<LeftOver> = left.collect();
        if keys.is_empty() {
            return;
        }
        let Ok(leaves) = self.index.leaves(asked, &keys).await else { return };
        for (place, loaded, _) in leaves {
            let take_out: Vec<LeftOver> =
                left.iter().copied().filter(|left| place.holds(left.key) && leads(&loaded, left)).collect();
            if !take_out.is_empty() {
                let edit = Edit { take_out, is_fence: true, ..Edit::default() };
                let _ = self.index.edit(asked, self.tokens, (&place, loaded), Arc::new(edit)).await;
            }
        }
    }

    async fn make(&self, asked: &Asked<'_>, step: Step, kms_key_id: Option<&str>) -> Result<()> {
        match (&step.change.value, &step.held) {
            (Some(record), None) => self.tokens.create(asked, record, kms_key_id).await,
            (Some(record), Some(held)) => self.tokens.replace(asked, held, record).await,
            (None, Some(held)) => self.tokens.bury(asked, step.change.name, held).await,
            (None, None) => Ok(()),
        }
    }
}

pub(super) fn being_rebuilt() -> Error {
    Error::new(ErrorKind::Busy, "the index is being rebuilt, or kept being split")
        .with_hint("try again; if it stays, a repair was broken off: run `tokenvault verify --repair` again")
}

fn leads(loaded: &Loaded, left: &LeftOver) -> bool {
    let of_key = loaded.page.of_key(left.key);
    of_key.iter().any(|entry| entry.name == left.name && entry.sequence <= left.seen)
}
