//! A lease is taken by a write like the one that will save the token: where that one cannot be made, nobody is sent. And what was
//! refreshed is kept whatever else goes on.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::kms::Right;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use tokenvault::error::ErrorKind;
use tokenvault::fields::Field::{AccessToken, ClientId, ExpiresIn, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::token::OAuthToken;
use tokio::time::{Instant, sleep};

use crate::fleet::{Called, LIFETIME};
use crate::fleet_scene::Scene;
use crate::simulated::World;

const MINUTE: Duration = Duration::from_mins(1);

fn settings() -> Settings {
    Settings::new().seed(1)
}

fn denied() -> Fault {
    let refused = ServiceError::new("AccessDeniedException", "not today");
    Fault::new(Failure::Refused(refused)).on(Operation::PutSecretValue)
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_save_nobody_is_sent() {
    let scene = Scene::new(settings(), Duration::ZERO).await;
    let process = scene.process();
    scene.world.simulator.inject(denied());
    assert_eq!(process.call("a task", &scene.fleet.id).await, Called::Refused(ErrorKind::PermissionDenied));
    assert_eq!(scene.fleet.asked(), 0, "the refresh token is not spent");
    scene.world.simulator.clear_faults();
    assert_eq!(process.call("a task", &scene.fleet.id).await, Called::With("access 1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn without_it_a_token_that_lives_serves_on() {
    let scene = Scene::new(settings(), Duration::from_secs(50)).await;
    let process = scene.process();
    scene.world.simulator.inject(denied());
    assert_eq!(process.call("a task", &scene.fleet.id).await, Called::With("access 0".to_owned()));
    assert_eq!(scene.fleet.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_may_not_encrypt_under_the_key_is_not_sent() {
    let scene = Scene::on(World::under(settings(), "old").await, Duration::ZERO).await;
    scene.world.simulator.keys(|keys| keys.allow("old", "fleet", [Right::Decrypt]));
    let process = scene.process();
    let mut read = OAuthToken::new().with_id(&scene.fleet.id);
    assert!(process.store.find_token(&Context::new(), &mut read).await.unwrap().value, "it may read");
    let called = process.call("a task", &scene.fleet.id).await;
    assert_eq!(called, Called::Refused(ErrorKind::PermissionDenied));
    assert_eq!(scene.fleet.asked(), 0, "the refresh token is not spent");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_for_a_day_leaves_room_for_the_token_after_it() {
    let scene = Scene::new(settings(), Duration::ZERO).await;
    *scene.fleet.provider.is_down.lock().unwrap() = true;
    let processes = [scene.process(), scene.process()];
    let (began, before) = (Instant::now(), scene.puts());
    while began.elapsed() < Duration::from_hours(24) {
        for called in scene.fleet.all_call(&processes, 1).await {
            assert!(matches!(called, Called::NoRefresh | Called::Refused(ErrorKind::Busy)), "{called:?}");
        }
        sleep(MINUTE).await;
    }
    let leases = scene.puts() - before;
    assert!((40..=60).contains(&leases), "{leases}: half an hour apart");
    *scene.fleet.provider.is_down.lock().unwrap() = false;
    let back = Instant::now();
    while scene.fleet.all_call(&processes, 1).await.iter().any(|called| !matches!(called, Called::With(_))) {
        assert!(back.elapsed() < 32 * MINUTE, "nobody is sent any more");
        sleep(MINUTE).await;
    }
}

/// A process begins with five writes a second.
#[tokio::test(start_paused = true)]
async fn the_save_of_a_refreshed_token_does_not_wait_behind_others() {
    let scene = Scene::new(settings(), Duration::ZERO).await;
    let (process, context) = (scene.process(), Context::new().with_caller("holder"));
    let held = process.store.find_token_by_id(&context, &scene.fleet.id).await.unwrap().value.unwrap();
    let sign_up = |number: u32| {
        let store = Arc::clone(&process.store);
        let token = OAuthToken::new().with(UserName, &format!("user {number}")).with(ClientId, "app");
        let mut token = token.with(RefreshToken, &format!("refresh {number}"));
        async move { store.save_token(&Context::new(), &mut token).await.map(drop) }
    };
    let others: Vec<_> = (0..40).map(|number| tokio::spawn(sign_up(number))).collect();
    tokio::task::yield_now().await;
    let expiry = tokenvault::clock::Clock::now(&*scene.time).after(LIFETIME).as_millis().to_string();
    let mut new = OAuthToken::clone(&held).with(AccessToken, "fresh").with(ExpiresIn, &expiry);
    let began = Instant::now();
    process.store.save_token(&context, &mut new).await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert!(began.elapsed() > Duration::from_secs(1), "the others waited: {:?}", began.elapsed());
}
