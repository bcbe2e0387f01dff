//! Two processes at once, in every order of their calls.
//!
//! Each call of the two waits at a gate until the schedule lets it go. All schedules are tried, depth first; where there
//! are more than TOKENVAULT_SCHEDULES (24 unless told otherwise; 0: no bound), the rest is a sample, whose seed is
//! printed.

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use secrets_manager_simulator::gate::{Call, Gate, Passage, Phase, Verdict};
use secrets_manager_simulator::settings::Settings;
use tokenvault::backend::Backend;
use tokenvault::backend::secrets_manager::SecretsManagerBackend;
use tokenvault::error::{ErrorKind, Result};
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, GrantToken, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::simulated::World;

const ACTORS: [&str; 2] = ["first", "second"];

/// Which actor waits before a call, and whether it may go.
#[derive(Debug, Default)]
struct Turns(Mutex<HashMap<String, bool>>);

impl Turns {
    fn is_waiting(&self, actor: &str) -> bool {
        self.0.lock().unwrap().get(actor) == Some(&false)
    }

    fn let_go(&self, actor: &str) {
        self.0.lock().unwrap().insert(actor.to_owned(), true);
    }
}

#[derive(Clone, Debug, Default)]
struct AtGate(Arc<Turns>);

impl Gate for AtGate {
    fn pass(&self, call: &Call, phase: Phase) -> Passage {
        let (turns, actor) = (Arc::clone(&self.0), call.access_key.clone());
        let is_free = phase == Phase::After || !ACTORS.contains(&actor.as_str());
        Box::pin(poll_fn(move |_| {
            let mut waiting = turns.0.lock().unwrap();
            if is_free || waiting.get(&actor) == Some(&true) {
                if !is_free {
                    waiting.remove(&actor);
                }
                return Poll::Ready(Verdict::Go);
            }
            waiting.insert(actor.clone(), false);
            Poll::Pending
        }))
    }
}

/// Which of the actors that could go went, at each step: (chosen, of how many).
type Schedule = Vec<(usize, usize)>;

type Act = Pin<Box<dyn Future<Output = Result<()>>>>;

/// Runs two acts under a schedule, and writes down how it went on where the schedule ended.
async fn play(
    turns: &Turns,
    acts: [Act; 2],
    schedule: &mut Schedule,
    mut choose: impl FnMut(usize) -> usize,
) -> [Result<()>; 2] {
    let mut running = acts.map(Some);
    let mut done: [Option<Result<()>>; 2] = [None, None];
    let mut step = 0;
    while done.iter().any(Option::is_none) {
        for (actor, name) in ACTORS.iter().enumerate() {
            while done[actor].is_none() && !turns.is_waiting(name) {
                let act = running[actor].as_mut().unwrap();
                done[actor] = poll_fn(|context| match act.as_mut().poll(context) {
                    Poll::Ready(result) => Poll::Ready(Some(result)),
                    Poll::Pending => Poll::Ready(None),
                })
                .await;
                tokio::task::yield_now().await;
            }
        }
        let ready: Vec<&str> = ACTORS.into_iter().filter(|name| turns.is_waiting(name)).collect();
        if ready.is_empty() {
            continue;
        }
        if step == schedule.len() {
            schedule.push((choose(ready.len()), ready.len()));
        }
        turns.let_go(ready[schedule[step].0]);
        step += 1;
    }
    schedule.truncate(step);
    done.map(Option::unwrap)
}

/// The next schedule in depth-first order; false after the last.
fn next(schedule: &mut Schedule) -> bool {
    while let Some((chosen, of)) = schedule.pop() {
        if chosen + 1 < of {
            schedule.push((chosen + 1, of));
            return true;
        }
    }
    false
}

type Contents = BTreeMap<String, String>;

async fn contents(vault: &Vault) -> Contents {
    let tokens = vault.get_tokens(&Context::new()).await.unwrap().value;
    let text = |token: &OAuthToken, field| token.fields().text(field).unwrap_or("-").to_owned();
    let contents: Contents = tokens.iter().map(|token| (text(token, UserName), text(token, AccessToken))).collect();
    assert_eq!(contents.len(), tokens.len(), "no user has two tokens: {contents:?}");
    contents
}

fn sign_in(user: &str, access: &str) -> OAuthToken {
    let token = OAuthToken::new().with(UserName, user).with(ClientId, "app").with(AccessToken, access);
    token.with(RefreshToken, &format!("refresh {access} of {user}"))
}

/// What one of the two does.
#[derive(Clone, Copy, Debug)]
enum Does {
    SignIn(&'static str, &'static str),
    /// Writes back a refresh of ada's token as it was read before both began.
    Refresh(&'static str),
    LogOut,
    /// Gives a token that was known by its grant a user, ada.
    BecomesAda,
    DeleteAll,
    /// Builds the index anew.
    Repair,
}

async fn does(backend: Arc<SecretsManagerBackend>, vault: Vault, what: Does, held: Option<OAuthToken>) -> Result<()> {
    let cx = Context::new();
    match what {
        Does::SignIn(user, access) => vault.save_token(&cx, &mut sign_in(user, access)).await.map(drop),
        Does::Refresh(access) => {
            let refreshed = held.unwrap().with(AccessToken, access).with(ExpiresIn, "1795311652321");
            vault.save_token(&cx, &mut refreshed.clone()).await.map(drop)
        }
        Does::BecomesAda => {
            let mut known = held.unwrap().with(UserName, "ada");
            vault.save_token(&cx, &mut known).await.map(drop)
        }
        Does::LogOut => vault.delete_token(&cx, held.unwrap().id().unwrap()).await.map(drop),
        Does::DeleteAll => vault.delete_tokens(&cx).await.map(drop),
        Does::Repair => backend.repair(&cx, &|_| ()).await.map(drop),
    }
}

/// What is there when both begin.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Past {
    Nothing,
    Ada,
    /// A token that is known by its grant only.
    Nameless,
    /// Ada, and an index that is due to be split.
    FullPage,
}

async fn begin(world: &World, past: Past) -> Option<OAuthToken> {
    let (cx, vault) = (Context::new(), world.vault("before"));
    let mut token = match past {
        Past::Nothing => return None,
        Past::Ada | Past::FullPage => sign_in("ada", "first"),
        Past::Nameless => OAuthToken::new().with(ClientId, "app").with(GrantToken, "grant").with(AccessToken, "first"),
    };
    vault.save_token(&cx, &mut token).await.unwrap();
    if past == Past::FullPage {
        for number in 0..62 {
            let mut other = sign_in(&format!("other {number}"), "x");
            vault.save_token(&cx, &mut other).await.unwrap();
            vault.delete_token(&cx, other.id().unwrap()).await.unwrap();
        }
    }
    Some(token)
}

#[allow(clippy::disallowed_methods, reason = "how long to test is the tester's word")]
fn bound() -> usize {
    let told = std::env::var("TOKENVAULT_SCHEDULES").ok().and_then(|text| text.parse().ok());
    match told.unwrap_or(24) {
        0 => usize::MAX,
        bound => bound,
    }
}

/// Plays two acts in all orders; `is_right` judges how each ended and what the vault holds then.
async fn in_all_orders(past: Past, acts: [Does; 2], is_right: impl Fn(&[Result<()>; 2], &Contents) -> bool) {
    let (mut schedule, mut tried) = (Schedule::new(), 0);
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    // What was written 64 times takes longer to make than to try.
    let bound = if past == Past::FullPage { bound().div_ceil(6) } else { bound() };
    loop {
        let is_sampled = tried >= bound / 2;
        if is_sampled {
            schedule.clear();
        }
        let gate = AtGate::default();
        let world = World::new(Settings::new().seed(1).gate(Arc::new(gate.clone()))).await;
        let held = begin(&world, past).await;
        let each = [0, 1].map(|actor| {
            let backend = Arc::new(world.backend(ACTORS[actor]));
            let vault = world.vault_over(Arc::clone(&backend) as _);
            Box::pin(does(backend, vault, acts[actor], held.clone())) as Act
        });
        let choose = |of: usize| if is_sampled { random.usize(..of) } else { 0 };
        let ended = play(&gate.0, each, &mut schedule, choose).await;
        let found = contents(&world.vault("after")).await;
        let what = format!("{acts:?} after {past:?}, schedule {schedule:?}, seed {seed}");
        assert!(is_right(&ended, &found), "{what}: {ended:?}, {found:?}");
        assert_eq!(
            world.backend("after").list(&Context::new()).await.unwrap().value.len(),
            world.live().await.len(),
            "{what}"
        );
        tried += 1;
        if tried >= bound || (!is_sampled && !next(&mut schedule)) {
            break;
        }
    }
    println!("{acts:?} after {past:?}: {tried} schedules, seed {seed}");
}

fn both_fine(ended: &[Result<()>; 2]) -> bool {
    ended.iter().all(Result::is_ok)
}

fn holds(found: &Contents, allowed: &[&[(&str, &str)]]) -> bool {
    let own = |pairs: &&[(&str, &str)]| {
        pairs.iter().map(|(user, access)| ((*user).to_owned(), (*access).to_owned())).collect::<Contents>()
    };
    allowed.iter().map(own).any(|contents| contents == *found)
}

#[tokio::test]
async fn two_first_sign_ins_of_one_user_make_one_token() {
    in_all_orders(Past::Nothing, [Does::SignIn("ada", "1"), Does::SignIn("ada", "2")], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "1")], &[("ada", "2")]])
    })
    .await;
}

#[tokio::test]
async fn sign_ins_of_two_users_are_both_there() {
    in_all_orders(Past::Nothing, [Does::SignIn("ada", "1"), Does::SignIn("bob", "2")], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "1"), ("bob", "2")]])
    })
    .await;
}

#[tokio::test]
async fn a_log_out_beside_a_refresh_is_final() {
    in_all_orders(Past::Ada, [Does::LogOut, Does::Refresh("late")], |ended, found| {
        let refused = |ended: &Result<()>| ended.as_ref().is_err_and(|error| error.kind() == ErrorKind::Gone);
        ended[0].is_ok() && (ended[1].is_ok() || refused(&ended[1])) && found.is_empty()
    })
    .await;
}

#[tokio::test]
async fn who_comes_back_beside_a_log_out_is_there_or_logged_out() {
    in_all_orders(Past::Ada, [Does::LogOut, Does::SignIn("ada", "again")], |ended, found| {
        both_fine(ended) && holds(found, &[&[], &[("ada", "again")]])
    })
    .await;
}

#[tokio::test]
async fn a_user_who_becomes_known_beside_a_sign_in_is_one_user() {
    in_all_orders(Past::Nameless, [Does::BecomesAda, Does::SignIn("ada", "new")], |ended, found| {
        // Whoever comes second is told, or is the same token; there are never two of one user and client.
        let told = |error: &tokenvault::error::Error| error.kind() == ErrorKind::InvalidInput;
        ended[1].is_ok() && ended[0].as_ref().map_or_else(told, |()| true) && found.contains_key("ada")
    })
    .await;
}

#[tokio::test]
async fn two_refreshes_of_one_token_lose_neither_wholly() {
    in_all_orders(Past::Ada, [Does::Refresh("one"), Does::Refresh("two")], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "one")], &[("ada", "two")]])
    })
    .await;
}

#[tokio::test]
async fn deleting_everything_beside_a_sign_up_leaves_that_or_nothing() {
    in_all_orders(Past::Ada, [Does::DeleteAll, Does::SignIn("new", "1")], |ended, found| {
        both_fine(ended) && holds(found, &[&[], &[("new", "1")]])
    })
    .await;
}

#[tokio::test]
async fn two_writers_split_a_page_once() {
    in_all_orders(Past::FullPage, [Does::SignIn("bob", "1"), Does::SignIn("cleo", "2")], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "first"), ("bob", "1"), ("cleo", "2")]])
    })
    .await;
}

#[tokio::test]
async fn a_sign_up_beside_a_repair_is_listed() {
    in_all_orders(Past::Ada, [Does::SignIn("bob", "1"), Does::Repair], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "first"), ("bob", "1")]])
    })
    .await;
}

#[tokio::test]
async fn a_user_who_becomes_known_beside_a_repair_is_found() {
    in_all_orders(Past::Nameless, [Does::BecomesAda, Does::Repair], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "first")]])
    })
    .await;
}

#[tokio::test]
async fn a_log_out_beside_a_repair_is_final() {
    in_all_orders(Past::Ada, [Does::LogOut, Does::Repair], |ended, found| both_fine(ended) && found.is_empty()).await;
}

#[tokio::test]
async fn deleting_everything_beside_a_repair_leaves_nothing() {
    in_all_orders(Past::Ada, [Does::DeleteAll, Does::Repair], |ended, found| both_fine(ended) && found.is_empty())
        .await;
}

/// A split page is closed while writers are on it.
#[tokio::test]
async fn a_sign_up_that_splits_a_page_beside_a_repair_is_listed() {
    in_all_orders(Past::FullPage, [Does::SignIn("bob", "1"), Does::Repair], |ended, found| {
        both_fine(ended) && holds(found, &[&[("ada", "first"), ("bob", "1")]])
    })
    .await;
}

/// Two repairs: one of them may be told of the other.
#[tokio::test]
async fn two_repairs_at_once_leave_a_whole_index() {
    in_all_orders(Past::Ada, [Does::Repair, Does::Repair], |ended, found| {
        let told = |ended: &Result<()>| ended.as_ref().is_err_and(|error| error.kind() == ErrorKind::Busy);
        ended.iter().all(|ended| ended.is_ok() || told(ended)) && holds(found, &[&[("ada", "first")]])
    })
    .await;
}
