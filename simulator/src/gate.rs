//! Gates: a test stops each call, before and after its effect, and says how it goes on.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::error::ServiceError;
use crate::operation::Operation;

/// Which call stands at the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Counts the calls, in the order of their arrival, from 1.
    pub number: u64,
    /// What is called.
    pub operation: Operation,
    /// The SecretId, or the Name of a new secret, as the caller wrote it.
    pub secret: Option<String>,
    /// Who called: what tells one client from another.
    pub access_key: String,
    /// The id in the reply and in the trail.
    pub request_id: String,
}

/// Where the call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// It has arrived; nothing has been done.
    Before,
    /// It has had its effect, if any; nothing has been answered.
    After,
}

/// How a call fails that the service did not refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection breaks: the client cannot know whether the call had its effect.
    ConnectionLost,
    /// No answer comes.
    TimedOut,
    /// `InternalServiceError`, HTTP 500.
    InternalServiceError,
    /// `ThrottlingException`, "Rate exceeded".
    Throttled,
    /// Any other refusal.
    Refused(ServiceError),
}

/// How the call goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// As it would.
    #[default]
    Go,
    /// It fails: with [`Phase::Before`] without an effect, with [`Phase::After`] although it had one.
    Fail(Failure),
    /// The call reads the state of that many changes ago, or the oldest that [`crate::switches::Switches`] allow. For
    /// [`Phase::Before`] of a read; else it means [`Verdict::Go`].
    Stale(usize),
}

/// What a gate answers with. A call is held for as long as this is not ready.
pub type Passage = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// Asked for each call, once in each phase. While a call is held, others pass: nothing is locked.
pub trait Gate: fmt::Debug + Send + Sync {
    /// Lets the call through, fails it, or holds it until the returned future is ready.
    fn pass(&self, call: &Call, phase: Phase) -> Passage;
}
