//! What a simulator is made from.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::gate::Gate;
use crate::iam::principal::{Principal, Principals};
use crate::switches::Switches;

/// Seed, start and place of a simulator. Two simulators of the same settings, called alike, answer alike.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) seed: u64,
    pub(crate) start: Timestamp,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) switches: Switches,
    pub(crate) principals: Principals,
    pub(crate) gate: Option<Arc<dyn Gate>>,
}

impl Default for Settings {
    /// Seed 0, noon of 1 January 2026, account 123456789012 in us-east-1, [`Switches::default`].
    fn default() -> Self {
        Self {
            seed: 0,
            start: Timestamp::from_millis(1_767_268_800_000),
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            switches: Switches::default(),
            principals: Principals::default(),
            gate: None,
        }
    }
}

impl Settings {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// All that is random comes from here.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// When the clock starts.
    #[must_use]
    pub fn start(mut self, start: Timestamp) -> Self {
        self.start = start;
        self
    }

    /// The account and Region of every secret.
    #[must_use]
    pub fn place(mut self, account: impl Into<String>, region: impl Into<String>) -> Self {
        self.account = account.into();
        self.region = region.into();
        self
    }

    /// What is on at the start.
    #[must_use]
    pub fn switches(mut self, switches: Switches) -> Self {
        self.switches = switches;
        self
    }

    /// Who stands behind an access key. From the first principal on, nothing is allowed that no policy allows.
    #[must_use]
    pub fn principal(mut self, access_key: impl Into<String>, principal: Principal) -> Self {
        self.principals.insert(access_key, principal);
        self
    }

    /// Asked before and after the effect of every call.
    #[must_use]
    pub fn gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.gate = Some(gate);
        self
    }
}
