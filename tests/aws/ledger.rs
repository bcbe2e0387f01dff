//! What a long run was told, and what it came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::Switches;
use tokenvault::fields::Field::{AccessToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::simulated::World;

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether the long runs are to be as long as they are described; else they are shortened.
#[allow(clippy::disallowed_methods, reason = "how long to test is the tester's word")]
pub(crate) fn is_full() -> bool {
    std::env::var("TOKENVAULT_SIMULATE").is_ok_and(|told| told == "full")
}

/// A size that the tester may have named in the environment.
#[allow(clippy::disallowed_methods, reason = "as above")]
pub(crate) fn told(variable: &str, else_this: usize) -> usize {
    std::env::var(variable).map_or(else_this, |text| text.parse().expect("a whole number"))
}

/// A service that shows old states, answers empty pages and limits rates. It keeps no trail, which would not fit.
pub(crate) fn strict(seed: u64) -> Settings {
    Settings::new().seed(seed).switches(Switches { trail: false, ..Switches::strict() })
}

/// The access token that each user was told is stored.
#[derive(Default)]
pub(crate) struct Ledger(BTreeMap<String, String>);

impl Ledger {
    /// A save was acknowledged.
    pub(crate) fn saved(&mut self, token: &OAuthToken) {
        let access = token.fields().text(AccessToken).unwrap();
        self.0.insert(token.user_name().unwrap().to_owned(), access.to_owned());
    }

    /// A deletion was acknowledged.
    pub(crate) fn deleted(&mut self, user: &str) {
        self.0.remove(user).unwrap();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Reads everything back by another process: each user's token, and nothing beside them.
    pub(crate) async fn assert_nothing_is_lost(&self, world: &World) {
        // Until every read shows what was written last.
        world.simulator.clock().advance(Duration::from_secs(60));
        let (cx, reader) = (Context::new(), world.vault("reader"));
        for (user, access) in &self.0 {
            let mut token = OAuthToken::new().with(UserName, user);
            assert!(reader.find_token(&cx, &mut token).await.unwrap().value, "{user} is lost");
            assert_eq!(token.fields().text(AccessToken), Some(access.as_str()), "an update of {user} is lost");
        }
        assert_eq!(reader.get_tokens(&cx).await.unwrap().value.len(), self.len(), "more is listed than was saved");
    }
}

/// What a run came to.
pub(crate) struct Account {
    pub(crate) tokens: usize,
    pub(crate) pages: usize,
    /// Secrets that are scheduled for deletion.
    scheduled: usize,
    versions: usize,
    /// Of the secret that has the most.
    most_versions: usize,
    calls: BTreeMap<Operation, u64>,
}

impl Account {
    pub(crate) fn of(world: &World) -> Self {
        let counters = world.simulator.counters();
        let calls = counters.operations().collect();
        let mut account = Self { tokens: 0, pages: 0, scheduled: 0, versions: 0, most_versions: 0, calls };
        for name in world.simulator.names() {
            let Some(secret) = world.simulator.secret(&name) else { continue };
            account.versions += secret.versions.len();
            account.most_versions = account.most_versions.max(secret.versions.len());
            *match (secret.deleted, name.starts_with("test/vault/index")) {
                (Some(_), _) => &mut account.scheduled,
                (None, true) => &mut account.pages,
                (None, false) => &mut account.tokens,
            } += 1;
        }
        account
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tokens, pages, scheduled, versions, most_versions, calls } = self;
        write!(f, "{tokens} secrets of tokens, {pages} of the index, {scheduled} scheduled for deletion; ")?;
        write!(f, "{versions} versions, {most_versions} of one secret at most; calls:")?;
        calls.iter().try_for_each(|(operation, count)| write!(f, " {operation} {count}"))
    }
}

/// No call was refused for a quota, of versions, of secrets or of rates.
pub(crate) fn assert_within_quotas(world: &World) {
    let counters = world.simulator.counters();
    for code in ["LimitExceededException", "ThrottlingException"] {
        assert_eq!(counters.refused(code), 0, "{code}");
    }
}
