//! How a find that is not answered from memory is answered.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::layer::cache::flight::Flight;
use crate::layer::cache::question::{Found, Key, Question};
use crate::layer::cache::shelf::Entry;
use crate::layer::cache::{Cache, State, from_memory};
use crate::operation::{Context, Source};
use crate::pause::within;
use crate::token::OAuthToken;

/// Somebody who waits for a read.
struct Seat<'c> {
    cache: &'c Cache,
    key: Key,
    flight: Arc<Flight>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.cache.state().flights.leave(&self.key, &self.flight);
    }
}

impl Cache {
    /// Answers from memory where that may be, else from the store.
    ///
    /// # Errors
    /// As the store has them, and `Busy` where the caller's deadline passes.
    pub(super) async fn read(&self, context: &Context, question: Question<'_>) -> Result<Found> {
        let Some(key) = question.key() else {
            self.counts.misses.fetch_add(1, Ordering::Relaxed);
            return question.ask(&*self.inner, context).await;
        };
        let seat = match self.board(context, key) {
            Ok(seat) => seat,
            Err(found) => return Ok(found),
        };
        let shared = seat.flight.answer.get_or_try_init(|| self.fly(context, &question, &seat));
        let shared = match context.deadline() {
            None => shared.await,
            Some(deadline) => {
                let left = deadline.since(self.options.clock.now());
                within(&*self.options.pause, left, shared).await.unwrap_or_else(|| Err(self.out_of_time()))
            }
        };
        let error = match shared {
            Ok(Ok(found)) => {
                self.counts.misses.fetch_add(1, Ordering::Relaxed);
                return Ok(found.clone());
            }
            Ok(Err(error)) => error.again(),
            Err(error) => error,
        };
        self.bridge(&seat.key, error)
    }

    /// A seat in a read, unless there is an answer without one.
    fn board(&self, context: &Context, key: Key) -> Result<Seat<'_>, Found> {
        let now = self.options.clock.now();
        let mut state = self.state();
        if context.is_past_memory() {
            state.epoch += 1;
        } else if let Some(found) = self.without_asking(&mut state, &key, now) {
            return Err(found);
        }
        let (epoch, began) = (state.epoch, state.began(now));
        let flight = state.flights.join(&key, epoch, began);
        Ok(Seat { cache: self, key, flight })
    }

    /// The answer within its time to live, or the one from before while the store is known to fail.
    fn without_asking(&self, state: &mut State, key: &Key, now: Timestamp) -> Option<Found> {
        if let Some(value) = state.shelf.fresh(key.bytes(), now) {
            self.counts.hits.fetch_add(1, Ordering::Relaxed);
            return Some(from_memory(value, Source::Cache));
        }
        let token = state.stale(key, now)?;
        if self.is_failing(state, key, now) {
            return Some(self.stale(token));
        }
        state.ask_again(key, now);
        None
    }

    /// Whether the store was out of reach a moment ago: for all, or for this.
    fn is_failing(&self, state: &State, key: &Key, now: Timestamp) -> bool {
        let failures = [state.failed_at, state.shelf.failed_at(key)];
        // One from the future is none: the clock was set back.
        failures.into_iter().flatten().any(|at| at <= now && now.since(at) < self.options.failure_memory)
    }

    /// Asks the store, for all who wait.
    ///
    /// # Errors
    /// What is nobody's but the caller's: the deadline is over. The next one asks again.
    async fn fly(&self, context: &Context, question: &Question<'_>, seat: &Seat<'_>) -> Result<Result<Found>> {
        let mut asked = pin!(question.ask(&*self.inner, context));
        let is_bridged = || self.state().stale(&seat.key, self.options.clock.now()).is_some();
        let early = if is_bridged() {
            let waited = self.options.clock.now().since(seat.flight.began.at);
            let left = self.options.first_wait.saturating_sub(waited);
            within(&*self.options.pause, left, asked.as_mut()).await
        } else {
            None
        };
        let outcome = match early {
            Some(outcome) => outcome,
            // A write may have taken the old token away meanwhile.
            None if !is_bridged() => asked.await,
            None => Err(self.no_answer()),
        };
        self.conclude(context, question, seat, outcome)
    }

    fn conclude(
        &self,
        context: &Context,
        question: &Question<'_>,
        seat: &Seat<'_>,
        outcome: Result<Found>,
    ) -> Result<Result<Found>> {
        let now = self.options.clock.now();
        let Seat { key, flight, .. } = seat;
        let mut state = self.state();
        match &outcome {
            Ok(found) => {
                state.failed_at = None;
                if state.epoch == flight.epoch {
                    match self.entry(question, found, flight) {
                        Some(entry) => state.shelf.put(key.clone(), entry, now, &self.options),
                        None => state.shelf.remove(key),
                    }
                }
            }
            Err(error) if error.retry() == Retry::Later => {
                if context.deadline().is_some_and(|deadline| now > deadline) {
                    return outcome.map(Ok);
                }
                state.failed_at = Some(now);
                state.shelf.note_failure(key, now);
            }
            Err(error) => {
                state.shelf.remove_record_of(key);
                state.note_refusal(error);
            }
        }
        state.flights.end(key, flight);
        Ok(outcome)
    }

    /// What is kept of an answer.
    fn entry(&self, question: &Question<'_>, found: &Found, flight: &Flight) -> Option<Entry> {
        let is_known = found.value.as_ref().is_none_or(|token| token.base().is_some());
        let is_kept = found.source == Source::Store && is_known && self.options.capacity > 0;
        is_kept.then(|| Entry::new(found.value.clone(), flight.began, question.leans_on(), &self.options)).flatten()
    }

    /// The old token, where the failure is one that passes and there is one; else the failure.
    fn bridge(&self, key: &Key, error: Error) -> Result<Found> {
        if error.retry() == Retry::Later
            && let Some(token) = self.state().stale(key, self.options.clock.now())
        {
            return Ok(self.stale(token));
        }
        self.counts.misses.fetch_add(1, Ordering::Relaxed);
        Err(error)
    }

    fn stale(&self, token: &Arc<OAuthToken>) -> Found {
        self.counts.stale_answers.fetch_add(1, Ordering::Relaxed);
        from_memory(Some(Arc::clone(token)), Source::StaleCache)
    }

    fn no_answer(&self) -> Error {
        Error::new(ErrorKind::Unavailable, "the store did not answer in time")
            .with_hint("try again later")
            .with_store(&self.inner)
    }

    fn out_of_time(&self) -> Error {
        Error::new(ErrorKind::Busy, "the store had not answered when the caller's time was over")
            .with_hint("try again, or allow more time")
            .with_store(&self.inner)
    }
}

impl State {
    /// A failure is not young any more: one asks whether it is over, and the others need not wait for that.
    fn ask_again(&mut self, key: &Key, now: Timestamp) {
        if let Some(at) = &mut self.failed_at {
            *at = now;
        }
        if self.shelf.failed_at(key).is_some() {
            self.shelf.note_failure(key, now);
        }
    }

    fn stale(&self, key: &Key, now: Timestamp) -> Option<&Arc<OAuthToken>> {
        self.shelf.stale(key, now, self.refusals)
    }
}
