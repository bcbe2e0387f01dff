//! Entries that lead nowhere and that nobody knows of: whoever writes a page looks at some of its names before.
//!
//! A deletion leaves the index alone, and who made it may end before it writes the page again. A process that comes later
//! knows nothing of that, and would read each of these names whenever it lists.

use std::sync::atomic::Ordering;

use futures_util::{StreamExt, stream};

use crate::backend::secrets_manager::YOUNG;
use crate::backend::secrets_manager::calls::Asked;
use crate::backend::secrets_manager::commit::Committer;
use crate::backend::secrets_manager::fault::FaultKind;
use crate::backend::secrets_manager::page::{Entry, Page, seconds};
use crate::identity::RecordName;
use crate::lookup::LookupKey;

/// How many names are looked at. Where as many tokens are made as deleted, one entry in so many leads nowhere in the long
/// run: each write to a page brings an entry, and finds as many dead ones as it looks at times their share.
const LOOKS: usize = 8;

/// What a look told.
enum Told {
    Alive,
    Doomed,
    Absent,
}

impl Committer<'_> {
    /// Looks at the names that follow a key on a page which is about to be written: the write takes out what leads to
    /// those that are dead. A page of fewer old names than are looked at is left alone.
    ///
    /// DescribeSecret is asked, which reads nobody's token; and once, since nothing rests on it.
    pub(super) async fn look_at_some(&self, asked: &Asked<'_>, page: &Page, key: Option<LookupKey>) {
        let calls = &self.index.calls;
        let bound = seconds(calls.pace.now()).saturating_sub(u32::try_from(YOUNG.as_secs()).unwrap_or(u32::MAX));
        let is_old = |entry: &&Entry| entry.asserted_at < bound && !self.tokens.is_past(entry);
        let mut names = Vec::with_capacity(LOOKS);
        for entry in key.iter().flat_map(|key| page.from_key(*key)).filter(is_old) {
            if names.len() < LOOKS && !names.contains(&entry.name) {
                names.push(entry.name);
            }
        }
        if names.len() < LOOKS || calls.is_look_refused.load(Ordering::Relaxed) {
            return;
        }
        let look = |name| async move { (name, self.look(asked, name).await) };
        let told: Vec<_> = stream::iter(names).map(look).buffered(LOOKS).collect().await;
        for (name, _) in told.iter().filter(|(_, told)| matches!(told, Some(Told::Doomed))) {
            self.tokens.known.note_dead(*name);
        }
        // It takes two writes to be sure that nobody makes it after all: one, then, and the next another time.
        if let Some((name, _)) = told.iter().find(|(_, told)| matches!(told, Some(Told::Absent))) {
            let _ = self.tokens.bar(asked, *name).await;
        }
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
                calls.is_look_refused.fetch_or(fault.kind == FaultKind::Denied, Ordering::Relaxed);
                None
            }
        }
    }
}
