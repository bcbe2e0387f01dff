//! The OAuth provider that a month's fleet refreshes at.

use std::collections::BTreeMap;
use std::time::Duration;

use tokenvault::clock::Timestamp;

/// How long an access token lives.
pub(super) const LIFETIME: Duration = Duration::from_secs(3600);

/// One user's permission.
#[derive(Debug)]
struct Grant {
    refresh_token: String,
    /// Still taken, until its successor is used: a client may have been cut off before it could keep that.
    before: Option<String>,
    rotates: bool,
    access_token: String,
    expiry: Timestamp,
    count: u32,
}

/// What a refresh or a sign-in gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    pub(super) expiry: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Provider {
    grants: BTreeMap<usize, Grant>,
    sign_ins: usize,
    pub(super) refreshes: usize,
    /// Refreshes of an access token that nobody would have had to refresh yet.
    pub(super) needless: usize,
}

impl Provider {
    /// A new grant, in place of the one before. A tenth of them get a new refresh token at each refresh.
    pub(super) fn sign_in(&mut self, user: usize, now: Timestamp) -> Given {
        self.sign_ins += 1;
        let name = format!("{user}, sign-in {}", self.sign_ins);
        let grant = Grant {
            refresh_token: format!("refresh 0 of {name}"),
            before: None,
            rotates: user.is_multiple_of(10),
            access_token: format!("access 0 of {name}"),
            expiry: now.after(LIFETIME),
            count: 0,
        };
        let given = grant.given();
        self.grants.insert(user, grant);
        given
    }

    /// A new access token; `None` where the grant is dead.
    pub(super) fn refresh(&mut self, user: usize, refresh_token: &str, now: Timestamp) -> Option<Given> {
        let grant = self.grants.get_mut(&user)?;
        if ![Some(&*grant.refresh_token), grant.before.as_deref()].contains(&Some(refresh_token)) {
            return None;
        }
        self.refreshes += 1;
        self.needless += usize::from(grant.expiry.since(now) > Duration::from_secs(125));
        grant.count += 1;
        let of = grant.access_token.split_once(" of ").map(|(_, of)| of.to_owned())?;
        grant.access_token = format!("access {} of {of}", grant.count);
        grant.expiry = now.after(LIFETIME);
        if grant.rotates {
            // Whoever comes with the one before has not kept its successor, which is not taken any more.
            grant.refresh_token = format!("refresh {} of {of}", grant.count);
            grant.before = Some(refresh_token.to_owned());
        }
        Some(grant.given())
    }

    pub(super) fn revoke(&mut self, user: usize) {
        self.grants.remove(&user);
    }
}

impl Grant {
    fn given(&self) -> Given {
        let Self { access_token, refresh_token, expiry, .. } = self;
        Given { access_token: access_token.clone(), refresh_token: refresh_token.clone(), expiry: *expiry }
    }
}
