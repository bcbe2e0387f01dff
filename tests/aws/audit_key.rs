//! The key of the audit trail: one for a vault, whoever asks first, and for as long as the vault is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrets_manager_simulator::kms::KeyState;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use secrets_manager_simulator::switches::{Staleness, Switches};
use tokenvault::backend::Backend;
use tokenvault::backend::audit_key::AuditKeySource;
use tokenvault::backend::secrets_manager::SecretsManagerBackend;
use tokenvault::backend::secrets_manager::survey::Trouble;
use tokenvault::error::{ErrorKind, Result};
use tokenvault::fields::Field::{ClientId, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::operator::Operator;
use crate::orders::in_orders;
use crate::schedules::{ACTORS, Act, bound};
use crate::simulated::{World, client};
use crate::warnings::Warnings;

const SECRET: &str = "test/vault/audit-key";

async fn key(backend: &SecretsManagerBackend) -> Result<[u8; 32]> {
    backend.audit_key(&Context::new()).await.map(|key| *key.expose())
}

async fn key_of(world: &World, who: &str) -> [u8; 32] {
    key(&world.backend(who)).await.unwrap()
}

fn sign_in(user: &str) -> OAuthToken {
    OAuthToken::new().with(UserName, user).with(ClientId, "app").with(RefreshToken, &format!("refresh of {user}"))
}

#[tokio::test]
async fn one_key_is_made_at_first_use_and_hidden_among_the_tokens() {
    let world = World::new(Settings::new().seed(1)).await;
    let vault = world.vault("one");
    vault.save_token(&Context::new(), &mut sign_in("ada")).await.unwrap();
    assert!(world.simulator.secret(SECRET).is_none(), "who wants no trail pays for no secret");
    let made = key_of(&world, "one").await;
    assert_ne!(made, [0; 32]);
    let creates = world.simulator.counters().of(Operation::CreateSecret);
    for who in ["one", "two", "three"] {
        assert_eq!(key_of(&world, who).await, made, "{who}");
    }
    assert_eq!(world.simulator.counters().of(Operation::CreateSecret), creates);

    world.simulator.clock().advance(Duration::from_secs(600));
    let survey = world.backend("operator").verify(&Context::new()).await.unwrap().value;
    assert_eq!((survey.tokens, survey.findings), (1, vec![]));
    let repaired = world.backend("operator").repair(&Context::new(), &|_| ()).await.unwrap().value;
    assert_eq!((repaired.tokens, repaired.findings.iter().filter(|one| one.secret == SECRET).count()), (1, 0));
    assert_eq!(world.backend("two").list(&Context::new()).await.unwrap().value.len(), 1);
    assert_eq!(vault.delete_tokens(&Context::new()).await.unwrap().value, 1);
    assert_eq!(key_of(&world, "after").await, made, "a trail outlives the tokens it is about");
}

#[tokio::test]
async fn where_there_is_no_vault_no_key_is_made() {
    let world = World { simulator: Simulator::new(Settings::new().seed(1)) };
    assert_eq!(key(&world.backend("one")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(world.simulator.names(), Vec::<String>::new());
}

/// Two who open a trail, and what each of them was given.
struct Openers(Arc<Mutex<Vec<[u8; 32]>>>);

impl Openers {
    fn act(&self, backend: SecretsManagerBackend) -> Act {
        let given = Arc::clone(&self.0);
        Box::pin(async move {
            let key = key(&backend).await?;
            given.lock().unwrap().push(key);
            Ok(())
        })
    }

    /// All that were given since, which are one.
    async fn assert_one(&self, world: &World, count: usize, what: &str) {
        let given = std::mem::take(&mut *self.0.lock().unwrap());
        assert_eq!(given, vec![key_of(world, "after").await; count], "{what}");
    }
}

async fn begun() -> World {
    let before = World::new(Settings::new().seed(1).switches(Switches { trail: false, ..Switches::default() })).await;
    before.simulator.keys(|keys| keys.create("new"));
    before.vault("before").save_token(&Context::new(), &mut sign_in("ada")).await.unwrap();
    before
}

#[tokio::test]
async fn two_who_make_it_at_once_have_one_key() {
    let (before, openers) = (begun().await, Openers(Arc::default()));
    let both = |world: &World| ACTORS.map(|actor| openers.act(world.backend(actor)));
    let judge = async |world: &World, ended: [Result<()>; 2], what: &str| {
        assert!(ended.iter().all(Result::is_ok), "{what}: {ended:?}");
        openers.assert_one(world, 2, what).await;
    };
    in_orders(&before, ("two keys", usize::MAX), both, judge).await;
}

/// Also where the maker has read the index before it was moved, and makes the secret long after.
#[tokio::test]
async fn a_key_made_beside_a_move_to_another_kms_key_is_under_the_new_one() {
    let (before, openers) = (begun().await, Openers(Arc::default()));
    let both = |world: &World| {
        let rotating = world.backend(ACTORS[0]);
        let rotate: Act =
            Box::pin(async move { rotating.rotate_key(&Context::new(), "new", &|_, _| ()).await.map(drop) });
        [rotate, openers.act(world.backend(ACTORS[1]))]
    };
    let judge = async |world: &World, ended: [Result<()>; 2], what: &str| {
        assert!(ended.iter().all(Result::is_ok), "{what}: {ended:?}");
        world.assert_under("new", what);
        openers.assert_one(world, 1, what).await;
    };
    in_orders(&before, ("a key beside a move", bound(24)), both, judge).await;
}

#[tokio::test]
async fn reads_that_come_late_make_no_second_key() {
    for staleness in [Staleness::Lagging, Staleness::Adversarial, Staleness::Stalest] {
        let world = World::new(Settings::new().seed(fastrand::u64(..))).await;
        world.simulator.set(|switches| switches.staleness = staleness);
        let made = key_of(&world, "maker").await;
        for who in ["one", "two", "three"] {
            assert_eq!(key_of(&world, who).await, made, "{staleness:?}");
        }
        assert_eq!(world.simulator.secret(SECRET).unwrap().versions.len(), 1, "{staleness:?}");
    }
}

#[tokio::test]
async fn it_is_made_under_the_vaults_kms_key_and_moves_with_it() {
    let world = World::under(Settings::new().seed(1), "old").await;
    world.vault("one").save_token(&Context::new(), &mut sign_in("ada")).await.unwrap();
    let made = key_of(&world, "one").await;
    world.assert_under("old", "made");
    let report = world.backend("operator").rotate_key(&Context::new(), "new", &|_, _| ()).await.unwrap().value;
    world.assert_under("new", "moved");
    // The index, the token, the key.
    assert_eq!((report.secrets, report.moved, report.current()), (3, 3, 0), "{report:?}");
    world.simulator.keys(|keys| keys.set("old", KeyState::Disabled));
    assert_eq!(key_of(&world, "two").await, made);
}

#[tokio::test]
async fn one_that_is_scheduled_for_deletion_is_told_and_not_replaced() {
    let world = World::new(Settings::new().seed(1)).await;
    let made = key_of(&world, "one").await;
    let operator = client(&world.simulator, "operator");
    operator.delete_secret().secret_id(SECRET).recovery_window_in_days(7).send().await.unwrap();
    let error = key(&world.backend("two")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.hint().unwrap().contains(&format!("restore-secret --secret-id {SECRET}")), "{error:?}");
    world.simulator.clock().advance(Duration::from_secs(600));
    let survey = world.backend("operator").verify(&Context::new()).await.unwrap().value;
    assert_eq!(survey.findings.iter().map(|one| one.trouble).collect::<Vec<_>>(), [Trouble::AuditKeyDoomed]);
    operator.restore_secret().secret_id(SECRET).send().await.unwrap();
    assert_eq!(key_of(&world, "three").await, made);
}

#[tokio::test]
async fn one_that_was_written_by_hand_is_told_and_one_that_is_none_is_refused() {
    let world = World::new(Settings::new().seed(1)).await;
    let (made, operator) = (key_of(&world, "one").await, Operator::of(&world));
    let copy = operator.value(SECRET, &operator.current(SECRET));
    operator.write(SECRET, copy).await;
    let warnings = Warnings::gathered();
    assert_eq!(key_of(&world, "two").await, made);
    assert_eq!(warnings.naming(&[SECRET, "by hand"]), 1);

    let index = operator.value("test/vault/index", &operator.current("test/vault/index"));
    for (value, kind) in [(b"canary".to_vec(), ErrorKind::Unsupported), (index, ErrorKind::Damaged)] {
        operator.write(SECRET, value).await;
        let error = key(&world.backend("three")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(!format!("{error:?}").contains("canary"));
        world.simulator.clock().advance(Duration::from_secs(600));
        let survey = world.backend("operator").verify(&Context::new()).await.unwrap().value;
        assert_eq!(survey.findings.iter().map(|one| one.trouble).collect::<Vec<_>>(), [Trouble::AuditKeyUnreadable]);
    }
}
