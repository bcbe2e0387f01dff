//! Verification, and repair of what it finds.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_secretsmanager::primitives::Blob;
use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use tokenvault::backend::secrets_manager::repair::{SECOND_LISTING, Stage};
use tokenvault::backend::secrets_manager::survey::{Survey, Trouble};
use tokenvault::error::{ErrorKind, Result};
use tokenvault::fields::Field::{AccessToken, ClientId, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::cut::Cut;
use crate::operator::Operator;
use crate::simulated::{World, client};

const INDEX: &str = "test/vault/index";

fn sign_in(user: &str) -> OAuthToken {
    let token = OAuthToken::new().with(UserName, user).with(ClientId, "app").with(AccessToken, "a");
    token.with(RefreshToken, &format!("canary of {user}"))
}

/// A vault of so many users, on one page or on sixteen.
async fn vault_of(world: &World, users: usize) -> Vec<String> {
    let (vault, mut ids) = (world.vault("before"), Vec::new());
    for number in 0..users {
        let mut token = sign_in(&format!("user {number}"));
        vault.save_token(&Context::new(), &mut token).await.unwrap();
        ids.push(token.id().unwrap().to_owned());
    }
    ids
}

async fn quiet() -> World {
    World::new(Settings::new().seed(1)).await
}

async fn verified(world: &World) -> Survey {
    world.backend("auditor").verify(&Context::new()).await.unwrap().value
}

async fn repaired(world: &World) -> Survey {
    world.backend("mender").repair(&Context::new(), &|_| ()).await.unwrap().value
}

fn troubles(survey: &Survey) -> BTreeSet<Trouble> {
    survey.findings.iter().map(|finding| finding.trouble).collect()
}

/// Takes a secret away for good, as somebody with the console may.
async fn remove(world: &World, secret: &str) {
    let client = client(&world.simulator, "operator");
    client.delete_secret().secret_id(secret).force_delete_without_recovery(true).send().await.unwrap();
    world.simulator.clock().advance(Duration::from_secs(200));
}

async fn assert_all_found(world: &World, users: usize) {
    let vault = world.vault("after");
    assert_eq!(vault.get_tokens(&Context::new()).await.unwrap().value.len(), users);
    for number in 0..users {
        let mut wanted = OAuthToken::new().with(UserName, &format!("user {number}"));
        assert!(vault.find_token(&Context::new(), &mut wanted).await.unwrap().value, "user {number}");
    }
    world.assert_consistent("after a repair").await;
}

#[tokio::test]
async fn a_whole_vault_is_whole_and_stays_as_it_is() {
    let world = quiet().await;
    vault_of(&world, 3).await;
    let writes = world.simulator.counters().of(Operation::PutSecretValue);
    let survey = verified(&world).await;
    assert_eq!((survey.tokens, survey.pages, survey.findings.len()), (3, 1, 0), "{survey:?}");
    let after = world.simulator.counters().of(Operation::PutSecretValue);
    assert_eq!(writes, after, "nothing is written");
}

#[tokio::test]
async fn what_is_wrong_is_found_and_named() {
    let world = quiet().await;
    let ids = vault_of(&world, 5).await;
    let (operator, client) = (Operator::of(&world), client(&world.simulator, "operator"));
    let secret = |number: usize| format!("test/vault/token/{}", ids[number]);
    // A foreign secret, foreign bytes, a copy by hand, an old version in force, a secret that is gone.
    let foreign = client.create_secret().name("test/vault/token/mine").secret_binary(Blob::new("x"));
    foreign.send().await.unwrap();
    operator.write(&secret(0), b"foreign".to_vec()).await;
    let copy = operator.value(&secret(1), &operator.current(&secret(1)));
    operator.write(&secret(1), copy).await;
    let mut token = sign_in("user 2").with(AccessToken, "later");
    world.vault("before").save_token(&Context::new(), &mut token).await.unwrap();
    operator.put_in_force(&secret(2), &operator.versions(&secret(2))[0]).await;
    remove(&world, &secret(3)).await;
    world.simulator.clock().advance(Duration::from_secs(600));
    let survey = verified(&world).await;
    let expected = [
        (Trouble::TokenUnreadable, secret(0)),
        (Trouble::SetBack, secret(2)),
        (Trouble::ByHand, secret(1)),
        (Trouble::Dangling, secret(3)),
        (Trouble::Foreign, "test/vault/token/mine".to_owned()),
    ];
    let found: Vec<_> = survey.findings.iter().map(|finding| (finding.trouble, finding.secret.clone())).collect();
    assert_eq!(found, expected);
    assert!(!format!("{survey:?}").contains("canary"));
}

#[tokio::test]
async fn who_may_not_list_is_told_what_is_missing() {
    let world = quiet().await;
    vault_of(&world, 1).await;
    let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "secretsmanager:*",
        "Resource": "arn:aws:secretsmanager:us-east-1:123456789012:secret:test/*"}]}"#;
    let principal = Principal::new("arn:aws:iam::123456789012:user/auditor").policy(Policy::parse(policy).unwrap());
    world.simulator.principals(|principals| principals.insert("auditor", principal));
    let error = world.backend("auditor").verify(&Context::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.message().contains("secretsmanager:ListSecrets"), "{error}");
}

/// What a repair has to mend.
#[derive(Clone, Copy, Debug)]
enum Damage {
    LostRoot,
    DoomedRoot,
    ForeignRoot,
    LostPage,
    UnlistedToken,
    None,
}

impl Damage {
    async fn happen(self, world: &World) {
        let operator = Operator::of(world);
        match self {
            Self::LostRoot => remove(world, INDEX).await,
            Self::DoomedRoot => {
                client(&world.simulator, "operator").delete_secret().secret_id(INDEX).send().await.unwrap();
            }
            Self::ForeignRoot => drop(operator.write(INDEX, b"{}".to_vec()).await),
            Self::LostPage => {
                let pages = world.secrets("test/vault/index/").await;
                remove(world, &pages[3]).await;
            }
            Self::UnlistedToken => {
                // An index from before everybody, and nothing that leads to a later one.
                let empty = operator.value(INDEX, &operator.versions(INDEX)[0]);
                remove(world, INDEX).await;
                let client = client(&world.simulator, "operator");
                client.create_secret().name(INDEX).secret_binary(Blob::new(empty)).send().await.unwrap();
            }
            Self::None => {}
        }
    }

    const fn trouble(self) -> Option<Trouble> {
        match self {
            Self::LostRoot | Self::LostPage => Some(Trouble::PageMissing),
            Self::DoomedRoot => Some(Trouble::PageDoomed),
            Self::ForeignRoot => Some(Trouble::PageUnreadable),
            Self::UnlistedToken => Some(Trouble::TokenUnlisted),
            Self::None => None,
        }
    }
}

const ALL: [Damage; 6] =
    [Damage::LostRoot, Damage::DoomedRoot, Damage::ForeignRoot, Damage::LostPage, Damage::UnlistedToken, Damage::None];

fn users(damage: Damage) -> usize {
    if matches!(damage, Damage::LostPage) { 70 } else { 4 }
}

#[tokio::test]
async fn every_damage_to_the_index_is_found_and_mended() {
    for damage in ALL {
        let world = quiet().await;
        vault_of(&world, users(damage)).await;
        let client = client(&world.simulator, "operator");
        let foreign = client.create_secret().name("test/vault/mine").secret_binary(Blob::new("theirs"));
        foreign.send().await.unwrap();
        damage.happen(&world).await;
        let before = troubles(&verified(&world).await);
        assert!(damage.trouble().is_none_or(|trouble| before.contains(&trouble)), "{damage:?}: {before:?}");
        let after = repaired(&world).await;
        assert_eq!(after.tokens, users(damage), "{damage:?}");
        let left = troubles(&after);
        let harmless = BTreeSet::from([Trouble::Foreign, Trouble::PageLeft]);
        assert!(left.is_subset(&harmless) && left.contains(&Trouble::Foreign), "{damage:?}: {left:?}");
        let theirs = world.simulator.secret("test/vault/mine").unwrap();
        assert_eq!((theirs.versions.len(), theirs.deleted), (1, None), "what is not the vault's is left alone");
        assert_all_found(&world, users(damage)).await;
        // And it is a vault again.
        let mut token = sign_in("new");
        world.vault("after").save_token(&Context::new(), &mut token).await.unwrap();
        world.assert_consistent("a save after a repair").await;
    }
}

#[tokio::test]
async fn a_repair_of_many_tokens_makes_pages_and_keeps_everybody() {
    let world = quiet().await;
    vault_of(&world, 300).await;
    remove(&world, INDEX).await;
    let survey = repaired(&world).await;
    assert_eq!(survey.tokens, 300);
    assert!(survey.pages > 1, "{}", survey.pages);
    assert_all_found(&world, 300).await;
}

#[tokio::test]
async fn it_says_what_it_waits_for() {
    let world = quiet().await;
    vault_of(&world, 2).await;
    let stages = Mutex::new(Vec::new());
    let began = world.simulator.clock().now();
    world.backend("mender").repair(&Context::new(), &|stage| stages.lock().unwrap().push(stage)).await.unwrap();
    assert!(world.simulator.clock().now().since(began) >= SECOND_LISTING);
    let stages = stages.into_inner().unwrap();
    assert_eq!(stages[..3], [Stage::Reading, Stage::Building { entries: 4 }, Stage::Closing { pages: 0 }]);
    assert_eq!(stages[3], Stage::Waiting { left: SECOND_LISTING });
    assert_eq!(stages.last(), Some(&Stage::ListingAgain));
}

/// A repair that is cut off at each of its calls: the vault goes on, nobody is lost, and the next repair ends it.
async fn cut_everywhere(damage: Damage, with_effect: bool) -> usize {
    for left in 0.. {
        let cut = Arc::new(Cut::default());
        let world = World::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)).await;
        vault_of(&world, 4).await;
        damage.happen(&world).await;
        let victim = world.backend("victim");
        cut.arm(left, with_effect);
        let done: Result<Survey> = victim.repair(&Context::new(), &|_| ()).await.map(|answer| answer.value);
        let what = format!("{damage:?}, cut off after {left} calls, the next with effect: {with_effect}: {done:?}");
        if matches!(damage, Damage::None) {
            // The vault is in use all the while, but that writers may have to wait for the next repair.
            let listed = world.vault("other").get_tokens(&Context::new()).await;
            assert_eq!(listed.unwrap_or_else(|error| panic!("{what}: {error:?}")).value.len(), 4, "{what}");
            let saved = world.vault("other").save_token(&Context::new(), &mut sign_in("user 0")).await;
            assert!(saved.is_ok() || saved.is_err_and(|error| error.kind() == ErrorKind::Busy), "{what}");
        }
        let survey = repaired(&world).await;
        assert_eq!(survey.tokens, 4, "{what}");
        assert!(!troubles(&survey).iter().any(|trouble| trouble.is_damage()), "{what}: {survey:?}");
        assert_all_found(&world, 4).await;
        if !cut.was_cut() {
            return left;
        }
    }
    0
}

macro_rules! cut_off {
    ($($name:ident: $damage:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            for with_effect in [false, true] {
                let calls = cut_everywhere($damage, with_effect).await;
                assert!(calls >= 10, "{calls} calls are fewer than a repair makes");
            }
        }
    )*};
}

cut_off! {
    a_repair_of_a_whole_vault_can_be_cut_off: Damage::None;
    a_repair_of_a_lost_root_can_be_cut_off: Damage::LostRoot;
    a_repair_of_a_foreign_root_can_be_cut_off: Damage::ForeignRoot;
}

/// As above, with an index of many pages, which have to be closed; cut off here and there.
#[tokio::test]
async fn a_repair_of_many_pages_can_be_cut_off() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..3 {
        let cut = Arc::new(Cut::default());
        let world = World::new(Settings::new().seed(1).gate(Arc::clone(&cut) as _)).await;
        vault_of(&world, 70).await;
        let (left, with_effect) = (random.usize(150..330), random.bool());
        cut.arm(left, with_effect);
        let done = world.backend("victim").repair(&Context::new(), &|_| ()).await;
        let what = format!("seed {seed}, after {left} calls, the next with effect: {with_effect}: {done:?}");
        let listed = world.vault("other").get_tokens(&Context::new()).await.unwrap().value.len();
        assert_eq!(listed, 70, "{what}");
        assert_eq!(repaired(&world).await.tokens, 70, "{what}");
        assert_all_found(&world, 70).await;
    }
}

/// Nobody else can know which of the two is wanted.
#[tokio::test]
async fn who_signed_in_again_while_the_index_was_lost_is_named() {
    let world = quiet().await;
    vault_of(&world, 2).await;
    remove(&world, INDEX).await;
    world.backend("operator").create(&Context::new()).await.unwrap();
    let again = vault_of(&world, 1).await;
    world.simulator.clock().advance(Duration::from_secs(600));
    let survey = repaired(&world).await;
    let doubled: Vec<&str> = survey.findings.iter().map(|finding| &*finding.secret).collect();
    assert_eq!(
        (survey.tokens, troubles(&survey), doubled.len()),
        (3, BTreeSet::from([Trouble::Doubled]), 2),
        "{survey:?}"
    );
    assert!(doubled.contains(&&*format!("test/vault/token/{}", again[0])), "{doubled:?}");
    assert!(world.vault("user").delete_token(&Context::new(), &again[0]).await.unwrap().value);
    assert!(!troubles(&verified(&world).await).contains(&Trouble::Doubled));
}
