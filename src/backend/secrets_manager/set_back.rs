//! Old versions of a token that are in force again: believed after a while, and never over a later one unnoticed.

use crate::backend::secrets_manager::calls::{Asked, Found, Value, Which};
use crate::backend::secrets_manager::known::{SET_BACK, Seen, Suspicion};
use crate::backend::secrets_manager::tokens::{State, Tokens, parts, undecided};
use crate::backend::secrets_manager::value;
use crate::backend::secrets_manager::version::VersionId;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::RecordName;

/// How many branches of one version are looked for: so often it has been put back in force.
const MAX_BRANCHES: u32 = 64;

impl Tokens {
    /// Takes an old version for the one in force, once DescribeSecret has shown it twice, a minute apart; `None` where
    /// that shows another.
    ///
    /// # Errors
    /// `Unavailable` until then.
    pub(super) async fn believe(&self, asked: &Asked<'_>, name: RecordName, value: &Value) -> Result<Option<State>> {
        let labels = self.calls.labels(asked, &self.prefix.record(name)).await?;
        let Some(current) = labels.current.filter(|current| *current == value.id) else {
            self.known.clear_of(name, &VersionId::told(""));
            return Ok(None);
        };
        let now = self.calls.pace.now();
        let Some(suspicion) = self.known.suspicion(name, &current) else {
            let attempt = self.first_free(asked, name, &current).await?;
            self.known.suspect(name, Suspicion { id: current, since: self.calls.pace.now(), attempt });
            return Err(undecided());
        };
        if now.since(suspicion.since) < SET_BACK {
            return Err(undecided());
        }
        let (head, body) = value::decode_record(name, &value.bytes)?;
        let left = labels.previous.unwrap_or_else(|| current.next(0));
        tracing::warn!(
            record = %name, version = %current, overruled = %left,
            "an earlier version of this token was put back in force; what came after it counts no more"
        );
        let (live, state) = parts(body);
        let seen = Seen { sequence: head.sequence, id: current, writes: head.writes, live, by_hand: None, noted: now };
        self.known.note_set_back(name, seen, suspicion.attempt, self.before(asked, name).await?);
        Ok(Some(state))
    }

    /// The first attempt at replacing a version that nobody has made.
    async fn first_free(&self, asked: &Asked<'_>, name: RecordName, id: &VersionId) -> Result<u32> {
        let secret = self.prefix.record(name);
        for attempt in 0..MAX_BRANCHES {
            match self.calls.get(asked, &secret, Which::Exactly(&id.next(attempt))).await? {
                Found::Value(_) => {}
                Found::Absent | Found::Doomed => return Ok(attempt),
            }
        }
        Err(Error::new(ErrorKind::QuotaReached, "one version of a token has been put back in force again and again")
            .with_hint("put a later version in force; versions without a label go after a day"))
    }

    /// How far the secret had come by its previous version.
    pub(super) async fn before(&self, asked: &Asked<'_>, name: RecordName) -> Result<u64> {
        match self.calls.get(asked, &self.prefix.record(name), Which::Previous).await? {
            Found::Value(value) => {
                let decoded = value::decode_record(name, &value.bytes);
                Ok(decoded.map_or(0, |(head, _)| head.sequence))
            }
            Found::Absent | Found::Doomed => Ok(0),
        }
    }
}
