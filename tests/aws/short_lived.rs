//! Access tokens that live too short for a lease beside each save.

use std::time::Duration;

use secrets_manager_simulator::settings::Settings;
use tokenvault::error::ErrorKind;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokio::time::{Instant, sleep};

use crate::fleet::{Called, Process, kinds, text};
use crate::fleet_scene::Scene;

const MINUTE: Duration = Duration::from_mins(1);

/// A token that ended just now, of a provider whose tokens live so long.
async fn scene(lives: Duration) -> Scene {
    let scene = Scene::new(Settings::new().seed(1), Duration::ZERO).await;
    *scene.fleet.provider.lives.lock().unwrap() = lives;
    scene
}

/// Calls each of them every minute, one after the other. Answers how each call ended that no token came of.
async fn call_for(scene: &Scene, processes: &[Process], time: Duration) -> Vec<Called> {
    let (began, mut refused) = (Instant::now(), Vec::new());
    while began.elapsed() < time {
        for process in processes {
            let called = process.call("a task", &scene.fleet.id).await;
            refused.extend(Some(called).filter(|called| !matches!(called, Called::With(_))));
            sleep(MINUTE / u32::try_from(processes.len()).unwrap()).await;
        }
    }
    refused
}

#[tokio::test(start_paused = true)]
async fn a_life_of_25_minutes_is_refreshed_around_the_clock_by_one_write_each() {
    let scene = scene(25 * MINUTE).await;
    let processes = [scene.process(), scene.process()];
    assert_eq!(call_for(&scene, &processes, 30 * MINUTE).await, [], "until the life is known");
    let (before, asked) = (scene.puts(), scene.fleet.asked());
    let refused = call_for(&scene, &processes, Duration::from_hours(26)).await;
    assert!(refused.is_empty(), "{:?}", kinds(&refused));
    let (written, refreshed) = (scene.puts() - before, scene.fleet.asked() - asked);
    assert_eq!(written, u64::try_from(refreshed).unwrap(), "no lease is written");
    assert!(refreshed >= 26 * 60 / 25, "{refreshed}");
    assert!(refreshed <= 26 * 60 / 22, "{refreshed}: who comes after has the new token");
}

#[tokio::test(start_paused = true)]
async fn in_one_process_one_refreshes_all_the_same() {
    let scene = scene(25 * MINUTE).await;
    let processes = [scene.process()];
    for number in 1..4 {
        let called = scene.fleet.all_call(&processes, 64).await;
        assert!(
            called.iter().all(|called| *called == Called::With(format!("access {number}"))),
            "{:?}",
            kinds(&called)
        );
        assert_eq!(scene.fleet.asked(), number);
        sleep(25 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_is_asked_ever_more_seldom() {
    let scene = scene(25 * MINUTE).await;
    let process = scene.process();
    assert!(matches!(process.call("first", &scene.fleet.id).await, Called::With(_)));
    sleep(25 * MINUTE).await;
    *scene.fleet.provider.is_down.lock().unwrap() = true;
    let refused = call_for(&scene, &[process], Duration::from_hours(1)).await;
    let asked = scene.fleet.asked() - 1;
    // After 90 s, then 3, 6, 12 and 24 minutes; the caller that holds the lease reads again twice.
    assert!((4..=15).contains(&asked), "{asked}");
    assert!(refused.iter().all(|called| matches!(called, Called::NoRefresh | Called::Refused(ErrorKind::Busy))));
}

#[tokio::test(start_paused = true)]
async fn what_lives_for_ten_minutes_runs_out_of_room_before_a_refresh_token_is_spent() {
    let scene = scene(10 * MINUTE).await;
    let processes = [scene.process()];
    let refused = call_for(&scene, &processes, Duration::from_hours(23)).await;
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|called| *called == Called::Refused(ErrorKind::QuotaReached)), "{:?}", kinds(&refused));
    let refused = processes[0].store.find_token_by_id(&Context::new(), &scene.fleet.id).await.unwrap_err();
    assert!(refused.hint().is_some_and(|hint| hint.contains("20 minutes at least")), "{refused:?}");
    let refreshed = scene.fleet.refreshed();
    let tokens = scene.world.vault("after").get_tokens(&Context::new()).await.unwrap().value;
    assert_eq!(text(&tokens[0]), format!("access {refreshed}"), "whoever is sent can save");
    assert!(refreshed >= 80, "{refreshed}");
    assert!(call_for(&scene, &processes, Duration::from_hours(2)).await.len() < 120, "the day after it goes on");
    assert!(scene.fleet.refreshed() > refreshed);
}
