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

use crate::backend::leases::{Asked, Granter, Looked};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::Result;
use crate::fields::Field;
use crate::identity::RecordName;
use crate::layer::coordinate::due::{Due, Need};
use crate::layer::coordinate::held::{End, Held, Own, Times};
use crate::layer::coordinate::refusals::{kept_changing, nobody_does, not_yet, out_of_reach, untold};
use crate::lease::{HELD_FOR, LeaseId};
use crate::operation::{Answer, Context, Source};
use crate::pause::{Pause, SystemPause, within};
use crate::record::Record;
use crate::store::{Saved, TokenStore};
use crate::token::{OAuthToken, parse_expiry};
use crate::turns::Turns;

mod due;
mod held;
mod refusals;

/// How long an early attempt that failed is left alone, while the token still lives.
const LEFT_ALONE: Duration = Duration::from_secs(15);

/// How often a lease is asked for anew where others keep changing the record.
const MAX_ROUNDS: usize = 16;

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
///   then fails with `Unavailable`.
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

/// How a token was asked for.
#[derive(Clone, Copy)]
enum Asking<'a> {
    ById(&'a str),
    Matching(&'a OAuthToken),
}

/// What came of asking for a lease.
enum Taken {
    Granted(Arc<OAuthToken>),
    Held { ends_in: Duration, next_in: Duration },
    Overtaken,
    Lost,
}

type Found = Answer<Option<Arc<OAuthToken>>>;

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
            Need::Early if is_second_hand(&answer) => Ok(answer),
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
        match self.take(context, asking, (end, Need::Early), until).await {
            Ok(Taken::Granted(token)) => return Ok(answer.map(|_| Some(token))),
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
            if is_second_hand(&answer) {
                return Err(out_of_reach());
            }
            let end = end_of(found, token);
            changed = self.held.changed(end, self.clock.now());
            let until = if look == 0 { until.max(self.clock.now().after(LATER_LOOKS)) } else { until };
            match self.take(context, asking, (end, Need::Ended), until).await? {
                Taken::Granted(token) => return Ok(answer.map(|_| Some(token))),
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

    async fn take(
        &self,
        context: &Context,
        asking: Asking<'_>,
        (end, need): (End, Need),
        until: Timestamp,
    ) -> Result<Taken> {
        let now = self.clock.now();
        if let Some((ends_in, next_in)) = self.held.by_others(end, now) {
            return Ok(Taken::Held { ends_in, next_in });
        }
        match self.ask_for_lease(context, (end, need), until).await? {
            Asked::Granted(record, lease) => {
                let times = Times { now, ends_in: HELD_FOR, next_in: lease.distance() };
                // It may have been written since it was read.
                let end = End { at: record.fields.text(Field::ExpiresIn).and_then(parse_expiry), ..end };
                self.held.note(end, Some(Own::new(&lease, context.caller())), times);
                Ok(Taken::Granted(Arc::new(handed_out(&record, asking, lease.id, self.clock.now()))))
            }
            Asked::Held { ends_in, next_in } => {
                self.held.note(end, None, Times { now: self.clock.now(), ends_in, next_in });
                Ok(Taken::Held { ends_in, next_in })
            }
            Asked::Overtaken => Ok(Taken::Overtaken),
            Asked::Lost => Ok(Taken::Lost),
        }
    }

    /// Looks until `until` at the longest whether there is a lease, and takes it. That is awaited to its end: it may be there
    /// before the store's answer is.
    async fn ask_for_lease(&self, context: &Context, (end, need): (End, Need), until: Timestamp) -> Result<Asked> {
        let is_due = |record: &Record| self.due.need(end.name, &record.fields, self.clock.now()) >= need;
        let holder = match context.caller() {
            Some(caller) => Cow::Owned(format!("{}, {caller}", self.holder)),
            None => Cow::Borrowed(self.holder.as_str()),
        };
        for _ in 0..MAX_ROUNDS {
            let looking = self.granter.look(context, end.name, is_due);
            let looked = within(&*self.pause, until.since(self.clock.now()), looking).await;
            let asked = match looked.unwrap_or_else(|| Err(untold()))? {
                Looked::Free(free) => {
                    let free = free.after(self.held.attempts(end));
                    self.granter.grant(context, free, &holder).await?
                }
                Looked::Settled(asked) => asked,
            };
            // Who does not need it does not wait to see what another has written.
            if need != Need::Ended || !matches!(asked, Asked::Lost) {
                return Ok(asked);
            }
        }
        Err(kept_changing())
    }
}

/// The token of a record as it is handed out to whoever is to refresh it.
fn handed_out(record: &Record, asking: Asking<'_>, lease: LeaseId, ended: Timestamp) -> OAuthToken {
    let token = match asking {
        Asking::ById(id) => record.hand_out(Some(id)),
        Asking::Matching(given) => {
            let mut token = given.clone();
            token.fill_in_place(&record.id(), &record.fields, record.name, record.lineage, record.rotated_from());
            token
        }
    };
    token.to_refresh(lease, ended)
}

/// The token that was found, and its record.
fn of_record(answer: &Found) -> Option<(RecordName, &Arc<OAuthToken>)> {
    let token = answer.value.as_ref()?;
    Some((token.base()?.record, token))
}

/// Whether it is not the store that tells of the token: a lease is the store's, whose token may be older, and its refresh
/// token spent.
fn is_second_hand(answer: &Found) -> bool {
    matches!(answer.source, Source::Fallback | Source::Journal)
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
        let saved = self.inner.save_token(&context, token).await?;
        let need = |name| self.due.need(name, token.fields(), self.clock.now());
        if let Some(name) = token.base().map(|base| base.record).filter(|name| need(*name) == Need::None) {
            self.held.settle(name);
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
