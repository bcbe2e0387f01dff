//! All that the rules work on: the secrets, the time of the call, what is random.

pub(crate) mod access;
pub(crate) mod caller;
pub(crate) mod events;
pub(crate) mod keys;

use std::sync::Arc;
use std::time::Duration;

use crate::arn::{self, Named};
use crate::clock::Timestamp;
use crate::error::ServiceError;
use crate::faults::Faults;
use crate::gate::{Call, Failure, Phase};
use crate::iam::principal::Principals;
use crate::kms::Keys;
use crate::operation::Operation;
use crate::random;
use crate::settings::Settings;
use crate::state::history::History;
use crate::state::secret::{Deletion, Secret};
use crate::state::{Due, State};
use crate::switches::{Staleness, Switches};
use crate::throttle::Buckets;
use crate::trail::Trail;
use crate::world::caller::Caller;

#[derive(Clone, Debug)]
pub(crate) struct World {
    /// The time of the call that is being answered.
    pub(crate) now: Timestamp,
    pub(crate) random: fastrand::Rng,
    pub(crate) switches: Switches,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) state: State,
    pub(crate) keys: Keys,
    pub(crate) principals: Principals,
    pub(crate) buckets: Buckets,
    pub(crate) faults: Faults,
    pub(crate) trail: Trail,
    /// Apart from the rest, so that a trail that is switched off changes nothing else.
    pub(crate) random_of_trail: fastrand::Rng,
    /// How many changes back the call that is being answered has to read, where a gate said so.
    pub(crate) lag: Option<usize>,
}

impl World {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            now: settings.start,
            random: fastrand::Rng::with_seed(settings.seed),
            switches: settings.switches.clone(),
            account: settings.account.clone(),
            region: settings.region.clone(),
            state: State::default(),
            keys: Keys::default(),
            principals: settings.principals.clone(),
            buckets: Buckets::default(),
            faults: Faults::default(),
            trail: Trail::default(),
            random_of_trail: random::of_call(settings.seed, 0),
            lag: None,
        }
    }

    /// Begins a call.
    pub(crate) fn begin(&mut self, now: Timestamp, lag: Option<usize>) {
        self.settle(now);
        self.lag = lag;
    }

    /// # Errors
    ///
    /// The fault that was planned for this call.
    pub(crate) fn strike(&mut self, call: &Call, phase: Phase) -> Result<(), Failure> {
        let struck = self.faults.strike(call.operation, call.secret.as_deref(), phase, &mut self.random);
        struck.map_or(Ok(()), Err)
    }

    /// The secret as it is, for a call that changes it.
    pub(crate) fn find(
        &mut self,
        caller: &Caller,
        operation: Operation,
        id: &str,
    ) -> Result<Arc<Secret>, ServiceError> {
        let found = self.state.present(Named::by(id).name).cloned();
        self.authorized(caller, operation, id, found)
    }

    /// The secret as a read sees it, which may be as it was.
    pub(crate) fn read(
        &mut self,
        caller: &Caller,
        operation: Operation,
        id: &str,
    ) -> Result<Arc<Secret>, ServiceError> {
        let seen = self.view(Named::by(id).name, self.switches.read_lag);
        self.authorized(caller, operation, id, seen)
    }

    fn authorized(
        &self,
        caller: &Caller,
        operation: Operation,
        id: &str,
        found: Option<Arc<Secret>>,
    ) -> Result<Arc<Secret>, ServiceError> {
        let is_meant = |secret: &Arc<Secret>| Named::by(id).arn.is_none_or(|arn| arn == secret.arn);
        let Some(secret) = found.filter(is_meant) else {
            self.allowed_without_secret(caller, operation, id)?;
            return Err(ServiceError::not_found("Secrets Manager can't find the specified secret."));
        };
        self.allowed(caller, operation, &secret)?;
        Ok(secret)
    }

    /// A state of the name that a read may show which lags by at most `bound`.
    pub(crate) fn view(&mut self, name: &str, bound: Duration) -> Option<Arc<Secret>> {
        let history = self.state.history(name)?;
        let back = back(history, &self.switches, self.lag, self.now, bound, &mut self.random);
        history.view(back).cloned()
    }

    /// Every secret as a listing sees it.
    pub(crate) fn view_all(&mut self) -> Vec<Arc<Secret>> {
        let bound = self.switches.list_lag;
        let mut seen = Vec::new();
        // One replica answers one call; in adversarial mode each secret has a lag of its own.
        let mut replica = self.random.fork();
        for (_, history) in self.state.names() {
            let mut lagging = replica.clone();
            let adversarial = self.switches.staleness == Staleness::Adversarial;
            let random = if adversarial { &mut replica } else { &mut lagging };
            let back = back(history, &self.switches, self.lag, self.now, bound, random);
            seen.extend(history.view(back).cloned());
        }
        seen
    }

    /// Puts a changed or new secret in its place.
    pub(crate) fn store(&mut self, secret: Secret) {
        let oldest = self.oldest();
        self.state.replace(secret, self.now, oldest);
    }

    /// The oldest moment that any read may show.
    fn oldest(&self) -> Timestamp {
        let bound = match self.switches.staleness {
            Staleness::Off => Duration::ZERO,
            _ => self.switches.read_lag.max(self.switches.list_lag),
        };
        self.now.before(bound)
    }

    /// A new secret's ARN.
    pub(crate) fn new_arn(&mut self, name: &str) -> String {
        arn::new(&self.region, &self.account, name, &mut self.random)
    }

    /// Marks a secret as deleted and sets the time of its end, which the service does not tell.
    pub(crate) fn delete(&mut self, mut secret: Secret, deletion: Deletion) {
        let longest = if deletion.forced { self.switches.force_delete } else { self.switches.purge };
        let end = deletion.due.after(self.between(Duration::from_secs(1), longest));
        self.state.schedule_end(end, &secret.name);
        secret.deletion = Some(deletion);
        self.record_service("StartSecretVersionDelete", &secret);
        self.store(secret);
    }

    /// Lets happen what was due until now.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        while let Some((at, name, what)) = self.state.next_due(now) {
            self.now = at;
            match what {
                Due::Purge => self.purge(&name),
                Due::Forget => self.state.forget(&name, at, self.oldest()),
            }
        }
        self.now = now;
    }

    fn purge(&mut self, name: &str) {
        let oldest = self.oldest();
        // The name stays taken a little longer than the secret can be seen.
        let free = self.now.after(self.between(Duration::ZERO, self.switches.force_delete / 4));
        if let Some(gone) = self.state.purge(name, self.now, oldest, free) {
            self.record_service("EndSecretVersionDelete", &gone);
        }
        let remembered = self.switches.read_lag.max(self.switches.list_lag) + Duration::from_millis(1);
        self.state.schedule_forgetting(free.after(remembered), name);
    }

    /// A duration drawn at random, `longest` at the most.
    pub(crate) fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let range = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (shortest, longest) = (range(shortest.min(longest)), range(longest));
        Duration::from_millis(self.random.u64(shortest..=longest))
    }
}

/// How many changes back a read looks.
fn back(
    history: &History,
    switches: &Switches,
    lag: Option<usize>,
    now: Timestamp,
    bound: Duration,
    random: &mut fastrand::Rng,
) -> usize {
    if switches.staleness == Staleness::Off {
        return 0;
    }
    let states = history.visible(now.before(bound));
    if let Some(lag) = lag {
        return lag.min(states - 1);
    }
    match switches.staleness {
        Staleness::Off => 0,
        Staleness::Lagging => {
            let longest = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
            let replica = now.before(Duration::from_millis(random.u64(0..=longest)));
            history.back_at(replica).min(states - 1)
        }
        Staleness::Adversarial => random.usize(0..states),
        Staleness::Stalest => states - 1,
    }
}
