//! The answers that are kept, and until when each may be given.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::identity::RecordName;
use crate::layer::cache::options::CacheOptions;
use crate::layer::cache::question::Key;
use crate::lookup::LookupKey;
use crate::token::OAuthToken;

/// Where there is no room left, this part of the answers goes at once, so that finding those that were used least
/// recently is paid for by as many new ones.
const MAKE_ROOM: usize = 16;

/// How often answers are looked for that may not be given any more.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// When an answer's read began, and how often the store had refused before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Began {
    pub(super) at: Timestamp,
    pub(super) refusals: u64,
}

/// One answer.
pub(super) struct Entry {
    token: Option<Arc<OAuthToken>>,
    began: Began,
    fresh_until: Timestamp,
    kept_until: Timestamp,
    /// The keys of the records that a lookup could have chosen.
    leans_on: Vec<LookupKey>,
    failed_at: Option<Timestamp>,
    used: u64,
}

impl Entry {
    /// `None` where it may not be given even once.
    pub(super) fn new(
        token: Option<Arc<OAuthToken>>,
        began: Began,
        leans_on: Vec<LookupKey>,
        options: &CacheOptions,
    ) -> Option<Self> {
        let (lives, lasts) = match &token {
            Some(_) => (options.time_to_live, options.time_to_live.saturating_add(options.longest_stale)),
            None => (options.negative_time_to_live, options.negative_time_to_live),
        };
        let ends = token.as_ref().and_then(|token| token.expires_at()).map_or(u64::MAX, Timestamp::as_micros);
        let margin = u64::try_from(options.expiry_margin.as_micros()).unwrap_or(u64::MAX);
        let ends = Timestamp::from_micros(ends.saturating_sub(margin));
        let [fresh_until, kept_until] = [lives, lasts].map(|lasts| began.at.after(lasts).min(ends));
        let entry = Self { token, began, fresh_until, kept_until, leans_on, failed_at: None, used: 0 };
        (began.at < entry.kept_until).then_some(entry)
    }

    /// An answer from the future has no age: the clock was set back.
    fn is_between(&self, now: Timestamp, end: Timestamp) -> bool {
        self.began.at <= now && now < end
    }

    pub(super) fn record(&self) -> Option<RecordName> {
        Some(self.token.as_ref()?.base()?.record)
    }

    pub(super) fn token(&self) -> Option<&OAuthToken> {
        self.token.as_deref()
    }

    pub(super) fn leans_on(&self, keys: &[LookupKey]) -> bool {
        self.leans_on.iter().any(|key| keys.contains(key))
    }
}

/// All answers.
#[derive(Default)]
pub(super) struct Shelf {
    entries: HashMap<Key, Entry>,
    uses: u64,
    swept_at: Timestamp,
}

impl Shelf {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The answer within its time to live.
    pub(super) fn fresh(&mut self, key: &[u8], now: Timestamp) -> Option<Option<Arc<OAuthToken>>> {
        let entry = self.entries.get_mut(key).filter(|entry| entry.is_between(now, entry.fresh_until))?;
        self.uses += 1;
        entry.used = self.uses;
        Some(entry.token.clone())
    }

    /// A token past its time to live that may be given while the store is out of reach; never one that was read before
    /// a refusal.
    pub(super) fn stale(&self, key: &Key, now: Timestamp, refusals: u64) -> Option<&Arc<OAuthToken>> {
        let entry = self.entries.get(key)?;
        let may_be = entry.is_between(now, entry.kept_until) && entry.began.refusals == refusals;
        entry.token.as_ref().filter(|_| may_be)
    }

    /// Notes that the store could not be asked about this.
    pub(super) fn note_failure(&mut self, key: &Key, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.failed_at = Some(now);
        }
    }

    pub(super) fn failed_at(&self, key: &Key) -> Option<Timestamp> {
        self.entries.get(key)?.failed_at
    }

    pub(super) fn put(&mut self, key: Key, mut entry: Entry, now: Timestamp, options: &CacheOptions) {
        if options.capacity == 0 {
            return;
        }
        self.sweep(now);
        if self.entries.len() >= options.capacity && !self.entries.contains_key(&key) {
            self.make_room();
        }
        self.uses += 1;
        entry.used = self.uses;
        self.entries.insert(key, entry);
    }

    /// Puts what a write has made of a record in the place of what is answered for its ids, and under the token's own.
    pub(super) fn replace(
        &mut self,
        token: OAuthToken,
        own: Key,
        began: Began,
        now: Timestamp,
        options: &CacheOptions,
    ) {
        let record = token.base().map(|base| base.record);
        let of_record = self.entries.iter().filter(|(_, entry)| record.is_some() && entry.record() == record);
        let mut keys: Vec<Key> = of_record.map(|(key, _)| key.clone()).filter(|key| *key != own).collect();
        self.drop_where(|_, entry| entry.record() == record);
        keys.push(own);
        for key in keys {
            let Some(id) = key.id() else { continue };
            let token = Some(Arc::new(token.clone().with_id(id)));
            if let Some(entry) = Entry::new(token, began, Vec::new(), options) {
                self.put(key, entry, now, options);
            }
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.entries.remove(key);
    }

    /// Takes out what is answered of the record that this answer is of, under whatever key.
    pub(super) fn remove_record_of(&mut self, key: &Key) {
        let record = self.entries.remove(key).and_then(|entry| entry.record());
        if record.is_some() {
            self.drop_where(|_, entry| entry.record() == record);
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn drop_where(&mut self, mut is_dropped: impl FnMut(&Key, &Entry) -> bool) {
        self.entries.retain(|key, entry| !is_dropped(key, entry));
    }

    /// The records that this id is known to lead to, or to have led to.
    pub(super) fn records_of(&self, id: &str) -> Vec<RecordName> {
        let is_of = |key: &Key, entry: &Entry| {
            key.id() == Some(id) || entry.token().is_some_and(|token| token.id() == Some(id))
        };
        let named = self.entries.iter().filter(|(key, entry)| is_of(key, entry));
        named.filter_map(|(_, entry)| entry.record()).collect()
    }

    pub(super) fn records_where(&self, mut is_meant: impl FnMut(&Entry) -> bool) -> Vec<RecordName> {
        self.entries.values().filter(|entry| is_meant(entry)).filter_map(Entry::record).collect()
    }

    /// From time to time, takes out what may not be given any more.
    fn sweep(&mut self, now: Timestamp) {
        if self.swept_at <= now && now.since(self.swept_at) < SWEEP_EVERY {
            return;
        }
        self.swept_at = now;
        self.entries.retain(|_, entry| entry.is_between(now, entry.kept_until));
    }

    fn make_room(&mut self) {
        let mut uses: Vec<u64> = self.entries.values().map(|entry| entry.used).collect();
        let (_, last, _) = uses.select_nth_unstable(self.entries.len() / MAKE_ROOM);
        let last = *last;
        self.entries.retain(|_, entry| entry.used > last);
    }
}
