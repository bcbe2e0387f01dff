//! Entries that lead nowhere and that nobody knows of: whoever writes a page looks at some of its names before.
//!
//! A deletion leaves the index alone, and who made it may end before it writes the page again. A process that comes later
//! knows nothing of that, and would read each of these names whenever it lists.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use crate::backend::secrets_manager::YOUNG;
use crate::backend::secrets_manager::calls::Asked;
use crate::backend::secrets_manager::commit::Committer;
use crate::backend::secrets_manager::fault::FaultKind;
use crate::backend::secrets_manager::line::Edit;
use crate::backend::secrets_manager::page::{Entry, Page, seconds};
use crate::identity::RecordName;

/// How many names are looked at. Where as many tokens are made as deleted, one entry in so many leads nowhere in the long
/// run: each write to a page brings an entry, and finds as many dead ones as it looks at times their share.
const LOOKS: usize = 8;

/// A name without a secret is let be for as long after it was listed as the longest recovery window lasts. No secret that a
/// vault deletes is gone before that: so most of them were never made, and a save that a journal or a process keeps may
/// still make them.
const LET_BE: Duration = Duration::from_hours(30 * 24);

/// What a look told.
enum Told {
    Alive,
    Doomed,
    Absent,
}

impl Committer<'_> {
    /// Looks at names on a page that an edit is about to write, from the edit's own keys on: the write takes out what leads
    /// to those that are dead. A page of fewer old names than are looked at is left alone, and so are the edit's own: one
    /// that has no secret yet is about to get one.
    ///
    /// DescribeSecret is asked, which reads nobody's token; and at one attempt, since nothing rests on it.
    pub(super) async fn look_at_some(&self, asked: &Asked<'_>, edit: &Edit, page: &Page) {
        let calls = &self.index.calls;
        let is_worth_it =
            edit.is_new(page) && !asked.is_under_lease() && !calls.is_look_refused.load(Ordering::Relaxed);
        let names = if is_worth_it { self.names_to_look_at(edit, page) } else { Vec::new() };
        if names.len() < LOOKS {
            return;
        }
        let look = |entry: Entry| async move { (entry, self.look(asked, entry.name).await) };
        let told: Vec<_> = stream::iter(names).map(look).buffered(LOOKS).collect().await;
        for (entry, _) in told.iter().filter(|(_, told)| matches!(told, Some(Told::Doomed))) {
            self.tokens.known.note_dead(entry.name, calls.pace.now());
        }
        let bound = self.before_now(LET_BE);
        let is_gone = |(entry, told): &&(Entry, Option<Told>)| {
            matches!(told, Some(Told::Absent)) && entry.asserted_at < bound && !self.tokens.is_past(entry)
        };
        // It takes two writes to be sure that nobody makes it after all: one, then, and the next another time.
        if let Some((entry, _)) = told.iter().find(is_gone) {
            let _ = self.tokens.bar(asked, entry.name).await;
        }
    }

    /// An entry of each name.
    fn names_to_look_at(&self, edit: &Edit, page: &Page) -> Vec<Entry> {
        let keys = edit.add.iter().map(|entry| entry.key).chain(edit.claims.iter().map(|claim| claim.key));
        let own = edit.add.iter().map(|entry| entry.name);
        let own: Vec<RecordName> =
            own.chain(edit.claims.iter().flat_map(|claim| claim.names.iter().copied())).collect();
        let bound = self.before_now(YOUNG);
        let is_old = |entry: &&Entry| entry.asserted_at < bound && !self.tokens.is_past(entry);
        let mut names: Vec<Entry> = Vec::with_capacity(LOOKS);
        for entry in keys.take(1).flat_map(|key| page.starting_at(key)).filter(is_old) {
            let is_new = !own.contains(&entry.name) && names.iter().all(|other| other.name != entry.name);
            if is_new && names.len() < LOOKS {
                names.push(*entry);
            }
        }
        names
    }

    /// So long ago, as entries tell the time.
    fn before_now(&self, time: Duration) -> u32 {
        let now = seconds(self.index.calls.pace.now());
        now.saturating_sub(u32::try_from(time.as_secs()).unwrap_or(u32::MAX))
    }

    /// What is under a name; `None` where that was not told.
    async fn look(&self, asked: &Asked<'_>, name: RecordName) -> Option<Told> {
        let (calls, secret) = (&self.index.calls, self.tokens.prefix.record(name));
        let call = || calls.client.describe_secret().secret_id(&secret).send();
        match calls.ask_once(asked, "DescribeSecret", false, call).await {
            Ok(told) if told.deleted_date.is_some() => Some(Told::Doomed),
            Ok(_) => Some(Told::Alive),
            Err(fault) if fault.kind == FaultKind::NotFound => Some(Told::Absent),
            Err(fault) => {
                if fault.kind == FaultKind::Denied && !calls.is_look_refused.swap(true, Ordering::Relaxed) {
                    tracing::debug!("DescribeSecret is not granted: what others have deleted stays in the index");
                }
                None
            }
        }
    }
}
