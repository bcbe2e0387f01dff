//! What is told of a vault that is in use: leases by the service's clock, and versions put in force by hand.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::settings::Settings;
use tokenvault::backend::leases::{Asked, Granter, SharedRecords};
use tokenvault::backend::secrets_manager::look::{Depth, Look};
use tokenvault::backend::{Backend, secrets_manager::SecretsManagerBackend};
use tokenvault::clock::{Clock, Timestamp};
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{AccessToken, ExpiresIn, RefreshToken, UserName};
use tokenvault::identity::RecordName;
use tokenvault::lease::HELD_FOR;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::operator::Operator;
use crate::simulated::{Time, World, backend_by};

const AHEAD: Duration = Duration::from_mins(7);

#[derive(Debug)]
struct Ahead(Time);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        self.0.now().after(AHEAD)
    }
}

async fn sign_in(world: &World, user: &str) -> OAuthToken {
    let mut token = OAuthToken::new().with(UserName, user).with(RefreshToken, user).with(AccessToken, "first");
    world.vault("user").save_token(&Context::new(), &mut token).await.unwrap();
    token
}

async fn look(backend: &SecretsManagerBackend) -> Look {
    backend.look(&Context::new(), Depth::Tokens).await.unwrap().value
}

#[tokio::test]
async fn a_lease_ends_by_the_clock_of_whoever_looks_wherever_it_was_taken() {
    let world = World::new(Settings::new().seed(7)).await;
    let token = sign_in(&world, "ada").await;
    let name = RecordName::parse(token.id().unwrap()).unwrap();
    let time = Time(world.simulator.clone());
    let holder =
        Arc::new(backend_by(&world.simulator, "holder", Arc::new(Ahead(time.clone())), Arc::new(time.clone())));
    let age = Arc::clone(&holder) as Arc<dyn SharedRecords>;
    let granter = Granter::new(holder as Arc<dyn Backend>, Some(age), Arc::new(Ahead(time.clone())));
    let granted_at = time.now();
    let asked = granter.ask(&Context::new(), name, "worker 7", |_| true).await.unwrap();
    assert!(matches!(asked, Asked::Granted(..)));
    for (looker, ahead) in [
        (world.backend("looker"), Duration::ZERO),
        (backend_by(&world.simulator, "other", Arc::new(Ahead(time.clone())), Arc::new(time.clone())), AHEAD),
    ] {
        let found = look(&looker).await;
        let seconds = found.clock_ahead.unwrap() / 1000;
        assert!((seconds - i64::try_from(ahead.as_secs()).unwrap()).abs() <= 1, "{seconds}");
        let tally = found.tokens.unwrap().tally;
        let [lease] = &tally.leases[..] else { panic!("one lease: {tally:?}") };
        assert_eq!((&*lease.token, &*lease.holder, lease.attempt), (token.id().unwrap(), "worker 7", 1));
        let expected = granted_at.after(HELD_FOR).after(ahead);
        let off = lease.until.since(expected).max(expected.since(lease.until));
        assert!(off <= Duration::from_secs(2), "{off:?}");
    }
    world.simulator.clock().advance(HELD_FOR);
    assert!(look(&world.backend("looker")).await.tokens.unwrap().tally.leases.is_empty(), "it has come to its end");
}

#[tokio::test]
async fn what_was_put_back_or_written_by_hand_is_named_and_left_as_it_is() {
    let world = World::new(Settings::new().seed(7)).await;
    let (ada, bob) = (sign_in(&world, "ada").await, sign_in(&world, "bob").await);
    let secret = |token: &OAuthToken| format!("test/vault/token/{}", token.id().unwrap());
    world.vault("user").save_token(&Context::new(), &mut ada.clone().with(AccessToken, "second")).await.unwrap();
    let operator = Operator::of(&world);
    let looker = world.backend("looker");
    let found = look(&looker).await;
    let set_back = looker.set_back(&Context::new(), &found).await.unwrap().value;
    assert!(set_back.is_empty() && found.tokens.unwrap().by_hand.is_empty());

    operator.put_in_force(&secret(&ada), &operator.versions(&secret(&ada))[0]).await;
    operator.put_in_force("test/vault/index", &operator.versions("test/vault/index")[1]).await;
    let value = operator.value(&secret(&bob), &operator.current(&secret(&bob)));
    operator.write(&secret(&bob), value).await;
    let before: Vec<_> = world.simulator.names().iter().map(|name| world.simulator.secret(name)).collect();
    let looker = world.backend("another");
    let found = look(&looker).await;
    let mut set_back = looker.set_back(&Context::new(), &found).await.unwrap().value;
    set_back.sort_unstable();
    assert_eq!(set_back, ["test/vault/index".to_owned(), secret(&ada)]);
    let quick = looker.look(&Context::new(), Depth::Index).await.unwrap().value;
    assert_eq!(looker.set_back(&Context::new(), &quick).await.unwrap().value, ["test/vault/index"]);
    // The index was put back to before bob: an old page lists fewer.
    assert!(found.listed == 1 && found.tokens.unwrap().by_hand.is_empty());
    let after: Vec<_> = world.simulator.names().iter().map(|name| world.simulator.secret(name)).collect();
    assert!(before == after, "nothing is put right by a look");

    operator.put_in_force("test/vault/index", &operator.versions("test/vault/index")[2]).await;
    let found = look(&world.backend("third")).await;
    assert_eq!(found.tokens.unwrap().by_hand, [secret(&bob)]);
}

#[tokio::test]
async fn tokens_that_are_saved_too_often_or_live_too_short_are_seen() {
    let world = World::new(Settings::new().seed(7)).await;
    let mut token = sign_in(&world, "ada").await;
    let vault = world.vault("user");
    assert_eq!(look(&world.backend("looker")).await.tokens.unwrap().tally.shortest_life, None, "never refreshed");
    for round in 0..72_u32 {
        let ends = Time(world.simulator.clone()).now().after(Duration::from_mins(10)).as_millis();
        token = token.with(AccessToken, &format!("access {round}")).with(ExpiresIn, &ends.to_string());
        vault.save_token(&Context::new(), &mut token).await.unwrap();
    }
    let tokens = look(&world.backend("looker")).await.tokens.unwrap();
    assert_eq!(tokens.busy, [(format!("test/vault/token/{}", token.id().unwrap()), 73)]);
    let life = tokens.tally.shortest_life.unwrap();
    assert!(life <= Duration::from_mins(10) && life > Duration::from_mins(8), "{life:?}");
    world.simulator.clock().advance(Duration::from_hours(25));
    assert!(look(&world.backend("looker")).await.tokens.unwrap().busy.is_empty(), "a day later they count no more");
}

/// At each of the calls of a look the service goes away for good: what was not asked by then is not waited for.
#[tokio::test]
async fn where_the_service_goes_out_of_reach_meanwhile_a_look_ends_with_that_call() {
    // Three batches.
    const TOKENS: u64 = 45;
    // A call is made eight times; three reads may be under way when the first of them fails for good.
    const OF_ONE: u64 = 8;
    const OF_THREE: u64 = 3 + 3 * OF_ONE;
    let world = World::new(Settings::new().seed(7)).await;
    for number in 0..TOKENS {
        sign_in(&world, &format!("user {number}")).await;
    }
    let (mut was_partly, calls) = (0, || world.simulator.counters().total());
    for answered in 0.. {
        let time = Time(world.simulator.clone());
        world.simulator.inject(Fault::new(Failure::ConnectionLost).skip(answered));
        let (before, began) = (calls(), time.now());
        let looked = world.backend("looker").look(&Context::new(), Depth::Tokens).await;
        let (asked, took) = ((calls() - before).saturating_sub(answered), time.now().since(began));
        world.simulator.clear_faults();
        // The root twice, and the key.
        let bound = if answered < 3 { OF_ONE } else { OF_THREE };
        assert!(asked <= bound, "{answered} answers, then {asked} calls");
        assert!(took <= Duration::from_secs(45), "{answered} answers, then {took:?}");
        if asked == 0 {
            assert!(answered >= 6, "also three batches: {answered}");
            break;
        }
        let Ok(look) = looked else { continue };
        let look = look.value;
        let tokens = look.tokens.unwrap();
        let (unread, error) = tokens.unread.unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(u64::try_from(unread + tokens.tally.tokens).unwrap(), TOKENS, "{answered}");
        assert!(look.audit_key.is_ok() || unread == 45, "what comes after the key is not asked");
        was_partly += u32::from(tokens.tally.tokens > 0);
    }
    assert!(was_partly > 0, "some of the tokens were read before");
}
