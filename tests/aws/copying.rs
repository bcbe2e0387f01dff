//! Copies between a vault in AWS and another store.

use std::sync::Arc;

use secrets_manager_simulator::settings::Settings;
use tokenvault::backend::Backend;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::copy::{CopyOptions, CopyReport, copy};
use tokenvault::error::Result;
use tokenvault::fields::Field::{AccessToken, ClientId, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::record_codec;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

use crate::cut::Cut;
use crate::simulated::World;

fn sign_in(user: &str) -> OAuthToken {
    let refresh = format!("refresh of {user}");
    OAuthToken::new().with(UserName, user).with(ClientId, "app").with(RefreshToken, &refresh).with(AccessToken, "first")
}

async fn copied(from: &dyn Backend, to: &dyn Backend) -> Result<CopyReport> {
    copy(from, to, &Context::new(), &CopyOptions::default()).await
}

/// A vault in memory with so many users, the first of them with an id of its own and a second sign-in.
async fn in_memory(users: usize) -> Arc<MemoryBackend> {
    let backend = Arc::new(MemoryBackend::new());
    let (cx, vault) = (Context::new(), Vault::new(Arc::clone(&backend) as _));
    vault.save_token(&cx, &mut sign_in("user 0").with_id("brought")).await.unwrap();
    for number in 1..users {
        vault.save_token(&cx, &mut sign_in(&format!("user {number}"))).await.unwrap();
    }
    vault.save_token(&cx, &mut sign_in("user 0").with(RefreshToken, "of another sign-in")).await.unwrap();
    backend
}

/// Every record, byte by byte.
async fn bytes(backend: &dyn Backend) -> Vec<Vec<u8>> {
    let mut records = backend.list(&Context::new()).await.unwrap().value;
    records.sort_unstable_by_key(|record| record.name);
    records.iter().map(|record| [&record.name.as_bytes()[..], &record_codec::encode(record)].concat()).collect()
}

#[tokio::test]
async fn a_copy_is_the_same_byte_by_byte_and_a_second_one_writes_nothing() {
    let (source, world) = (in_memory(130).await, World::new(Settings::new().seed(1)).await);
    let report = copied(&*source, &world.backend("copier")).await.unwrap();
    assert_eq!((report.new, report.updated, report.unchanged), (130, 0, 0), "{report:?}");
    assert_eq!((report.in_source, report.in_target), (130, 130));
    assert_eq!(bytes(&*source).await, bytes(&world.backend("reader")).await);
    world.assert_consistent("a copy").await;
    assert_eq!(world.secrets("test/vault/index/").await.len(), 0, "one write of the index for a hundred tokens");
    let found = world.vault("reader").find_token_by_id(&Context::new(), "brought").await.unwrap().value.unwrap();
    assert_eq!(found.fields().text(RefreshToken), Some("of another sign-in"));

    let before = world.simulator.trail().len();
    let again = copied(&*source, &world.backend("copier")).await.unwrap();
    assert_eq!((again.new, again.updated, again.unchanged), (0, 0, 130));
    assert_eq!(again.fingerprint, report.fingerprint);
    assert!(again.fingerprint.is_some_and(|text| text.len() == 16));
    let writes = ["CreateSecret", "PutSecretValue", "UpdateSecret", "DeleteSecret"];
    let is_write = |event: &serde_json::Value| writes.iter().any(|name| event["eventName"] == *name);
    assert!(!world.simulator.trail()[before..].iter().any(is_write));

    let back = MemoryBackend::new();
    assert_eq!(copied(&world.backend("copier"), &back).await.unwrap().new, 130);
    assert_eq!(bytes(&*source).await, bytes(&back).await, "and back");
}

#[tokio::test]
async fn a_newer_state_follows_and_an_older_one_does_not_overwrite() {
    let (source, target) = (in_memory(3).await, Arc::new(MemoryBackend::new()));
    assert_eq!(copied(&*source, &*target).await.unwrap().new, 3);
    let (cx, of_source, of_target) =
        (Context::new(), Vault::new(Arc::clone(&source) as _), Vault::new(Arc::clone(&target) as _));
    let refresh = async |vault: &Vault, user: &str, access: &str| {
        let mut token = OAuthToken::new().with(UserName, user);
        vault.find_token(&cx, &mut token).await.unwrap();
        vault.save_token(&cx, &mut token.with(AccessToken, access)).await.unwrap();
    };
    refresh(&of_source, "user 0", "newer").await;
    refresh(&of_target, "user 1", "kept").await;
    refresh(&of_source, "user 2", "one").await;
    refresh(&of_target, "user 2", "other").await;
    let report = copied(&*source, &*target).await.unwrap();
    assert_eq!((report.updated, report.kept.len(), report.conflicts.len()), (1, 1, 1), "{report:?}");
    assert!(report.conflicts[0].reason.contains("apart"), "{report:?}");
    for (user, access) in [("user 0", "newer"), ("user 1", "kept"), ("user 2", "other")] {
        let mut token = OAuthToken::new().with(UserName, user);
        of_target.find_token(&cx, &mut token).await.unwrap();
        assert_eq!(token.fields().text(AccessToken), Some(access));
    }
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_by_id_and_left_alone() {
    let (source, world) = (in_memory(3).await, World::new(Settings::new().seed(1)).await);
    let (cx, vault) = (Context::new(), world.vault("there before"));
    vault.save_token(&cx, &mut sign_in("user 1").with(AccessToken, "own")).await.unwrap();
    vault.save_token(&cx, &mut sign_in("somebody").with_id("brought")).await.unwrap();
    let report = copied(&*source, &world.backend("copier")).await.unwrap();
    let mut reasons: Vec<_> = report.conflicts.iter().map(|conflict| conflict.reason).collect();
    reasons.sort_unstable();
    assert_eq!(
        (report.new, &reasons[..]),
        (1, &["another token has its id", "another token is of its user and client"][..])
    );
    assert!(report.conflicts.iter().any(|conflict| &*conflict.id == "brought"));
    let mut token = OAuthToken::new().with(UserName, "user 1");
    assert!(vault.find_token(&cx, &mut token).await.unwrap().value);
    assert_eq!(token.fields().text(AccessToken), Some("own"));
    world.assert_consistent("beside others").await;
}

#[tokio::test]
async fn who_was_deleted_there_stays_so() {
    let (source, world) = (in_memory(3).await, World::new(Settings::new().seed(1)).await);
    assert_eq!(copied(&*source, &world.backend("copier")).await.unwrap().new, 3);
    let vault = world.vault("there");
    let mut token = OAuthToken::new().with(UserName, "user 1");
    vault.find_token(&Context::new(), &mut token).await.unwrap();
    vault.delete_token(&Context::new(), token.id().unwrap()).await.unwrap();
    let report = copied(&*source, &world.backend("copier")).await.unwrap();
    assert_eq!((report.unchanged, report.conflicts.len()), (2, 1), "{report:?}");
    assert_eq!(Some(&*report.conflicts[0].id), token.id());
    assert!(report.conflicts[0].reason.contains("deleted"), "{report:?}");
    world.assert_consistent("a log-out is final").await;
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_changes_nothing() {
    let (source, world) = (in_memory(30).await, World::new(Settings::new().seed(1)).await);
    let options = CopyOptions { dry_run: true, ..CopyOptions::default() };
    let report = copy(&*source, &world.backend("copier"), &Context::new(), &options).await.unwrap();
    assert_eq!((report.new, report.fingerprint), (30, None));
    assert_eq!(world.simulator.names(), ["test/vault/index"]);
}

#[tokio::test]
async fn a_copy_that_is_cut_off_goes_on_where_it_was() {
    let source = in_memory(4).await;
    for with_effect in [false, true] {
        for left in 0.. {
            let cut = Arc::new(Cut::default());
            let world = World::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)).await;
            cut.arm(left, with_effect);
            let ended = copied(&*source, &world.backend("victim")).await;
            let what = format!("cut off after {left} calls, the next with effect: {with_effect}: {ended:?}");
            world.assert_consistent(&what).await;
            let again =
                copied(&*source, &world.backend("next")).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            assert_eq!((again.new + again.unchanged, again.conflicts.len()), (4, 0), "{what}: {again:?}");
            assert_eq!(bytes(&*source).await, bytes(&world.backend("reader")).await, "{what}");
            world.assert_consistent(&format!("{what}, again")).await;
            if !cut.was_cut() {
                assert!(left >= 10, "{left} calls are fewer than it makes");
                break;
            }
        }
    }
}
