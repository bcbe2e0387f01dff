//! How calls are recorded.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock};

/// What happens where a line is not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// No line, no answer: nothing leaves the vault, no change is begun, and nobody is sent to refresh a token. But the save of
    /// a token that was refreshed under a lease goes on, since what it replaces may be spent already: its line is kept, and
    /// every later write tries it again.
    #[default]
    Required,
    /// The call goes on. Lines that are missing are counted, and the next checkpoint, end or beginning of a
    /// chain says how many.
    BestEffort,
}

/// How users are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Users {
    /// By a keyed hash: whoever has the vault's key can ask for a user, nobody can read who they are.
    #[default]
    Hashed,
    /// By name.
    Plain,
}

/// How to record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecorderOptions {
    /// What happens where a line is not taken.
    pub mode: Mode,
    /// How users are named.
    pub users: Users,
    /// Who asks, where a call's context does not say.
    pub principal: Option<Arc<str>>,
    /// Tells the time of a line.
    pub clock: Arc<dyn Clock>,
    /// The requests to a service that it took to come by the keys: what the service logs of them must not look like
    /// somebody else's.
    pub requests: Vec<String>,
}

impl Default for RecorderOptions {
    fn default() -> Self {
        let (mode, users) = (Mode::default(), Users::default());
        Self { mode, users, principal: None, clock: Arc::new(SystemClock), requests: Vec::new() }
    }
}
