//! Faults by plan: calls that fail by count or by chance.

use crate::gate::{Failure, Phase};
use crate::operation::Operation;

/// Which calls fail, and how.
#[derive(Clone, Debug)]
pub struct Fault {
    failure: Failure,
    operation: Option<Operation>,
    writes_only: bool,
    secret: Option<String>,
    phase: Phase,
    skip: u64,
    times: u64,
    percent: u8,
}

impl Fault {
    /// Fails every call before it has an effect, until the other methods say otherwise.
    pub fn new(failure: Failure) -> Self {
        Self {
            failure,
            operation: None,
            writes_only: false,
            secret: None,
            phase: Phase::Before,
            skip: 0,
            times: u64::MAX,
            percent: 100,
        }
    }

    /// Only calls of this operation.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only calls that change something.
    #[must_use]
    pub fn on_writes(mut self) -> Self {
        self.writes_only = true;
        self
    }

    /// Only calls that name this secret, as the caller writes it.
    #[must_use]
    pub fn of_secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Only after the effect: the caller does not learn that the call succeeded.
    #[must_use]
    pub fn after_effect(mut self) -> Self {
        self.phase = Phase::After;
        self
    }

    /// Lets that many calls pass first.
    #[must_use]
    pub fn skip(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// Fails no more than that many calls.
    #[must_use]
    pub fn times(mut self, calls: u64) -> Self {
        self.times = calls;
        self
    }

    /// Fails that many calls in a hundred, drawn from the seed.
    #[must_use]
    pub fn percent(mut self, percent: u8) -> Self {
        self.percent = percent;
        self
    }

    fn concerns(&self, operation: Operation, secret: Option<&str>, phase: Phase) -> bool {
        self.phase == phase
            && self.times > 0
            && self.operation.is_none_or(|own| own == operation)
            && (operation.is_write() || !self.writes_only)
            && self.secret.as_deref().is_none_or(|own| Some(own) == secret)
    }

    /// Counts a call; whether it fails.
    fn strikes(&mut self, random: &mut fastrand::Rng) -> bool {
        if let Some(skip) = self.skip.checked_sub(1) {
            self.skip = skip;
            return false;
        }
        let strikes = self.percent >= 100 || random.u8(0..100) < self.percent;
        self.times -= u64::from(strikes);
        strikes
    }
}

/// The faults that wait for their calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The first fault that strikes this call.
    pub(crate) fn strike(
        &mut self,
        operation: Operation,
        secret: Option<&str>,
        phase: Phase,
        random: &mut fastrand::Rng,
    ) -> Option<Failure> {
        let mut concerned = self.0.iter_mut().filter(|fault| fault.concerns(operation, secret, phase));
        let failure = concerned.find_map(|fault| fault.strikes(random).then(|| fault.failure.clone()));
        self.0.retain(|fault| fault.times > 0);
        failure
    }
}
