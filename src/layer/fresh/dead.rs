//! Grants that the provider takes no more, as far as this process knows.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::fields::Field;
use crate::identity::RecordName;
use crate::lookup::{LookupKey, LookupKind};
use crate::token::OAuthToken;

/// How long the provider's word is taken for it. Then it is asked again, as any other process may do before.
const REMEMBERED: Duration = Duration::from_mins(10);

/// From this many on, what is past is forgotten; and then what is told is not noted.
const MANY: usize = 1000;

/// Which refresh tokens those are, by their hash.
#[derive(Debug, Default)]
pub(super) struct DeadGrants(Mutex<HashMap<RecordName, (LookupKey, Timestamp)>>);

impl DeadGrants {
    /// The provider has refused the token's grant.
    pub(super) fn note(&self, token: &OAuthToken, now: Timestamp) {
        let Some((name, grant)) = grant_of(token) else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MANY {
            all.retain(|_, (_, until)| *until > now);
        }
        if all.len() < MANY {
            all.insert(name, (grant, now.after(REMEMBERED)));
        }
    }

    /// Whether there is any: else nobody needs to be asked which token it is.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether the token's grant is one of them. One that has another by now is forgotten: somebody has signed in.
    pub(super) fn holds(&self, token: &OAuthToken, now: Timestamp) -> bool {
        let Some((name, grant)) = grant_of(token) else { return false };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_dead = all.get(&name).is_some_and(|(dead, until)| *dead == grant && *until > now);
        if !is_dead {
            all.remove(&name);
        }
        is_dead
    }
}

fn grant_of(token: &OAuthToken) -> Option<(RecordName, LookupKey)> {
    let refresh = token.get(Field::RefreshToken)?;
    Some((token.base()?.record, LookupKey::new(LookupKind::RefreshToken, refresh.expose())))
}
