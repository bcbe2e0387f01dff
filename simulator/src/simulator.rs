//! The simulator itself: a request goes in, an answer comes out, or the connection breaks.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::clock::Clock;
use crate::counters::Counters;
use crate::error::ServiceError;
use crate::faults::Fault;
use crate::gate::{Call, Failure, Gate, Phase, Verdict};
use crate::iam::principal::Principals;
use crate::kms::Keys;
use crate::operation::Operation;
use crate::random;
use crate::rules;
use crate::settings::Settings;
use crate::switches::Switches;
use crate::trail::Record;
use crate::view::SecretView;
use crate::wire::{Request, Response};
use crate::world::World;

/// No answer came: the client cannot know whether the call had its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The connection broke.
    Connection,
    /// Nothing came for as long as the client waited.
    TimedOut,
}

impl fmt::Display for Lost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connection => "the connection broke before an answer came",
            Self::TimedOut => "no answer came in time",
        })
    }
}

impl std::error::Error for Lost {}

/// A simulated Secrets Manager. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    gate: Option<Arc<dyn Gate>>,
}

#[derive(Debug)]
struct Shared {
    seed: u64,
    clock: Clock,
    calls: AtomicU64,
    world: Mutex<World>,
    counters: Mutex<Counters>,
}

impl Simulator {
    /// An empty account.
    pub fn new(settings: Settings) -> Self {
        let shared = Shared {
            seed: settings.seed,
            clock: Clock::at(settings.start),
            calls: AtomicU64::new(0),
            world: Mutex::new(World::new(&settings)),
            counters: Mutex::new(Counters::default()),
        };
        Self { shared: Arc::new(shared), gate: settings.gate }
    }

    /// The same service through another gate: for one client among several.
    #[must_use]
    pub fn gated(&self, gate: Arc<dyn Gate>) -> Self {
        Self { gate: Some(gate), ..self.clone() }
    }

    /// A service of its own that goes on from the state of this one, at its time, with this gate: what many tests begin
    /// with is made once. Its clock stands.
    #[must_use]
    pub fn forked(&self, gate: Arc<dyn Gate>) -> Self {
        let shared = Shared {
            seed: self.shared.seed,
            clock: Clock::at(self.shared.clock.now()),
            calls: AtomicU64::new(self.shared.calls.load(Ordering::Acquire)),
            world: Mutex::new(self.world().clone()),
            counters: Mutex::new(self.counters()),
        };
        Self { shared: Arc::new(shared), gate: Some(gate) }
    }

    /// The same service without a gate, for calls of the test's own while clients are held.
    #[must_use]
    pub fn ungated(&self) -> Self {
        Self { gate: None, ..self.clone() }
    }

    /// The clock that all rules go by.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// How the switches are set.
    pub fn switches(&self) -> Switches {
        self.world().switches.clone()
    }

    /// Sets switches, from the next call on.
    pub fn set(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.world().switches);
    }

    /// The calls so far.
    pub fn counters(&self) -> Counters {
        locked(&self.shared.counters).clone()
    }

    /// The names of all secrets, those marked for deletion included.
    pub fn names(&self) -> Vec<String> {
        let world = self.settled();
        world.state.names().filter(|(_, history)| history.present().is_some()).map(|(name, _)| name.clone()).collect()
    }

    /// A secret as it is, by its name: no call, no gate, no lag.
    pub fn secret(&self, name: &str) -> Option<SecretView> {
        self.settled().state.present(name).map(|secret| SecretView::of(secret))
    }

    /// Plans a fault.
    pub fn inject(&self, fault: Fault) {
        self.world().faults.add(fault);
    }

    /// Drops all planned faults.
    pub fn clear_faults(&self) {
        self.world().faults.clear();
    }

    /// Changes the table of KMS keys.
    pub fn keys<T>(&self, change: impl FnOnce(&mut Keys) -> T) -> T {
        change(&mut self.world().keys)
    }

    /// Changes who stands behind which access key.
    pub fn principals<T>(&self, change: impl FnOnce(&mut Principals) -> T) -> T {
        change(&mut self.world().principals)
    }

    /// The events that CloudTrail shows by now, the oldest first: each a while after its call.
    pub fn trail(&self) -> Vec<Value> {
        let world = self.settled();
        let shown = self.shared.clock.now().before(world.switches.trail_delay);
        world.trail.until(shown).map(Record::event).collect()
    }

    /// Like [`Simulator::trail`], and forgets what it returns.
    pub fn take_trail(&self) -> Vec<Value> {
        let mut world = self.settled();
        let shown = self.shared.clock.now().before(world.switches.trail_delay);
        let events = world.trail.until(shown).map(Record::event).collect();
        world.trail.forget(shown);
        events
    }

    /// Answers a request on the caller's thread. A gate that holds the call holds the thread.
    ///
    /// # Errors
    ///
    /// The connection broke or nothing came, where a gate or an injected fault says so.
    pub fn handle(&self, request: &Request) -> Result<Response, Lost> {
        pollster::block_on(self.call(request))
    }

    /// Answers a request.
    ///
    /// # Errors
    ///
    /// The connection broke or nothing came, where a gate or an injected fault says so.
    pub async fn call(&self, request: &Request) -> Result<Response, Lost> {
        let (call, body) = match self.admitted(request) {
            Ok(admitted) => admitted,
            Err((request_id, error)) => return Ok(self.answered(&request_id, &Err(error))),
        };
        let lag = match self.passed(&call, Phase::Before).await {
            Verdict::Go => None,
            Verdict::Stale(back) => Some(back),
            Verdict::Fail(failure) => return self.failed(&call, failure),
        };
        let answer = match self.performed(&call, &body, lag) {
            Ok(answer) => answer,
            Err(failure) => return self.failed(&call, failure),
        };
        match self.passed(&call, Phase::After).await {
            Verdict::Go | Verdict::Stale(_) => Ok(self.answered(&call.request_id, &answer)),
            Verdict::Fail(failure) => self.failed(&call, failure),
        }
    }

    fn answered(&self, request_id: &str, answer: &Result<Value, ServiceError>) -> Response {
        if let Err(error) = answer {
            locked(&self.shared.counters).refuse(&error.code);
        }
        Response::of(request_id, self.clock().now(), answer)
    }

    fn failed(&self, call: &Call, failure: Failure) -> Result<Response, Lost> {
        let error = match failure {
            Failure::ConnectionLost => return Err(Lost::Connection),
            Failure::TimedOut => return Err(Lost::TimedOut),
            Failure::InternalServiceError => ServiceError::internal(),
            Failure::Throttled => ServiceError::throttled(),
            Failure::Refused(error) => error,
        };
        Ok(self.answered(&call.request_id, &Err(error)))
    }

    /// Gives the call its number; refuses what is no call of the service.
    fn admitted(&self, request: &Request) -> Result<(Call, Value), (String, ServiceError)> {
        let number = self.shared.calls.fetch_add(1, Ordering::AcqRel) + 1;
        let request_id = random::uuid(&mut random::of_call(self.shared.seed, number));
        let refused = |error| (request_id.clone(), error);
        let body = parsed(&request.body).map_err(refused)?;
        let name = request.operation().unwrap_or_default();
        let operation = Operation::named(name).ok_or_else(|| {
            refused(match Operation::is_left_out(name) {
                true => ServiceError::not_simulated(name),
                false => ServiceError::new("UnknownOperationException", "There is no such operation."),
            })
        })?;
        let access_key = request.access_key().ok_or_else(|| {
            refused(ServiceError::new("MissingAuthenticationTokenException", "Missing Authentication Token"))
        })?;
        let secret = rules::named_secret(&body);
        locked(&self.shared.counters).count(operation, secret.as_deref());
        Ok((Call { number, operation, secret, access_key: access_key.to_owned(), request_id }, body))
    }

    async fn passed(&self, call: &Call, phase: Phase) -> Verdict {
        match &self.gate {
            Some(gate) => gate.pass(call, phase).await,
            None => Verdict::Go,
        }
    }

    /// Does what the call says, unless a planned fault strikes.
    fn performed(&self, call: &Call, body: &Value, lag: Option<usize>) -> Result<Result<Value, ServiceError>, Failure> {
        let mut world = self.world();
        world.begin(self.shared.clock.now(), lag);
        world.strike(call, Phase::Before)?;
        let answer = rules::answer(&mut world, call, body);
        world.strike(call, Phase::After)?;
        Ok(answer)
    }

    /// The world after all that was due by now.
    fn settled(&self) -> MutexGuard<'_, World> {
        let mut world = self.world();
        world.settle(self.shared.clock.now());
        world
    }

    fn world(&self) -> MutexGuard<'_, World> {
        locked(&self.shared.world)
    }
}

fn parsed(body: &[u8]) -> Result<Value, ServiceError> {
    let body = if body.is_empty() { b"{}" } else { body };
    let refused = || ServiceError::new("SerializationException", "The body is not a JSON object.");
    serde_json::from_slice(body).ok().filter(Value::is_object).ok_or_else(refused)
}

/// A panic of another thread leaves nothing half done here: a rule checks before it changes.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
