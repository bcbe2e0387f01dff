//! A store that answers late, fails or loses its answers as it is told, over a vault in memory.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::operation::{Answer, Context, Operation, Source};
use tokenvault::pause::Pause;
use tokenvault::store::{Saved, TokenStore};
use tokenvault::token::OAuthToken;

use crate::hourglass::Hourglass;

/// What becomes of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Done and answered.
    Done,
    /// Done at once, and answered after this time.
    Late(Duration),
    /// Not even begun before this time.
    Waits(Duration),
    /// Not done.
    Fails(ErrorKind),
    /// Not done, which is told after this time.
    FailsLate(Duration, ErrorKind),
    /// Done, and answered with a failure: nobody knows.
    Lost(ErrorKind),
    /// Done, and answered from elsewhere.
    From(Source),
}

/// Longer than any test.
pub(crate) const NEVER: Duration = Duration::from_secs(1 << 40);

#[derive(Debug)]
pub(crate) struct Scripted {
    inner: Arc<dyn TokenStore>,
    time: Arc<Hourglass>,
    script: Mutex<VecDeque<Step>>,
    otherwise: Mutex<Step>,
    calls: Mutex<Vec<(Operation, Context)>>,
}

impl Scripted {
    pub(crate) fn new(inner: Arc<dyn TokenStore>, time: Arc<Hourglass>) -> Self {
        let (script, otherwise, calls) = (Mutex::default(), Mutex::new(Step::Done), Mutex::default());
        Self { inner, time, script, otherwise, calls }
    }

    /// What becomes of the next calls, one after the other.
    pub(crate) fn next(&self, steps: impl IntoIterator<Item = Step>) {
        self.script.lock().unwrap().extend(steps);
    }

    /// What becomes of every call that [`next`](Self::next) does not speak of.
    pub(crate) fn otherwise(&self, step: Step) {
        *self.otherwise.lock().unwrap() = step;
    }

    /// The calls since this was last asked for.
    pub(crate) fn calls(&self) -> Vec<(Operation, Context)> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// How many calls there were since this was last asked for.
    pub(crate) fn count(&self) -> usize {
        self.calls().len()
    }

    async fn play<T>(
        &self,
        operation: Operation,
        context: &Context,
        work: impl Future<Output = Result<Answer<T>>> + Send,
    ) -> Result<Answer<T>> {
        self.calls.lock().unwrap().push((operation, context.clone()));
        let step = self.script.lock().unwrap().pop_front();
        let step = step.unwrap_or(*self.otherwise.lock().unwrap());
        let failed = |kind| {
            let error = Error::new(kind, format!("as it was told: {kind:?}")).with_hint("tell it otherwise");
            error.with_source(std::io::Error::other("the cause")).with_operation(operation).with_store(self)
        };
        match step {
            Step::Waits(duration) | Step::FailsLate(duration, _) => self.time.pause(duration).await,
            _ => {}
        }
        if let Step::Fails(kind) | Step::FailsLate(_, kind) = step {
            return Err(failed(kind));
        }
        let mut answer = work.await?;
        answer.request_ids.push("request".to_owned());
        match step {
            Step::Late(duration) => self.time.pause(duration).await,
            Step::Lost(kind) => return Err(failed(kind)),
            Step::From(source) => answer.source = source,
            _ => {}
        }
        Ok(answer)
    }
}

impl fmt::Display for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scripted")
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TokenStore for Scripted {
    async fn find_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<bool>> {
        self.play(Operation::FindToken, context, self.inner.find_token(context, token)).await
    }

    async fn find_token_by_id(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        self.play(Operation::FindTokenById, context, self.inner.find_token_by_id(context, id)).await
    }

    async fn save_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<Saved>> {
        self.play(Operation::SaveToken, context, self.inner.save_token(context, token)).await
    }

    async fn delete_token(&self, context: &Context, id: &str) -> Result<Answer<bool>> {
        self.play(Operation::DeleteToken, context, self.inner.delete_token(context, id)).await
    }

    async fn get_tokens(&self, context: &Context) -> Result<Answer<Vec<Arc<OAuthToken>>>> {
        self.play(Operation::GetTokens, context, self.inner.get_tokens(context)).await
    }

    async fn delete_tokens(&self, context: &Context) -> Result<Answer<usize>> {
        self.play(Operation::DeleteTokens, context, self.inner.delete_tokens(context)).await
    }
}
