//! Two workers write the same token, each with a copy, and perhaps a journal, of its own. One is cut off at each call of its
//! write, before the other writes or after it, and comes back.

use std::time::Duration;

use tokenvault::error::{ErrorKind, Result};
use tokenvault::fields::Field::{AccessToken, ExpiresIn, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use super::scene::{Layer, Scene, Worker};
use crate::crash::sign_in;

const SECOND: Duration = Duration::from_secs(1);

/// What a worker does with ada's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// Refreshes the one that it held before both began, to an earlier end or a later one.
    Refresh {
        is_later: bool,
    },
    SignInAgain,
    /// A user whom nobody knew.
    SignUp,
    LogOut,
    DeleteAll,
}

const EARLIER: Does = Does::Refresh { is_later: false };
const LATER: Does = Does::Refresh { is_later: true };

impl Does {
    async fn run(self, (store, by): (&dyn TokenStore, &str), held: &OAuthToken) -> Result<()> {
        let cx = Context::new();
        let mut token = match self {
            Self::Refresh { is_later } => {
                let end = if is_later { "1999999999999" } else { "1999990000000" };
                held.clone().with(AccessToken, by).with(ExpiresIn, end)
            }
            Self::SignInAgain => sign_in("ada", by),
            Self::SignUp => sign_in("new", by),
            Self::LogOut => return store.delete_token(&cx, held.id().unwrap()).await.map(drop),
            Self::DeleteAll => return store.delete_tokens(&cx).await.map(drop),
        };
        store.save_token(&cx, &mut token).await.map(drop)
    }

    const fn is_deletion(self) -> bool {
        matches!(self, Self::LogOut | Self::DeleteAll)
    }

    const fn user(self) -> &'static str {
        if matches!(self, Self::SignUp) { "new" } else { "ada" }
    }
}

/// Whose token stands, by docs/fallback.md, where the one who was cut off has written (`left`), and the other one (`right`).
/// `None`: nobody's. `has_seen`: AWS has answered the first one before it was cut off.
fn stands((left, right): (Does, Does), is_left_first: bool, has_seen: bool) -> &'static [Option<&'static str>] {
    let newer = if is_left_first { &[Some("right")] } else { &[Some("left")] };
    match (left, right) {
        // The later end, whoever came first.
        (EARLIER, Does::Refresh { .. }) => &[Some("right")],
        (LATER, Does::Refresh { .. }) => &[Some("left")],
        // A new sign-in is the newer one for any refresh of the older.
        (Does::SignInAgain, Does::Refresh { .. }) => &[Some("left")],
        (Does::Refresh { .. }, Does::SignInAgain) => &[Some("right")],
        // Of two sign-ins that which came later.
        (Does::SignInAgain | Does::SignUp, Does::SignInAgain | Does::SignUp) => newer,
        // A log-out is final for the sign-in that it saw, and for no other.
        (Does::LogOut, Does::SignInAgain) if is_left_first || !has_seen => &[Some("right")],
        // Also over a sign-in that waited beside the token that the copy still had.
        (Does::SignInAgain, Does::LogOut) if !is_left_first && has_seen => &[None, Some("left")],
        (Does::DeleteAll, Does::SignInAgain | Does::SignUp) if is_left_first => &[Some("right")],
        _ => &[None],
    }
}

async fn held_by(worker: &Worker) -> OAuthToken {
    let mut ada = OAuthToken::new().with(UserName, "ada");
    assert!(worker.store().find_token(&Context::new(), &mut ada).await.unwrap().value);
    ada
}

#[derive(Debug)]
struct Case {
    pair: (Does, Does),
    is_left_first: bool,
    layer: Layer,
    calls: usize,
    with_effect: bool,
}

/// Both write. Answers what came of each.
async fn both(case: &Case, scene: &Scene, workers: [&Worker; 2]) -> [Result<()>; 2] {
    let Case { pair: (left, right), is_left_first, calls, with_effect, .. } = *case;
    let [held, held_there] = [held_by(workers[0]).await, held_by(workers[1]).await];
    scene.pass(SECOND);
    let here = async || {
        scene.cut.arm(calls, with_effect);
        let done = left.run((workers[0].store(), "left"), &held).await;
        scene.pass(SECOND);
        done
    };
    let there = async || {
        let done = right.run((workers[1].store(), "right"), &held_there).await;
        scene.pass(SECOND);
        done
    };
    if is_left_first {
        let done = here().await;
        return [done, there().await];
    }
    let done = there().await;
    [here().await, done]
}

/// Answers whether there was such a call.
async fn play(case: &Case) -> bool {
    let Case { pair, is_left_first, layer, calls, .. } = *case;
    let scene = Scene::new(layer).await;
    let (machine, other) = (scene.machine("victim"), scene.machine("other"));
    let (cut_off, free) = (machine.informed().await, other.informed().await);
    let [done, done_there] = both(case, &scene, [&cut_off, &free]).await;
    let (was_cut, what) = (scene.cut.was_cut(), format!("{case:?}: {done:?}, {done_there:?}"));
    if let Err(error) = &done_there {
        assert_eq!(error.kind(), ErrorKind::Gone, "{what}");
    }
    scene.is_back();
    let seen = cut_off.settled(&what).await;
    assert_eq!((&seen, &free.settled(&what).await), (&scene.stored().await, &seen), "{what}");
    let found = seen.get(pair.1.user()).map(String::as_str);
    // A log-out that was not acknowledged was made or not.
    let is_open = done.is_err() && pair.0.is_deletion();
    let stands = stands(pair, is_left_first, calls > 0);
    assert!(stands.contains(&found) || (is_open && found != Some("left")), "{what}: {found:?}");
    if layer == Layer::Journaled && done.is_ok() && !pair.0.is_deletion() && was_cut && found != Some("left") {
        assert_eq!(cut_off.lost().await.len(), 1, "{what}: what was acknowledged and does not stand is told");
    }
    scene.world.assert_consistent(&what).await;
    was_cut
}

async fn both_orders(pair: (Does, Does), layer: Layer) {
    for is_left_first in [true, false] {
        for with_effect in [false, true] {
            let mut case = Case { pair, is_left_first, layer, calls: 0, with_effect };
            while play(&case).await {
                case.calls += 1;
            }
            assert!(case.calls >= 1, "{pair:?} asks AWS");
        }
    }
}

macro_rules! two_workers {
    ($($name:ident: $left:expr, $right:expr;)*) => {
        mod without_a_journal {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    both_orders(($left, $right), Layer::Unsaved).await;
                }
            )*
        }

        mod with_journals {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    both_orders(($left, $right), Layer::Journaled).await;
                }
            )*
        }
    };
}

two_workers! {
    refreshes_and_the_one_cut_off_ends_earlier: EARLIER, LATER;
    refreshes_and_the_one_cut_off_ends_later: LATER, EARLIER;
    a_refresh_cut_off_and_a_log_out: LATER, Does::LogOut;
    a_log_out_cut_off_and_a_refresh: Does::LogOut, LATER;
    a_sign_in_cut_off_and_a_refresh: Does::SignInAgain, LATER;
    a_refresh_cut_off_and_a_sign_in: LATER, Does::SignInAgain;
    two_sign_ins: Does::SignInAgain, Does::SignInAgain;
    two_first_sign_ins_of_a_user: Does::SignUp, Does::SignUp;
    a_log_out_cut_off_and_a_sign_in: Does::LogOut, Does::SignInAgain;
    a_sign_in_cut_off_and_a_log_out: Does::SignInAgain, Does::LogOut;
    a_delete_of_all_cut_off_and_a_refresh: Does::DeleteAll, LATER;
    a_delete_of_all_cut_off_and_a_first_sign_in: Does::DeleteAll, Does::SignUp;
    a_refresh_cut_off_and_a_delete_of_all: LATER, Does::DeleteAll;
}
