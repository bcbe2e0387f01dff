//! Two processes that read one token when it is due, in every order of their calls that differs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::switches::Switches;
use tokenvault::backend::Backend;
use tokenvault::backend::leases::{Granter, SharedRecords};
use tokenvault::clock::Clock;
use tokenvault::error::{ErrorKind, Result};
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, RefreshToken, UserName};
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::operation::Context;
use tokenvault::pause::{Pause, Paused};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::orders::in_orders;
use crate::schedules::{ACTORS, Act, bound};
use crate::simulated::{Time, World};

/// Waits between two looks, and bounds nothing else: at the gate a call waits for its turn, and not for time to pass.
#[derive(Debug)]
struct BetweenLooks(Time);

impl Pause for BetweenLooks {
    fn pause(&self, duration: Duration) -> Paused<'_> {
        if duration <= Duration::from_secs(1) { self.0.pause(duration) } else { Box::pin(std::future::pending()) }
    }
}

/// Who was sent to refresh.
type Sent = Arc<Mutex<Vec<&'static str>>>;

fn coordinated(world: &World, actor: &'static str) -> Coordinated {
    let backend = Arc::new(world.backend(actor));
    let time = Time(world.simulator.clone());
    let (clock, pause) = (Arc::new(time.clone()), Arc::new(BetweenLooks(time)));
    let granter = Granter::new(
        Arc::clone(&backend) as Arc<dyn Backend>,
        Some(Arc::clone(&backend) as Arc<dyn SharedRecords>),
        Arc::clone(&clock) as Arc<dyn Clock>,
    );
    let options = CoordinateOptions { clock, pause, ..CoordinateOptions::default() };
    Coordinated::new(Arc::new(world.vault_over(backend)), granter, actor, options)
}

/// What an SDK does for a call: reads the token, and refreshes and saves it where it was sent.
async fn call(world: World, actor: &'static str, id: String, sent: Sent) -> Result<()> {
    let (store, context) = (coordinated(&world, actor), Context::new().with_caller(actor));
    let token = store.find_token_by_id(&context, &id).await?.value.expect("the token is there");
    if token.lease().is_none() {
        return Ok(());
    }
    sent.lock().unwrap().push(actor);
    let expiry = Time(world.simulator.clone()).now().after(Duration::from_secs(3600)).as_millis().to_string();
    let mut new = OAuthToken::clone(&token).with(AccessToken, actor).with(ExpiresIn, &expiry);
    store.save_token(&context, &mut new).await.map(drop)
}

/// Both read a token that has `left` to live; `is_right` judges how each ended.
async fn both_read(left: Duration, is_right: impl Fn(&[Result<()>; 2]) -> bool) {
    let switches = Switches { trail: false, ..Switches::default() };
    let before = World::new(Settings::new().seed(1).switches(switches)).await;
    let expiry = Time(before.simulator.clone()).now().after(left).as_millis().to_string();
    let token = OAuthToken::new().with(UserName, "ada").with(ClientId, "app").with(RefreshToken, "refresh");
    let mut token = token.with(AccessToken, "access").with(ExpiresIn, &expiry);
    before.vault("before").save_token(&Context::new(), &mut token).await.unwrap();
    let sent = Sent::default();
    let both = |world: &World| {
        sent.lock().unwrap().clear();
        ACTORS.map(|actor| {
            let world = World { simulator: world.simulator.clone() };
            Box::pin(call(world, actor, token.id().unwrap().to_owned(), Arc::clone(&sent))) as Act
        })
    };
    let judge = async |world: &World, ended: [Result<()>; 2], what: &str| {
        let sent = sent.lock().unwrap().clone();
        assert!(sent.len() == 1 && is_right(&ended), "{what}: {sent:?} were sent, {ended:?}");
        let told = world.vault("after").get_tokens(&Context::new()).await.unwrap().value;
        let access: Vec<_> = told.iter().map(|token| token.fields().text(AccessToken).map(str::to_owned)).collect();
        assert_eq!(access, [Some(sent[0].to_owned())], "{what}");
    };
    in_orders(&before, (&format!("two reads, {left:?} before the end"), bound(usize::MAX)), both, judge).await;
}

#[tokio::test]
async fn of_two_who_read_an_ended_token_one_is_sent_in_every_order() {
    let is_served_or_late =
        |ended: &Result<()>| ended.as_ref().map_or_else(|error| error.kind() == ErrorKind::Busy, |()| true);
    both_read(Duration::ZERO, |ended| ended.iter().all(is_served_or_late)).await;
}

#[tokio::test]
async fn of_two_who_read_it_early_one_is_sent_and_nobody_fails() {
    both_read(Duration::from_secs(55), |ended| ended.iter().all(Result::is_ok)).await;
}
