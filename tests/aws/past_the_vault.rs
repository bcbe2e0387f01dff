//! CloudTrail beside the audit trail: every read of a secret that the vault made has a line, and no other has one.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use tokenvault::audit::cloudtrail::Join;
use tokenvault::audit::file_sink::AuditFile;
use tokenvault::audit::keys::Keys;
use tokenvault::audit::read::{Line, pieces};
use tokenvault::audit::recorder::{Recorder, RecorderOptions};
use tokenvault::backend::audit_key::AuditKey;
use tokenvault::fields::Field;
use tokenvault::layer::audit::Audited;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::simulated::{World, client};

fn token(user: &str) -> OAuthToken {
    let token = OAuthToken::new().with(Field::UserName, user).with(Field::ClientId, "app");
    token.with(Field::RefreshToken, &format!("refresh of {user}"))
}

#[tokio::test]
async fn only_who_reads_past_the_vault_is_a_stranger() {
    let world = World::new(Settings::new().seed(7)).await;
    // What made the vault came before its trail.
    world.simulator.clock().advance(Duration::from_secs(3600));
    world.simulator.take_trail();
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let keys = Keys::derive(&AuditKey::random().unwrap()).unwrap();
    let recorder = Recorder::new(Arc::new(AuditFile::new(&path)), keys, RecorderOptions::default());
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
    client(&world.simulator, "eve").get_secret_value().secret_id(&secret).send().await.unwrap();
    drop(store);

    world.simulator.clock().advance(Duration::from_secs(3600));
    let events = world.simulator.trail();
    let reads = events.iter().filter(|event| event["eventName"] == "GetSecretValue").count();
    assert!(reads > 100, "{reads}");
    let mut join = Join::new("test/vault");
    let trail = std::fs::read(&path).unwrap();
    pieces(&trail[..], |piece| join.take(Line::parse(piece.bytes).unwrap())).unwrap();
    let strangers = join.strangers(serde_json::Value::from(events).to_string().as_bytes()).unwrap();
    assert_eq!(strangers.len(), 1, "{strangers:?}");
    assert!(strangers[0].secrets == [secret] && strangers[0].who.contains("eve"), "{strangers:?}");
}
