//! One refresh per expiry: of all who read a token that has ended, one refreshes it, and the others get what it saves.
//!
//! The SDKs read a token before each call and refresh it themselves where less than five seconds are left. A store sees
//! every read, so it can see to it that one of them does: the first gets the token with a lease, as if it had ended; the
//! others wait for the one that is saved then. So that hardly anybody waits, the lease is given from a minute or two before
//! the end on, while all others go on with the token that still lives.

use std::borrow::Cow;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::backend::leases::Granter;
use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::identity::RecordName;
use crate::layer::coordinate::asking::{Asking, Found, Taken, Wanted, is_second_hand, of_record};
use crate::layer::coordinate::due::{Due, Need};
use crate::layer::coordinate::held::{End, Held};
use crate::layer::coordinate::refusals::{nobody_does, not_yet, out_of_reach, untold};
#[cfg(doc)]
use crate::lease::HELD_FOR;
use crate::operation::{Answer, Context};
use crate::pause::{Pause, SystemPause, within};
use crate::store::{Saved, TokenStore};
use crate::token::OAuthToken;
use crate::turns::Turns;

mod asking;
mod due;
mod held;
mod refusals;
mod taking;

/// How long an early attempt that failed is left alone, while the token still lives.
const LEFT_ALONE: Duration = Duration::from_secs(15);

/// How often a waiter looks, to begin with and at the most.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LATER_LOOKS: Duration = Duration::from_secs(1);

/// How to coordinate.
#[derive(Clone, Debug)]
pub struct CoordinateOptions {
    /// How long a reader waits for somebody else's refresh.
    pub wait: Duration,
    /// Whether a lease is given before the token has ended. With the provider down, the one call that gets it fails although
    /// the old token still lived; without it, everybody waits at every expiry.
    pub is_early: bool,
    /// Whether it is coordinated as well who fetches the first access token of a refresh token that was brought without one.
    /// Where not, all readers are handed it as it is.
    pub covers_first: bool,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Waits.
    pub pause: Arc<dyn Pause>,
}

impl Default for CoordinateOptions {
    fn default() -> Self {
        let (clock, pause) = (Arc::new(SystemClock), Arc::new(SystemPause));
        Self { wait: Duration::from_secs(10), is_early: true, covers_first: true, clock, pause }
    }
}

/// A store whose readers refresh one at a time.
///
/// # Contract
/// - A token that has ended is handed out to nobody but the one caller that is to refresh it; the others wait for the new
///   one, and fail with `Busy` where it does not come in time.
/// - Callers are told apart by [`Context::with_caller`]. The holder never waits for itself: it is handed the token twice
///   more under the same lease. Who has no name is another caller each time.
/// - Who does not save a new token within [`HELD_FOR`] loses the lease to the next; what it saves later is merged as any
///   save is.
/// - While the store is out of reach nobody is sent: a token of a copy or a journal is handed out for as long as it lives, and
///   then fails with `Unavailable`. Only where this process is said to use the store alone ([`Granter::with_stand_in`]) one
///   caller of it is sent, if what it brings would be kept.
/// - A token without a refresh token, or whose end is not known, is handed out as it is; so is one that `find_token` is
///   asked for with an id, which is how the SDKs revoke. So the first exchange of a grant is not coordinated: of several that make
///   it at once the provider takes one.
/// - Where several machines share the store and access tokens live for less than 40 minutes, which is known after the first
///   refresh, all of this is so within each process only: [`Granter::ask`] has why.
/// - Every process of a fleet has to do it: one that reads past this layer refreshes as it likes.
pub struct Coordinated {
    inner: Arc<dyn TokenStore>,
    granter: Granter,
    holder: String,
    wait: Duration,
    clock: Arc<dyn Clock>,
    pause: Arc<dyn Pause>,
    due: Due,
    turns: Turns<RecordName>,
    held: Held,
}

impl Coordinated {
    /// Over `inner`, with leases from `granter`, which is over the same records. `holder` names this process to people who
    /// look for who holds a lease.
    pub fn new(inner: Arc<dyn TokenStore>, granter: Granter, holder: &str, options: CoordinateOptions) -> Self {
        let CoordinateOptions { wait, is_early, covers_first, clock, pause } = options;
        let (turns, held, due) = (Turns::default(), Held::default(), Due::new(is_early, covers_first));
        Self { inner, granter, holder: holder.to_owned(), wait, clock, pause, due, turns, held }
    }

    async fn ask(&self, context: &Context, asking: Asking<'_>) -> Result<Found> {
        match asking {
            Asking::ById(id) => self.inner.find_token_by_id(context, id).await,
            Asking::Matching(given) => {
                let mut token = given.clone();
                let answer = self.inner.find_token(context, &mut token).await?;
                Ok(answer.map(|is_there| is_there.then(|| Arc::new(token))))
            }
        }
    }

    async fn find(&self, context: &Context, asking: Asking<'_>) -> Result<Found> {
        let answer = self.ask(context, asking).await?;
        let Some((name, token)) = of_record(&answer) else { return Ok(answer) };
        let now = self.clock.now();
        let need = self.due.need(name, token.fields(), now);
        if need == Need::None {
            return Ok(answer);
        }
        if let Some(lease) = self.held.again(end_of(name, token), context.caller(), now)? {
            let token = Arc::new(token.to_refresh(lease, now));
            return Ok(answer.map(|_| Some(token)));
        }
        match need {
            Need::Early if self.is_of_nobody(&answer) => Ok(answer),
            // In boxes: their room would be in the future of every read.
            Need::Early => {
                let end = end_of(name, token);
                Box::pin(self.early(context, asking, end, answer)).await
            }
            _ => Box::pin(self.lease_or_wait(context, asking, end_of(name, token))).await,
        }
    }

    /// Of a token that lives: nobody waits for another, and nothing fails, unless it has ended by the time that the store has
    /// answered.
    async fn early(&self, context: &Context, asking: Asking<'_>, end: End, answer: Found) -> Result<Found> {
        if self.held.is_quiet(end, self.clock.now()) {
            return Ok(answer);
        }
        let Some(turn) = self.turns.try_take(end.name) else { return Ok(answer) };
        let until = self.clock.now().after(self.wait);
        match self.take(context, asking, &Wanted { end, need: Need::Early, answer: &answer }, until).await {
            Ok(Taken::Granted(found)) => return Ok(found),
            Ok(Taken::Overtaken) => return self.ask(&context.clone().past_memory(), asking).await,
            Ok(Taken::Held { .. }) => {}
            Ok(Taken::Lost) => self.leave_alone(end),
            Err(error) => {
                tracing::warn!(record = %end.name, %error, "no lease to refresh a token early");
                self.leave_alone(end);
            }
        }
        drop(turn);
        let has_ended = of_record(&answer)
            .is_some_and(|(name, token)| self.due.need(name, token.fields(), self.clock.now()) == Need::Ended);
        if has_ended { self.lease_or_wait(context, asking, end).await } else { Ok(answer) }
    }

    /// Whether nobody is sent who gets this answer.
    fn is_of_nobody(&self, answer: &Found) -> bool {
        is_second_hand(answer) && !self.granter.has_stand_in()
    }

    fn leave_alone(&self, end: End) {
        let now = self.clock.now();
        self.held.be_quiet(end, now, now.after(LEFT_ALONE));
    }

    /// Of a token that has ended: the lease, or the token that its holder saves.
    async fn lease_or_wait(&self, context: &Context, asking: Asking<'_>, end: End) -> Result<Found> {
        // Somebody else's save shows in the store first.
        let context = &context.clone().past_memory();
        let until = self.clock.now().after(self.wait);
        let until = context.deadline().map_or(until, |deadline| until.min(deadline));
        let left = || until.since(self.clock.now());
        let Some(_turn) = within(&*self.pause, left(), self.turns.take(end.name)).await else { return Err(not_yet()) };
        let mut changed = self.held.changed(end, self.clock.now());
        for look in 0_u32.. {
            let waiting = Arc::clone(&changed);
            let mut told = pin!(waiting.notified());
            told.as_mut().enable();
            // One look is taken, however little time there is.
            let patience = if look == 0 { left().max(LATER_LOOKS) } else { left() };
            let asked = within(&*self.pause, patience, self.ask(context, asking)).await;
            let answer = asked.unwrap_or_else(|| Err(untold()))?;
            let Some((found, token)) = of_record(&answer) else { return Ok(answer) };
            if self.due.need(found, token.fields(), self.clock.now()) != Need::Ended {
                return Ok(answer);
            }
            if self.is_of_nobody(&answer) {
                return Err(out_of_reach());
            }
            let end = end_of(found, token);
            changed = self.held.changed(end, self.clock.now());
            let until = if look == 0 { until.max(self.clock.now().after(LATER_LOOKS)) } else { until };
            match self.take(context, asking, &Wanted { end, need: Need::Ended, answer: &answer }, until).await? {
                Taken::Granted(found) => return Ok(found),
                Taken::Held { ends_in, next_in } if ends_in.is_zero() => return Err(nobody_does(next_in)),
                Taken::Held { .. } | Taken::Overtaken | Taken::Lost => {}
            }
            let pause = FIRST_LOOK.saturating_mul(1 << look.min(8)).min(LATER_LOOKS).min(left());
            if pause.is_zero() {
                break;
            }
            within(&*self.pause, pause, told).await;
        }
        Err(not_yet())
    }
}

fn end_of(name: RecordName, token: &OAuthToken) -> End {
    End { name, at: token.expires_at() }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl TokenStore for Coordinated {
    async fn find_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<bool>> {
        if token.id().is_some() {
            return self.inner.find_token(context, token).await;
        }
        let mut answer = self.find(context, Asking::Matching(token)).await?;
        if let Some(found) = answer.value.take() {
            *token = Arc::unwrap_or_clone(found);
            return Ok(answer.map(|_| true));
        }
        Ok(answer.map(|_| false))
    }

    async fn find_token_by_id(&self, context: &Context, id: &str) -> Result<Answer<Option<Arc<OAuthToken>>>> {
        self.find(context, Asking::ById(id)).await
    }

    async fn save_token(&self, context: &Context, token: &mut OAuthToken) -> Result<Answer<Saved>> {
        let context = match token.lease() {
            Some(_) => Cow::Owned(context.clone().under_lease()),
            None => Cow::Borrowed(context),
        };
        let lease = token.lease();
        let saved = self.inner.save_token(&context, token).await?;
        let need = |name| self.due.need(name, token.fields(), self.clock.now());
        if let Some(name) = token.base().map(|base| base.record).filter(|name| need(*name) == Need::None) {
            self.held.settle(name, lease);
        }
        Ok(saved)
    }

    async fn delete_token(&self, context: &Context, id: &str) -> Result<Answer<bool>> {
        let answer = self.inner.delete_token(context, id).await?;
        self.held.wake_all();
        Ok(answer)
    }

    async fn get_tokens(&self, context: &Context) -> Result<Answer<Vec<Arc<OAuthToken>>>> {
        self.inner.get_tokens(context).await
    }

    async fn delete_tokens(&self, context: &Context) -> Result<Answer<usize>> {
        let answer = self.inner.delete_tokens(context).await?;
        self.held.wake_all();
        Ok(answer)
    }
}

impl fmt::Debug for Coordinated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinated").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl fmt::Display for Coordinated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}
