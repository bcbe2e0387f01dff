//! Machines with a copy and a journal each, before one store: each is cut off by itself, and its processes are killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokenvault::backend::Backend;
use tokenvault::backend::fallback::FallbackBackend;
use tokenvault::backend::fallback::journal::Journal;
use tokenvault::backend::fallback::journal::lost::Lost;
use tokenvault::backend::fallback::journal::player::OneProcess;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::error::{Error, ErrorKind, Result};
use tokenvault::fields::Field;
use tokenvault::layer::journal::Journaled;
use tokenvault::operation::{Context, Source};
use tokenvault::store::{Saved, TokenStore};
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::going::now;
use crate::hourglass::Hourglass;
use crate::journal::graves::Graves;
use crate::process::{WHILE, access, alice};
use crate::scene::{AWAY, opened};
use crate::scripted::{Fate, Scripted};

/// A machine: what outlives its processes, and its way to the store.
pub(crate) struct Machine {
    pub(crate) time: Arc<Hourglass>,
    /// What all machines have in common.
    memory: Arc<dyn Backend>,
    /// This machine's way to it.
    pub(crate) store: Arc<Scripted>,
    pub(crate) copy: Arc<Scripted>,
    pub(crate) kept: Arc<Scripted>,
    pub(crate) place: OneProcess,
    /// Whether the disk has room beside the journal's file.
    pub(crate) has_room: Arc<AtomicBool>,
    /// The store itself.
    pub(crate) plain: Vault,
}

impl Machine {
    pub(crate) fn first() -> Self {
        Self::before(Arc::new(Graves::default()), Arc::new(Hourglass::new()))
    }

    /// Another one, before the same store.
    pub(crate) fn another(&self) -> Self {
        Self::before(Arc::clone(&self.memory), Arc::clone(&self.time))
    }

    fn before(memory: Arc<dyn Backend>, time: Arc<Hourglass>) -> Self {
        let scripted = |inner| Arc::new(Scripted::new(inner, Arc::clone(&time)));
        let own = || scripted(Arc::new(MemoryBackend::new()) as _);
        let plain = Vault::with_clock(Arc::clone(&memory), Arc::clone(&time) as _);
        let (store, copy, kept) = (scripted(Arc::clone(&memory)), own(), own());
        let has_room = Arc::new(AtomicBool::new(true));
        Self { time, memory, store, copy, kept, place: OneProcess::default(), has_room, plain }
    }

    /// A process of this machine.
    pub(crate) fn process(&self) -> Worker {
        self.process_over().1
    }

    /// The same, and what leases are granted on.
    pub(crate) fn process_over(&self) -> (Arc<FallbackBackend>, Worker) {
        let fallback = opened(&self.time, &self.store, &self.copy, "the store").unwrap();
        let journal = now(Journal::open(Arc::clone(&self.kept) as _, "the store")).unwrap();
        let has_room = Arc::clone(&self.has_room);
        let journal = Arc::new(journal.with_room(move |bytes| {
            let is_enough = bytes >= 16 * 1024 && has_room.load(Ordering::Relaxed);
            if is_enough { Ok(()) } else { Err(Error::new(ErrorKind::StorageFull, "the disk is full")) }
        }));
        let vault = Arc::new(Vault::with_clock(Arc::clone(&fallback) as _, Arc::clone(&self.time) as _));
        let layer = Journaled::new(vault, Arc::clone(&fallback), Arc::clone(&journal), self.place.clone());
        (fallback, Worker { layer, journal })
    }

    pub(crate) fn is_away(&self) {
        self.store.otherwise(AWAY);
    }

    /// The store is in reach, and that it was not is forgotten.
    pub(crate) fn is_back(&self) {
        self.store.next([]);
        self.store.otherwise(Fate::Done);
        self.time.advance(WHILE);
    }

    /// Users and access tokens in the store, sorted.
    pub(crate) fn stored(&self) -> Vec<(String, String)> {
        of(&now(self.plain.get_tokens(&Context::new())).unwrap().value)
    }

    pub(crate) fn saved_elsewhere(&self, token: &OAuthToken) -> OAuthToken {
        let mut token = token.clone();
        now(self.plain.save_token(&Context::new(), &mut token)).unwrap();
        token
    }

    pub(crate) fn deleted_elsewhere(&self, token: &OAuthToken) {
        assert!(now(self.plain.delete_token(&Context::new(), token.id().unwrap())).unwrap().value);
    }
}

/// What becomes of a token elsewhere, while this machine is away.
pub(crate) type There = fn(&Machine, &OAuthToken);

pub(crate) const NOTHING: There = |_, _| {};

/// A change of what is no part of its set of tokens.
pub(crate) const ANOTHER_TEXT: There =
    |machine, token| drop(machine.saved_elsewhere(&token.clone().with(Field::ApiDomain, "elsewhere")));

pub(crate) fn of(tokens: &[Arc<OAuthToken>]) -> Vec<(String, String)> {
    let user = |token: &OAuthToken| token.user_name().unwrap_or_default().to_owned();
    let mut all: Vec<_> = tokens.iter().map(|token| (user(token), access(token))).collect();
    all.sort();
    all
}

/// One pair as [`Machine::stored`] has it.
pub(crate) fn is(user: &str, access: &str) -> (String, String) {
    (user.to_owned(), access.to_owned())
}

pub(crate) struct Worker {
    pub(crate) layer: Journaled,
    pub(crate) journal: Arc<Journal>,
}

impl Worker {
    pub(crate) fn save(&self, token: &mut OAuthToken) -> Result<(Saved, Source)> {
        now(self.layer.save_token(&Context::new(), token)).map(|answer| (answer.value, answer.source))
    }

    /// A save that the journal must take.
    pub(crate) fn journaled(&self, token: &OAuthToken) -> OAuthToken {
        let mut token = token.clone();
        assert_eq!(self.save(&mut token).unwrap().1, Source::Journal);
        token
    }

    pub(crate) fn by_id(&self, id: &str) -> Result<(Option<OAuthToken>, Source)> {
        let answer = now(self.layer.find_token_by_id(&Context::new(), id))?;
        Ok((answer.value.map(|token| OAuthToken::clone(&token)), answer.source))
    }

    pub(crate) fn find(&self, user: &str) -> Result<(Option<OAuthToken>, Source)> {
        let mut given = OAuthToken::new().with(Field::UserName, user);
        let answer = now(self.layer.find_token(&Context::new(), &mut given))?;
        Ok((answer.value.then_some(given), answer.source))
    }

    pub(crate) fn list(&self) -> Result<(Vec<(String, String)>, Source)> {
        let answer = now(self.layer.get_tokens(&Context::new()))?;
        Ok((of(&answer.value), answer.source))
    }

    pub(crate) fn delete(&self, id: &str) -> Result<(bool, Source)> {
        now(self.layer.delete_token(&Context::new(), id)).map(|answer| (answer.value, answer.source))
    }

    pub(crate) fn clear(&self) -> Result<(usize, Source)> {
        now(self.layer.delete_tokens(&Context::new())).map(|answer| (answer.value, answer.source))
    }

    /// How many writes the store does not have yet.
    pub(crate) fn entries(&self) -> u64 {
        now(self.journal.status()).unwrap().entries
    }

    /// What did not stand: why, and the access token.
    pub(crate) fn lost(&self) -> Vec<(&'static str, String)> {
        let access = |lost: &Lost| lost.fields.text(Field::AccessToken).unwrap_or_default().to_owned();
        now(self.journal.lost()).unwrap().iter().map(|lost| (lost.why.name(), access(lost))).collect()
    }
}

/// A machine and a process of it, with a token of Alice's in the store and the copy.
pub(crate) fn with_alice() -> (Machine, Worker, OAuthToken) {
    let machine = Machine::first();
    let worker = machine.process();
    let mut alice = alice("first", 60);
    assert_eq!(worker.save(&mut alice).unwrap().1, Source::Store);
    worker.list().unwrap();
    (machine, worker, alice)
}
