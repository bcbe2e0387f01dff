//! A process that is cut off at any call of a lease or of the save under it: for good, or only for that call.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::settings::Settings;
use tokenvault::clock::Clock;
use tokenvault::error::ErrorKind;
use tokio::time::{Instant, sleep};

use crate::cut::{Cut, Then, VICTIM};
use crate::fleet::{Called, Process};
use crate::fleet_scene::Scene;

/// How long a lease is held, less what the last retry of its save and the whole seconds of the service's clock may take.
const ABOUT_HELD: Duration = Duration::from_secs(80);

/// Calls until it is served, or refused for good. Answers the access token, and how long it took.
async fn served(process: &Process, caller: &str, scene: &Scene) -> (String, Duration) {
    let began = Instant::now();
    loop {
        match process.call(caller, &scene.fleet.id).await {
            Called::With(access) => return (access, began.elapsed()),
            Called::Refused(ErrorKind::Busy | ErrorKind::Unavailable) => sleep(Duration::from_secs(1)).await,
            other => panic!("{other:?}"),
        }
        assert!(began.elapsed() < Duration::from_secs(200), "nobody is sent any more");
    }
}

/// Cuts a process off at each call in turn that it makes to read an ended token and to save the one it refreshed; `judge`
/// looks at what becomes of it and of another one. Answers how many calls there were.
async fn cut_everywhere(with_effect: bool, then: Then, judge: impl AsyncFn(&Scene, &Process, Called, &str)) -> usize {
    for left in 0.. {
        let cut = Arc::new(Cut::default());
        let scene = Scene::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _), Duration::ZERO).await;
        let victim = scene.process_as(VICTIM, Arc::clone(&scene.time) as Arc<dyn Clock>, |_| {});
        cut.arm_and(left, with_effect, then);
        let called = victim.call("victim", &scene.fleet.id).await;
        let what = format!("cut off after {left} calls, the next with effect: {with_effect}: {called:?}");
        judge(&scene, &victim, called, &what).await;
        scene.world.assert_consistent(&what).await;
        if !cut.was_cut() {
            return left;
        }
    }
    0
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_stops_anywhere_is_followed_after_its_time_and_not_before() {
    for with_effect in [false, true] {
        let calls = cut_everywhere(with_effect, Then::Gone, async |scene, _, called, what| {
            let was_sent = scene.fleet.asked() == 1;
            let (access, waited) = served(&scene.process(), "next", scene).await;
            match (called, was_sent, access.as_str()) {
                (Called::With(_), ..) | (_, true, "access 1") if scene.fleet.asked() == 1 => {
                    assert!(access == "access 1" && waited < Duration::from_secs(1), "{what}: {access}, {waited:?}");
                }
                (_, true, "access 2") => assert!(waited > ABOUT_HELD, "{what}: {waited:?}"),
                (_, false, "access 1") => assert!(waited < Duration::from_secs(95), "{what}: {waited:?}"),
                other => panic!("{what}: {other:?}, {} refreshes", scene.fleet.asked()),
            }
        });
        assert!(calls.await >= 4, "fewer than a read, a lease and a save take");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_once_costs_no_second_refresh() {
    for with_effect in [false, true] {
        let calls = cut_everywhere(with_effect, Then::Back, async |scene, victim, called, what| {
            let (access, _) = served(victim, "victim", scene).await;
            let (others, waited) = served(&scene.process(), "next", scene).await;
            assert_eq!((access.as_str(), others.as_str()), ("access 1", "access 1"), "{what}");
            assert_eq!(scene.fleet.asked(), 1, "{what}");
            assert!(matches!(called, Called::With(_)) && waited < Duration::from_secs(1), "{what}: {waited:?}");
        });
        assert!(calls.await >= 4, "fewer than a read, a lease and a save take");
    }
}
