//! CloudTrail beside the audit trail: every read of a secret that the vault made has a line, and no other has one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use tokenvault::audit::cloudtrail::Join;
use tokenvault::audit::file_sink::AuditFile;
use tokenvault::audit::keys::Keys;
use tokenvault::audit::read::pieces;
use tokenvault::audit::recorder::{Recorder, RecorderOptions};
use tokenvault::backend::audit_key::AuditKeySource;
use tokenvault::fields::Field;
use tokenvault::layer::audit::Audited;
use tokenvault::operation::{Context, Requests};
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::simulated::{World, client};

fn token(user: &str) -> OAuthToken {
    let token = OAuthToken::new().with(Field::UserName, user).with(Field::ClientId, "app");
    token.with(Field::RefreshToken, &format!("refresh of {user}"))
}

/// A trail whose key was made by one process, and is read by the one that works: that is a read like the others.
async fn recorder(world: &World, path: &Path) -> Recorder {
    world.backend("maker").audit_key(&Context::new()).await.unwrap();
    // What made the vault and its key came before its trail.
    world.simulator.clock().advance(Duration::from_secs(3600));
    world.simulator.take_trail();
    let requests = Arc::new(Requests::default());
    let cx = Context::new().with_requests(Arc::clone(&requests));
    let keys = Keys::derive(&world.backend("vault").audit_key(&cx).await.unwrap()).unwrap();
    let mut options = RecorderOptions::default();
    options.requests = requests.take();
    assert!(!options.requests.is_empty());
    Recorder::new(Arc::new(AuditFile::new(path)), keys, options)
}

#[tokio::test]
async fn only_who_reads_past_the_vault_is_a_stranger() {
    let world = World::new(Settings::new().seed(7)).await;
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let recorder = recorder(&world, &path).await;
    let store = Audited::new(Arc::new(world.vault("vault")), Arc::new(recorder));
    let cx = Context::new();
    let mut ids = Vec::new();
    for number in 0..50 {
        let mut given = token(&format!("user {number}"));
        store.save_token(&cx, &mut given).await.unwrap();
        ids.push(given.id().unwrap().to_owned());
    }
    // More reads than one line names; some that are tried again; and a call that fails in the middle.
    assert_eq!(store.get_tokens(&cx).await.unwrap().value.len(), 50);
    world.simulator.inject(Fault::new(Failure::Throttled).on(Operation::GetSecretValue).times(3));
    assert!(store.find_token(&cx, &mut token("user 7").detached()).await.unwrap().value);
    let refused = secrets_manager_simulator::error::ServiceError::new("AccessDeniedException", "not today");
    world.simulator.inject(Fault::new(Failure::Refused(refused)).on(Operation::PutSecretValue));
    store.save_token(&cx, &mut token("user 8").with(Field::AccessToken, "new")).await.unwrap_err();
    world.simulator.clear_faults();
    store.delete_token(&cx, &ids[9]).await.unwrap();
    let secret = format!("test/vault/token/{}", ids[3]);
    for secret in [&secret, "test/vault/audit-key"] {
        client(&world.simulator, "eve").get_secret_value().secret_id(secret).send().await.unwrap();
        world.simulator.clock().advance(Duration::from_secs(1));
    }
    drop(store);

    world.simulator.clock().advance(Duration::from_secs(3600));
    let events = world.simulator.trail();
    let reads = events.iter().filter(|event| event["eventName"] == "GetSecretValue").count();
    assert!(reads > 100, "{reads}");
    let mut join = Join::new("test/vault");
    let trail = std::fs::read(&path).unwrap();
    pieces(&trail[..], |piece| join.take(piece.line().unwrap())).unwrap();
    let held = join.hold(serde_json::Value::from(events).to_string().as_bytes()).unwrap();
    assert!(held.reads > 50 && held.events > held.reads, "{} reads, {} events", held.reads, held.events);
    let strangers = held.strangers;
    let secrets: Vec<&str> = strangers.iter().flat_map(|one| one.secrets.iter().map(String::as_str)).collect();
    assert_eq!(secrets, [secret.as_str(), "test/vault/audit-key"], "{strangers:?}");
    assert!(strangers.iter().all(|one| one.who.contains("eve")), "{strangers:?}");
}
