//! What a store's records come to, for whoever looks at the store: numbers, and the leases under way. No text of a token is
//! kept.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::fields::Field;
use crate::lease::HELD_FOR;
use crate::lookup::{LookupKey, LookupKind};
use crate::record::Record;

/// Numbers of a store's records.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Live tokens.
    pub tokens: usize,
    /// Leases that have not come to their end, the soonest first.
    pub leases: Vec<LeaseSeen>,
    /// The shortest life of an access token, as the refreshes tell of those that have been refreshed.
    pub shortest_life: Option<Duration>,
    // Hashes: nobody's name is held for being counted.
    users: HashSet<LookupKey>,
    apps: HashSet<LookupKey>,
}

/// A lease under way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseSeen {
    /// The id of the token, as `list` shows it.
    pub token: Arc<str>,
    /// Who has it, as they named themselves.
    pub holder: Arc<str>,
    /// Which attempt at the token it is.
    pub attempt: u32,
    /// When it comes to its end, by the clock of whoever looks.
    pub until: Timestamp,
}

impl Tally {
    /// The tally of these records, whose times are of the same clock as `now`.
    pub fn of<'r>(records: impl IntoIterator<Item = &'r Record>, now: Timestamp) -> Self {
        let mut tally = Self::default();
        for record in records {
            tally.add(record, record.lease.as_ref().map(|lease| lease.granted_at), now);
        }
        tally
    }

    /// Counts a record. `granted_at` is when its lease was granted, by the clock that tells `now`.
    pub fn add(&mut self, record: &Record, granted_at: Option<Timestamp>, now: Timestamp) {
        self.tokens += 1;
        let hashed = |kind, field| record.fields.text(field).map(|text| LookupKey::new(kind, text));
        self.users.extend(hashed(LookupKind::User, Field::UserName));
        self.apps.extend(hashed(LookupKind::Id, Field::ClientId));
        self.shortest_life = [self.shortest_life, record.longest_life].into_iter().flatten().min();
        let until = granted_at.map(|at| at.after(HELD_FOR)).filter(|until| *until > now);
        if let (Some(lease), Some(until)) = (&record.lease, until) {
            let seen =
                LeaseSeen { token: record.id(), holder: Arc::clone(&lease.holder), attempt: lease.attempt, until };
            let at = self.leases.partition_point(|other| other.until <= until);
            self.leases.insert(at, seen);
        }
    }

    /// How many users the tokens are of.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// How many OAuth clients the tokens are of.
    pub fn apps(&self) -> usize {
        self.apps.len()
    }
}
