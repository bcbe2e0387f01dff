//! Who only looks: what `status` tells of a vault that is in use, and what looking at tokens leaves alone.

use std::sync::Arc;

use tokenvault::backend::Backend;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::backend::leases::{Asked, Granter};
use tokenvault::clock::{Clock, SystemClock, Timestamp};
use tokenvault::identity::RecordName;
use tokenvault::lease::HELD_FOR;
use tokenvault::operation::Context;

use crate::provider::in_seconds;
use crate::scene::{Scene, Vault};

const TOKENS: &[u8] =
    br#"{"user_name": "alice", "refresh_token": "canary"} {"user_name": "bob", "refresh_token": "canary"}"#;

/// A clock that is behind by so long.
#[derive(Debug)]
struct Behind(std::time::Duration);

impl Clock for Behind {
    fn now(&self) -> Timestamp {
        let back = u64::try_from(self.0.as_micros()).unwrap();
        Timestamp::from_micros(SystemClock.now().as_micros() - back)
    }
}

fn status(scene: &Scene) -> serde_json::Value {
    let output = scene.run(&["status", "--format", "json"], b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("canary"));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_lease_under_way_is_shown_with_its_holder_and_one_that_has_ended_is_not() {
    let scene = Scene::new(Vault::KeyFile);
    let ids = String::from_utf8(scene.run(&["save"], TOKENS).stdout).unwrap();
    let [alice, bob] = ids.lines().collect::<Vec<_>>()[..] else { panic!("two ids: {ids}") };
    let file = FileBackend::open(FileOptions::new(scene.path("vault.tv"), KeySource::KeyFile(scene.path("key"))));
    let backend: Arc<dyn Backend> = Arc::new(file.unwrap());
    for (id, clock) in [(alice, Arc::new(SystemClock) as Arc<dyn Clock>), (bob, Arc::new(Behind(2 * HELD_FOR)))] {
        let granter = Granter::new(Arc::clone(&backend), None, clock);
        let name = RecordName::parse(id).unwrap();
        let asked = granter.ask(&Context::new(), name, "worker 7", |_| true).await.unwrap();
        assert!(matches!(asked, Asked::Granted(..)));
    }
    let before = scene.vault();
    let told = status(&scene);
    assert_eq!((&told["store"]["tokens"], &told["store"]["leases_under_way"]), (&2.into(), &1.into()), "{told}");
    let lease = &told["leases"][0];
    assert_eq!((lease["token"].as_str(), lease["holder"].as_str()), (Some(alice), Some("worker 7")), "{told}");
    assert!(lease["until"].as_str().is_some_and(|until| until.ends_with('Z')), "{told}");
    assert_eq!(scene.vault(), before, "nothing was changed");
    let table = String::from_utf8(scene.run(&["status"], b"").stdout).unwrap();
    assert!(table.contains("worker 7") && table.contains(alice) && !table.contains(bob), "{table}");
}

#[test]
fn a_vault_that_somebody_has_locked_is_told_as_busy_and_waited_for_no_longer_than_is_set() {
    let scene = Scene::new(Vault::KeyFile);
    let file = std::fs::File::open(scene.path("vault.tv")).unwrap();
    file.lock_shared().unwrap();
    let output = scene.run(&["doctor", "--lock-wait", "50ms"], b"");
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(4), "{stdout}{stderr}");
    assert!(stdout.contains("failed, the lock for writing: another process has had the vault locked"), "{stdout}");
    file.unlock().unwrap();
    assert!(scene.run(&["doctor", "--lock-wait", "50ms"], b"").status.success());
}

/// By the library: what takes part in refreshing a token does take it.
async fn lease(scene: &Scene, id: &str, holder: &str) -> Asked {
    let file = FileBackend::open(FileOptions::new(scene.path("vault.tv"), KeySource::KeyFile(scene.path("key"))));
    let granter = Granter::new(Arc::new(file.unwrap()), None, Arc::new(SystemClock));
    granter.ask(&Context::new(), RecordName::parse(id).unwrap(), holder, |_| true).await.unwrap()
}

#[tokio::test]
async fn who_looks_at_a_token_that_has_ended_takes_no_lease_and_waits_for_none() {
    let scene = Scene::new(Vault::KeyFile);
    let token = format!(
        r#"{{"user_name": "ada", "client_id": "app", "refresh_token": "canary", "access_token": "old", "expires_in": "{}"}}"#,
        in_seconds(-1)
    );
    let id = String::from_utf8(scene.run(&["save"], token.as_bytes()).stdout).unwrap().trim_end().to_owned();
    for is_held in [false, true] {
        if is_held {
            assert!(matches!(lease(&scene, &id, "another").await, Asked::Granted(..)), "it was free");
        }
        let before = scene.vault();
        for looking in [&["get", &id][..], &["find", "--user", "ada"], &["list"]] {
            // Who waited would be told to try again, in the end.
            let output = scene.run(looking, b"");
            assert!(output.status.success(), "{looking:?}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(scene.vault() == before, "{looking:?} wrote, held: {is_held}");
        }
    }
}
