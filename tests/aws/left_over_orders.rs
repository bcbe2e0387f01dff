//! Sign-ins that look at names on their page, cut off at each call and in many orders with others: a look is a step of its
//! own between theirs.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::Switches;
use tokenvault::error::Result;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;

use crate::crash::{Act, contents, cut_after, vault_with_past};
use crate::left_over::{DAY, HOUR, delete, purge, sign_in, signed_in};
use crate::orders::in_orders;
use crate::schedules::{ACTORS, Act as Acting, AtGate, Held, Schedule, Waiting, bound, play};
use crate::simulated::World;

/// The past of `crash.rs`, and nine names on the same page that nobody will have to do with: seven are deleted, two are gone.
async fn old_page(world: &World) {
    vault_with_past(world).await;
    let ids = signed_in(world, 9).await;
    world.simulator.clock().advance(31 * DAY);
    for (number, id) in ids.iter().enumerate() {
        delete(world, id).await;
        if number < 2 {
            purge(world, id).await;
        }
    }
    world.simulator.clock().advance(HOUR);
}

#[tokio::test]
async fn who_looks_and_is_cut_off_has_signed_in_or_not() {
    for act in [Act::SignUp, Act::SignInAgain, Act::BecomeKnown] {
        for with_effect in [false, true] {
            let calls = cut_after(old_page, act, with_effect).await;
            assert!(calls >= 4 + 8, "{act:?}: {calls} calls, looks and all");
        }
    }
}

/// So many orders of each pair: there are more of them than can be played.
const SOME: usize = 24;

#[tokio::test]
async fn who_looks_beside_others_loses_nobody() {
    let quiet = Switches { trail: false, ..Switches::default() };
    let before = World::new(Settings::new().seed(1).switches(quiet)).await;
    old_page(&before).await;
    let was = contents(&before.vault("reader")).await;
    let others = [Act::SignInAgain, Act::BecomeKnown, Act::LogOut, Act::Refresh, Act::DeleteAll];
    for pair in others.map(|other| [Act::SignUp, other]) {
        let both = |world: &World| {
            [0, 1].map(|actor| {
                let vault = world.vault(ACTORS[actor]);
                Box::pin(async move { pair[actor].run(&vault).await }) as Acting
            })
        };
        let judge = async |world: &World, ended: [Result<()>; 2], what: &str| {
            let found = contents(&world.vault("after")).await;
            let [one, other] = pair;
            let allowed = [other.after(&one.after(&was)), one.after(&other.after(&was))];
            assert!(ended.iter().all(Result::is_ok) && allowed.contains(&found), "{what}: {ended:?}, {found:?}");
            world.assert_consistent(what).await;
        };
        in_orders(&before, (&format!("{pair:?} on an old page"), bound(SOME)), both, judge).await;
    }
}

/// The first is held for so long that what it has announced is old, and the second looks at it.
struct Frozen {
    held: Held,
    world: World,
}

impl Schedule for Frozen {
    fn choose(&mut self, waiting: &Waiting) -> Option<usize> {
        let was_held = self.held.was_held();
        let chosen = self.held.choose(waiting);
        if self.held.was_held() && !was_held {
            self.world.simulator.clock().advance(31 * DAY);
        }
        chosen
    }

    fn went(&mut self, _: Duration) {}
}

#[tokio::test]
async fn a_creator_that_sleeps_while_another_looks_is_there_in_the_end() {
    let before = World::new(Settings::new().seed(1)).await;
    // With what the sleeper announces, eight.
    signed_in(&before, 7).await;
    let mut barred = 0;
    for calls in 0.. {
        let gate = AtGate::default();
        let world = World { simulator: before.simulator.forked(Arc::new(gate.clone())) };
        let mut frozen = Frozen { held: Held::new(0, calls), world: World { simulator: world.simulator.clone() } };
        let acts = [0, 1].map(|actor| {
            let vault = world.vault(ACTORS[actor]);
            Box::pin(async move {
                sign_in(&vault, 100 + actor).await;
                Ok(())
            }) as Acting
        });
        let played = play(&gate, world.simulator.clock(), acts, &mut frozen).await;
        let what = format!("held after {calls} calls: {:#?}", played.calls);
        let tokens = world.vault("after").get_tokens(&Context::new()).await.unwrap().value;
        assert_eq!(tokens.len(), 7 + 2, "{what}");
        world.assert_consistent(&what).await;
        barred += usize::from(world.simulator.counters().of(Operation::DeleteSecret) > 0);
        if !frozen.held.was_held() {
            break;
        }
    }
    assert!(barred > 0, "it was never taken for gone");
}
