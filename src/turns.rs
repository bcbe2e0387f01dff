//! Whose turn it is among those that get in each other's way.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::fields::Field;
use crate::lookup::{LookupKey, LookupKind};
use crate::record::Record;

/// Lets those through one by one who met on the same token. Without it, each of so many would read and write anew as often
/// as another one succeeds: 32 sign-ins of one user cost thousands of calls to AWS, and the versions of a day.
#[derive(Debug)]
pub(crate) struct Turns<K>(Mutex<HashMap<K, Weak<Turn<()>>>>);

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Turns<K> {
    /// Waits until nobody else has this turn. It ends when the answer is dropped.
    pub(crate) async fn take(&self, key: K) -> OwnedMutexGuard<()> {
        self.of(key).lock_owned().await
    }

    /// This turn, if nobody else has it.
    pub(crate) fn try_take(&self, key: K) -> Option<OwnedMutexGuard<()>> {
        self.of(key).try_lock_owned().ok()
    }

    fn of(&self, key: K) -> Arc<Turn<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = all.get(&key).and_then(Weak::upgrade) {
            return turn;
        }
        all.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        all.insert(key, Arc::downgrade(&turn));
        turn
    }
}

/// What saves that mean the same token have in common, also before one of them has made it.
pub(crate) fn turn_of(record: &Record) -> LookupKey {
    match (record.fields.text(Field::UserName), record.lookup_refresh()) {
        (Some(user), _) => LookupKey::new(LookupKind::User, user),
        (None, Some(refresh)) => LookupKey::new(LookupKind::RefreshToken, refresh.expose()),
        (None, None) => LookupKey::new(LookupKind::Id, &record.name.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<T>(future: impl Future<Output = T>) -> Poll<T> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_turn_is_had_by_one_and_kept_in_mind_for_no_longer() {
        let (turns, [one, other]) = (Turns::default(), [1, 2].map(|byte| LookupKey::from_bytes([byte; 16])));
        let Poll::Ready(first) = poll(turns.take(one)) else { panic!("nobody has it") };
        assert!(poll(turns.take(one)).is_pending() && turns.try_take(one).is_none());
        assert!(poll(turns.take(other)).is_ready(), "another's");
        drop(first);
        assert!(poll(turns.take(one)).is_ready());
        let _last = poll(turns.take(other));
        assert_eq!(turns.0.lock().unwrap().len(), 1, "those that ended are forgotten");
    }
}
