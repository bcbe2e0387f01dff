//! Deleting everything.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::backend::secrets_manager::calls::Asked;
use crate::backend::secrets_manager::commit::{Committer, being_rebuilt};
use crate::backend::secrets_manager::line::Loaded;
use crate::backend::secrets_manager::line::{Edit, LeftOver, Outcome};
use crate::backend::secrets_manager::naming::PagePlace;
use crate::backend::secrets_manager::page::Entry;
use crate::backend::secrets_manager::tokens::State;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;

const PARALLEL: usize = 16;

/// How often a token is buried that others keep writing to, or making.
const MAX_ROUNDS: u32 = 64;

impl Committer<'_> {
    /// Buries every record that is listed, also one that is being made, then takes their entries out of every leaf by a
    /// write that proves what the leaf held: whatever was acknowledged before this began is gone. Answers how many there
    /// were.
    pub(super) async fn clear(&self, asked: &Asked<'_>) -> Result<usize> {
        let mut done = BTreeSet::new();
        let mut count = 0;
        let mut open = self.index.all_leaves(asked).await?;
        for round in 0..MAX_ROUNDS {
            if open.is_empty() {
                return Ok(count);
            }
            let listed = open.iter().flat_map(|(_, loaded)| names(loaded)).collect::<BTreeSet<_>>();
            count += self.bury_all(asked, &listed, &mut done).await?;
            let mut split = false;
            let mut missed = BTreeSet::new();
            for (place, loaded) in std::mem::take(&mut open) {
                match self.empty(asked, &place, loaded).await? {
                    Outcome::Done(stands) => missed.extend(names(&stands)),
                    Outcome::Moved | Outcome::Refused => split = true,
                }
            }
            // What a stale read did not show, the write did; it may have been acknowledged long ago.
            count += self.bury_all(asked, &missed, &mut done).await?;
            if split {
                self.index.calls.pace.back_off(round.min(4)).await;
                open = self.index.all_leaves(asked).await?;
            }
        }
        Err(being_rebuilt())
    }

    async fn empty(&self, asked: &Asked<'_>, place: &PagePlace, loaded: Loaded) -> Result<Outcome> {
        let seen = |name| self.tokens.seen(name).map_or(u64::MAX, |seen| seen.sequence);
        let left =
            |entry: &Entry| LeftOver { key: entry.key, name: entry.name, seen: seen(entry.name).max(entry.sequence) };
        let take_out = loaded.page.entries().iter().map(left).collect();
        let edit = Arc::new(Edit { take_out, is_fence: true, ..Edit::default() });
        self.index.edit(asked, self.tokens, (place, loaded), edit).await
    }

    async fn bury_all(
        &self,
        asked: &Asked<'_>,
        names: &BTreeSet<RecordName>,
        done: &mut BTreeSet<RecordName>,
    ) -> Result<usize> {
        let new: Vec<RecordName> = names.difference(done).copied().collect();
        let states = self.tokens.read_all(asked, new.iter().copied()).await?;
        let bury = |name: RecordName| self.bury_for_good(asked, name, states.get(&name).cloned());
        let buried: Vec<bool> = stream::iter(new.clone()).map(bury).buffer_unordered(PARALLEL).try_collect().await?;
        done.extend(new);
        Ok(buried.into_iter().filter(|was_live| *was_live).count())
    }

    /// Makes sure that a name is dead, which was seen so. Answers whether it was alive.
    async fn bury_for_good(&self, asked: &Asked<'_>, name: RecordName, seen: Option<State>) -> Result<bool> {
        let mut seen = seen;
        for _ in 0..MAX_ROUNDS {
            let state = match seen.take() {
                Some(state) => state,
                None => self.tokens.read(asked, name).await?,
            };
            let (buried, was_live) = match state {
                State::Dead => return Ok(false),
                State::Vacant => (self.tokens.bar(asked, name).await, false),
                State::Live(record) => match self.tokens.at(asked, name, record.version).await {
                    Ok(held) => (self.tokens.bury(asked, name, &held).await, true),
                    Err(error) => (Err(error), false),
                },
            };
            match buried {
                Ok(()) => return Ok(was_live),
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(ErrorKind::Busy, "others kept writing to a token that is to be deleted").with_hint("try again"))
    }
}

fn names(loaded: &Loaded) -> Vec<RecordName> {
    loaded.page.entries().iter().map(|entry| entry.name).collect()
}
