//! The store is cut off at each call of each operation, before or after its effect, and comes back: through a vault, as
//! tokens are saved and found.

use std::sync::Arc;

use tokenvault::backend::Backend;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::error::{ErrorKind, Result, Retry};
use tokenvault::fields::Field;
use tokenvault::operation::{Context, Source};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::going::now;
use crate::hourglass::Hourglass;
use crate::scene::{AWAY, LONGEST, Scene, opened, reader};
use crate::scripted::{Fate, Scripted};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Insert,
    Update,
    Delete,
    DeleteAll,
    Find,
    FindById,
    List,
}

const CALLS: [Call; 7] =
    [Call::Insert, Call::Update, Call::Delete, Call::DeleteAll, Call::Find, Call::FindById, Call::List];

fn token(user: &str, access: &str) -> OAuthToken {
    let token = OAuthToken::new().with(Field::UserName, user).with(Field::ClientId, "app");
    token.with(Field::RefreshToken, &format!("refresh of {user}")).with(Field::AccessToken, access)
}

/// Users and access tokens, sorted.
fn contents(store: &dyn TokenStore, context: &Context) -> Result<(Vec<(String, String)>, Source)> {
    let answer = now(store.get_tokens(context))?;
    let text = |token: &OAuthToken, field| token.fields().text(field).unwrap().to_owned();
    let mut all: Vec<_> =
        answer.value.iter().map(|one| (text(one, Field::UserName), text(one, Field::AccessToken))).collect();
    all.sort();
    Ok((all, answer.source))
}

fn make(store: &dyn TokenStore, call: Call, alice: &OAuthToken) -> Result<()> {
    let (reading, context) = (reader(), Context::new());
    let mut refreshed = alice.clone().with(Field::AccessToken, "new").with(Field::ExpiresIn, "1900000000000");
    match call {
        Call::Insert => now(store.save_token(&context, &mut token("bob", "new"))).map(drop),
        Call::Update => now(store.save_token(&context, &mut refreshed)).map(drop),
        Call::Delete => now(store.delete_token(&context, alice.id().unwrap())).map(drop),
        Call::DeleteAll => now(store.delete_tokens(&context)).map(drop),
        Call::Find => now(store.find_token(&reading, &mut token("alice", "old"))).map(drop),
        Call::FindById => now(store.find_token_by_id(&reading, alice.id().unwrap())).map(drop),
        Call::List => now(store.get_tokens(&reading)).map(drop),
    }
}

/// One call, and where the store was cut off in it.
struct Cut {
    scene: Scene,
    vault: Vault,
    /// The store itself.
    plain: Vault,
    alice: OAuthToken,
    call: Call,
    /// What was stored before the call, and after it.
    before: Vec<(String, String)>,
    after: Vec<(String, String)>,
    is_acknowledged: bool,
    said: String,
}

/// The store is cut off from its call `at` on. `None` where there was no such call.
fn cut(call: Call, at: usize, fate: Fate) -> Option<Cut> {
    let scene = Scene::new();
    let vault = Vault::with_clock(Arc::clone(&scene.fallback) as _, Arc::clone(&scene.time) as _);
    let plain = Vault::with_clock(Arc::clone(&scene.store.inner), Arc::clone(&scene.time) as _);
    let mut alice = token("alice", "old");
    now(vault.save_token(&Context::new(), &mut alice)).unwrap();
    contents(&vault, &Context::new()).unwrap();
    let before = contents(&plain, &Context::new()).unwrap().0;
    scene.store.calls();
    scene.store.next(std::iter::repeat_n(Fate::Done, at).chain([fate]));
    scene.is_away();
    let outcome = make(&vault, call, &alice);
    let was_cut = scene.store.calls().len() > at;
    let after = contents(&plain, &Context::new()).unwrap().0;
    let said = format!("{call:?} cut at {at}, {fate:?}: {outcome:?}");
    let is_acknowledged = outcome.is_ok();
    if let Err(error) = outcome {
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later), "{said}");
    }
    let cut = Cut { scene, vault, plain, alice, call, before, after, is_acknowledged, said };
    was_cut.then_some(cut)
}

impl Cut {
    fn is_read(&self) -> bool {
        matches!(self.call, Call::Find | Call::FindById | Call::List)
    }

    fn check_outcome(&self) {
        let Self { said, .. } = self;
        assert!(!self.is_read() || self.is_acknowledged, "{said}: the copy has it");
        if self.is_acknowledged && !self.is_read() {
            assert_ne!(self.after, self.before, "{said}");
        }
    }

    /// While the store is away: what was acknowledged; without that, what was before or what is there.
    fn check_meanwhile(&self) {
        let Self { scene, said, .. } = self;
        scene.store.next([]);
        for store in [scene, &scene.another()] {
            let vault = Vault::with_clock(Arc::clone(&store.fallback) as _, Arc::clone(&scene.time) as _);
            match contents(&vault, &reader()) {
                Ok((served, source)) => {
                    assert_eq!(source, Source::Fallback, "{said}");
                    let may_be_old = !self.is_acknowledged || self.is_read();
                    assert!(served == self.after || (may_be_old && served == self.before), "{said}: {served:?}");
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{said}");
                    assert!(self.after.is_empty(), "{said}: the copy says no more than that there is none");
                }
            }
        }
    }

    fn check_after(&self) {
        let Self { scene, vault, said, .. } = self;
        scene.is_back();
        scene.time.advance(LONGEST / 2);
        assert_eq!(contents(vault, &reader()).unwrap(), (self.after.clone(), Source::Store), "{said}");
        if let Err(error) = make(vault, self.call, &self.alice) {
            // It was done before.
            assert!(error.kind() == ErrorKind::Gone && !self.is_acknowledged, "{said}: {error:?}");
        }
        let done = contents(&self.plain, &Context::new()).unwrap().0;
        scene.is_away();
        match contents(vault, &reader()) {
            Ok(served) => assert_eq!(served, (done, Source::Fallback), "{said}"),
            Err(_) => assert!(done.is_empty(), "{said}"),
        }
    }
}

#[test]
fn whatever_is_cut_off_nothing_acknowledged_is_lost_and_nothing_stale_is_served() {
    for call in CALLS {
        for fate in [AWAY, Fate::Lost(ErrorKind::Unavailable)] {
            let mut at = 0;
            while let Some(cut) = cut(call, at, fate) {
                cut.check_outcome();
                cut.check_meanwhile();
                cut.check_after();
                at += 1;
            }
            assert!(at > 0, "{call:?} asks the store");
        }
    }
}

/// Each has a copy of its own; one is cut off. What the other saves is not overwritten by what the cut one knew.
#[test]
fn two_workers_on_different_sides_of_a_cut() {
    let time = Arc::new(Hourglass::new());
    let memory: Arc<dyn Backend> = Arc::new(MemoryBackend::new());
    let workers = [(); 2].map(|()| {
        let store = Arc::new(Scripted::new(Arc::clone(&memory), Arc::clone(&time)));
        let copy = Arc::new(Scripted::new(Arc::new(MemoryBackend::new()), Arc::clone(&time)));
        let fallback = opened(&time, &store, &copy, "the store").unwrap();
        (store, Vault::with_clock(fallback, Arc::clone(&time) as _))
    });
    let [(cut_off, left), (_, right)] = &workers;
    let mut alice = token("alice", "first").with(Field::ExpiresIn, "1800000100000");
    now(left.save_token(&Context::new(), &mut alice)).unwrap();
    contents(left, &Context::new()).unwrap();
    cut_off.otherwise(AWAY);
    let served = now(left.find_token_by_id(&reader(), alice.id().unwrap())).unwrap();
    assert_eq!(served.source, Source::Fallback);
    let handed_out = OAuthToken::clone(&served.value.unwrap());
    // The right one goes on meanwhile.
    let mut newer = now(right.find_token_by_id(&Context::new(), alice.id().unwrap())).unwrap().value.unwrap();
    let newer = Arc::make_mut(&mut newer);
    newer.set(Field::AccessToken, Some(tokenvault::secret::SecretText::new("by the right")));
    newer.set(Field::ExpiresIn, Some(tokenvault::secret::SecretText::new("1800009900000")));
    now(right.save_token(&Context::new(), newer)).unwrap();
    // The left one refreshed what the copy gave it, to an earlier end: it is not acknowledged, and superseded later.
    let mut own = handed_out.with(Field::AccessToken, "by the left").with(Field::ExpiresIn, "1800000200000");
    let refused = now(left.save_token(&Context::new(), &mut own)).unwrap_err();
    assert_eq!((refused.kind(), refused.retry()), (ErrorKind::Unavailable, Retry::Later));
    cut_off.otherwise(Fate::Done);
    let saved = now(left.save_token(&Context::new(), &mut own)).unwrap().value;
    assert_eq!(saved.outcome, tokenvault::store::Outcome::Superseded);
    let stands = vec![("alice".to_owned(), "by the right".to_owned())];
    assert_eq!(contents(left, &Context::new()).unwrap().0, stands);
    assert_eq!(contents(right, &Context::new()).unwrap().0, stands);
}
