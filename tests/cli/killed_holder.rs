//! A process that is killed while it refreshes a token: whoever comes next takes over when its time is over, and not before.

use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokenvault::backend::Backend;
use tokenvault::backend::file::{FileBackend, FileOptions, KeySource};
use tokenvault::backend::leases::Granter;
use tokenvault::clock::{Clock, SystemClock, Timestamp};
use tokenvault::error::{ErrorKind, Result};
use tokenvault::layer::coordinate::{CoordinateOptions, Coordinated};
use tokenvault::lease::HELD_FOR;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault as TokenVault;

use crate::provider::in_seconds;
use crate::scene::{Scene, Vault};

/// A clock that is ahead of the machine's by so much.
#[derive(Debug)]
struct Ahead(Duration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().after(self.0)
    }
}

/// What another process reads by such a clock; it waits for nobody.
async fn read(scene: &Scene, id: &str, ahead: Duration) -> Result<Arc<OAuthToken>> {
    let options = FileOptions::new(scene.path("vault.tv"), KeySource::KeyFile(scene.path("key")));
    let (backend, clock) = (Arc::new(FileBackend::open(options)?), Arc::new(Ahead(ahead)));
    let granter = Granter::new(Arc::clone(&backend) as Arc<dyn Backend>, None, Arc::clone(&clock) as Arc<dyn Clock>);
    let vault = TokenVault::with_clock(backend, Arc::clone(&clock) as Arc<dyn Clock>);
    let options = CoordinateOptions { wait: Duration::ZERO, clock, ..CoordinateOptions::default() };
    let store = Coordinated::new(Arc::new(vault), granter, "next", options);
    Ok(store.find_token_by_id(&Context::new().with_caller("next"), id).await?.value.expect("it is there"))
}

#[tokio::test]
async fn the_next_takes_over_from_a_process_that_was_killed() {
    let (scene, provider) = (Scene::new(Vault::KeyFile), TcpListener::bind("127.0.0.1:0").unwrap());
    let token = format!(
        r#"{{"user_name":"ada","client_id":"app","client_secret":"canary","refresh_token":"refresh","access_token":"old","expires_in":"{}"}}"#,
        in_seconds(-1)
    );
    let saved = scene.run(&["save"], token.as_bytes());
    let id = String::from_utf8(saved.stdout).unwrap().trim_end().to_owned();
    let mut command = scene.command();
    command.args(["token", "--provider", &format!("http://{}", provider.local_addr().unwrap()), &id]);
    let mut holder = command.spawn().unwrap();
    // It has the lease, and has begun to ask.
    let (mut asking, _) = provider.accept().unwrap();
    asking.read_exact(&mut [0; 4]).unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();

    let soon = HELD_FOR - Duration::from_secs(60);
    assert_eq!(read(&scene, &id, soon).await.unwrap_err().kind(), ErrorKind::Busy);
    let next = read(&scene, &id, HELD_FOR + Duration::from_secs(1)).await.unwrap();
    assert!(next.lease().is_some(), "it is sent to refresh");
    assert_eq!(next.fields().text(tokenvault::fields::Field::RefreshToken), Some("refresh"));
}
