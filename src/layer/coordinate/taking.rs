//! Taking a lease: of the store, or where that is out of reach and nobody else uses it, of this process alone.

use std::borrow::Cow;
use std::sync::Arc;

use crate::backend::leases::{Asked, Looked};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, Result};
use crate::fields::Field;
use crate::layer::coordinate::Coordinated;
use crate::layer::coordinate::asking::{Asking, Taken, Wanted, is_second_hand, of_record};
use crate::layer::coordinate::due::Need;
use crate::layer::coordinate::held::{End, Grant, Own, Times};
use crate::layer::coordinate::refusals::{kept_changing, out_of_reach, untold};
use crate::lease::{HELD_FOR, LeaseId};
use crate::operation::{Answer, Context};
use crate::pause::within;
use crate::record::Record;
use crate::token::{OAuthToken, parse_expiry};

/// How often a lease is asked for anew where others keep changing the record.
const MAX_ROUNDS: usize = 16;

impl Coordinated {
    /// To be called by one at a time for each record.
    pub(super) async fn take(
        &self,
        context: &Context,
        asking: Asking<'_>,
        wanted: &Wanted<'_>,
        until: Timestamp,
    ) -> Result<Taken> {
        let (mut now, &Wanted { end, answer, .. }) = (self.clock.now(), wanted);
        let grant = of_record(answer).filter(|_| self.granter.has_stand_in()).and_then(|(_, token)| grant_of(token));
        if let Some((ends_in, next_in)) = self.held.by_others(end, grant.as_ref(), now) {
            return Ok(Taken::Held { ends_in, next_in });
        }
        let (asked, source) = match self.ask_for_lease(context, wanted, until).await {
            Err(error) if error.kind() == ErrorKind::Unavailable && self.granter.has_stand_in() => {
                now = self.clock.now();
                let Answer { value, source, .. } = self.ask_alone(context, wanted, until).await?;
                (value, Some(source))
            }
            asked => (asked?, None),
        };
        match asked {
            Asked::Granted(record, lease) => {
                let times = Times { now, ends_in: HELD_FOR, next_in: lease.distance() };
                // It may have been written since it was read.
                let end = End { at: end_of(&record), ..end };
                let (own, grant) = (Own::new(&lease, context.caller()), Grant::new(record.lineage, &record.fields));
                let own = if source.is_some() { own.alone(grant) } else { own };
                if let Some((ends_in, next_in)) = self.held.note_own(end, own, &grant, times) {
                    return Ok(Taken::Held { ends_in, next_in });
                }
                let token = Arc::new(handed_out(&record, asking, lease.id, self.clock.now()));
                let (source, request_ids) = (source.unwrap_or(answer.source), answer.request_ids.clone());
                Ok(Taken::Granted(Answer { value: Some(token), source, request_ids }))
            }
            Asked::Held { ends_in, next_in } => {
                self.held.note(end, Times { now: self.clock.now(), ends_in, next_in });
                Ok(Taken::Held { ends_in, next_in })
            }
            Asked::Overtaken => Ok(Taken::Overtaken),
            Asked::Lost => Ok(Taken::Lost),
        }
    }

    /// Looks until `until` at the longest whether there is a lease, and takes it. That is awaited to its end: it may be there
    /// before the store's answer is.
    async fn ask_for_lease(&self, context: &Context, wanted: &Wanted<'_>, until: Timestamp) -> Result<Asked> {
        let &Wanted { end, need, answer } = wanted;
        if is_second_hand(answer) {
            return Err(out_of_reach());
        }
        // Before the store is asked: what is played back meanwhile, it has by then.
        if let Some((_, token)) = of_record(answer)
            && !self.granter.is_settled(token).await?
        {
            return Ok(Asked::Lost);
        }
        let is_due = |record: &Record| self.due.need(end.name, &record.fields, self.clock.now()) >= need;
        let holder = self.holder_of(context);
        for _ in 0..MAX_ROUNDS {
            let looking = self.granter.look(context, end.name, is_due);
            let looked = within(&*self.pause, until.since(self.clock.now()), looking).await;
            let asked = match looked.unwrap_or_else(|| Err(untold()))? {
                Looked::Free(free) => {
                    if self.granter.has_stand_in() {
                        self.held.seek(End { at: end_of(free.record()), ..end }, self.clock.now());
                    }
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

    /// Nothing is there before the answer is: whoever has no more time lets go of it.
    async fn ask_alone(&self, context: &Context, wanted: &Wanted<'_>, until: Timestamp) -> Result<Answer<Asked>> {
        let &Wanted { end, need, .. } = wanted;
        // Of another end it is not known here who refreshes it.
        let is_due = |record: &Record| {
            self.due.need(end.name, &record.fields, self.clock.now()) >= need && end_of(record) == end.at
        };
        let (holder, attempts) = (self.holder_of(context), self.held.attempts(end));
        let before = self.held.has_sought(end).then_some(attempts);
        let asked = self.granter.grant_alone(context, end.name, (&holder, before), is_due);
        let in_time = within(&*self.pause, until.since(self.clock.now()), asked).await;
        in_time.unwrap_or_else(|| Err(untold()))
    }

    fn holder_of(&self, context: &Context) -> Cow<'_, str> {
        match context.caller() {
            Some(caller) => Cow::Owned(format!("{}, {caller}", self.holder)),
            None => Cow::Borrowed(self.holder.as_str()),
        }
    }
}

fn end_of(record: &Record) -> Option<Timestamp> {
    record.fields.text(Field::ExpiresIn).and_then(parse_expiry)
}

fn grant_of(token: &OAuthToken) -> Option<Grant> {
    token.base().map(|base| Grant::new(base.lineage, token.fields()))
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
