//! The doctor's own secret: what is left of it, whatever becomes of the doctor.

use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::error::ServiceError;
use secrets_manager_simulator::faults::Fault;
use secrets_manager_simulator::gate::Failure;
use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use tokenvault::backend::secrets_manager::rights::{Came, Need, Rights};
use tokenvault::backend::secrets_manager::survey::Trouble;
use tokenvault::fields::Field::{RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;

use crate::cut::Cut;
use crate::simulated::World;

/// What the Terraform module gives to an application: no purge, no listing.
const APPLICATION: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": ["secretsmanager:CreateSecret", "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:RestoreSecret"],
     "Resource": "arn:aws:secretsmanager:us-east-1:123456789012:secret:test/vault/*"},
    {"Effect": "Allow", "Action": ["secretsmanager:DeleteSecret"],
     "Resource": "arn:aws:secretsmanager:us-east-1:123456789012:secret:test/vault/*",
     "Condition": {"BoolIfExists": {"secretsmanager:ForceDeleteWithoutRecovery": "false"}}}]}"#;

const EVERYTHING: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;

const MINIMAL: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
    "secretsmanager:CreateSecret", "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue", "secretsmanager:DeleteSecret"]}]}"#;

async fn world() -> World {
    world_of(Settings::new().seed(7)).await
}

async fn world_of(settings: Settings) -> World {
    let world = World::new(settings).await;
    let mut token = OAuthToken::new().with(UserName, "ada").with(RefreshToken, "first");
    world.vault("user").save_token(&Context::new(), &mut token).await.unwrap();
    world
}

fn grant(world: &World, access_key: &str, policy: &str) {
    let principal = Principal::new(format!("arn:aws:iam::123456789012:user/{access_key}"));
    let principal = principal.policy(Policy::parse(policy).unwrap());
    world.simulator.principals(|principals| principals.insert(access_key, principal));
}

async fn rights(world: &World, access_key: &str) -> Rights {
    world.backend(access_key).try_rights(&Context::new(), None).await.unwrap().value
}

/// The doctors' secrets that are there and are not scheduled for deletion, and those that are.
fn probes(world: &World) -> (Vec<String>, Vec<String>) {
    let all = world.simulator.names().into_iter().filter(|name| name.starts_with("test/vault/doctor/"));
    all.partition(|name| world.simulator.secret(name).unwrap().deleted.is_none())
}

/// Everything but the doctors'.
fn others(world: &World) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    let all = world.simulator.names().into_iter().filter(|name| !name.starts_with("test/vault/doctor/"));
    all.map(|name| world.simulator.secret(&name).unwrap()).collect()
}

fn is_granted(rights: &Rights, action: &str) -> bool {
    let trial = rights.trials.iter().find(|trial| trial.action == action).unwrap();
    matches!(trial.came, Came::Granted(_))
}

#[tokio::test]
async fn who_may_do_everything_leaves_nothing_at_all() {
    let world = world().await;
    let (before, calls) = (others(&world), world.simulator.counters().total());
    let rights = rights(&world, "doctor").await;
    assert_eq!(world.simulator.counters().total() - calls, 12 + 7, "and no more to look for leftovers");
    for trial in &rights.trials {
        assert!(matches!(trial.came, Came::Granted(None)), "{trial:?}");
    }
    assert_eq!(rights.trials.len(), 13);
    assert!(rights.unasked.is_none() && rights.left.is_none());
    assert!(probes(&world).0.is_empty());
    assert!(others(&world) == before, "no other secret was touched");
    // A deletion without a recovery window takes AWS a while.
    world.simulator.clock().advance(Duration::from_mins(3));
    assert_eq!(probes(&world), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn an_application_leaves_one_that_is_scheduled_for_deletion_and_uses_it_again_once_all_names_are_taken() {
    let world = world().await;
    grant(&world, "doctor", APPLICATION);
    let before = others(&world);
    for run in 1..=12 {
        let rights = rights(&world, "doctor").await;
        for trial in &rights.trials {
            let expected = trial.need == Need::Always;
            assert_eq!(matches!(trial.came, Came::Granted(_)), expected, "run {run}: {trial:?}");
            assert!(!expected || !matches!(trial.came, Came::Granted(Some(_))) || run > 8, "run {run}: {trial:?}");
        }
        assert!(rights.left.is_none(), "run {run}");
        let (live, doomed) = probes(&world);
        assert_eq!((live, doomed.len()), (Vec::new(), run.min(8)), "run {run}");
    }
    world.simulator.clock().advance(Duration::from_hours(24 * 9));
    assert_eq!(probes(&world), (Vec::new(), Vec::new()), "after their recovery window they are gone");
    assert!(others(&world) == before);
}

#[tokio::test]
async fn without_the_right_to_restore_the_names_run_out_and_nothing_else_does() {
    let world = world().await;
    grant(&world, "doctor", MINIMAL);
    for _ in 0..8 {
        assert!(is_granted(&rights(&world, "doctor").await, "kms:Decrypt"));
    }
    let ninth = rights(&world, "doctor").await;
    for action in ["CreateSecret", "GetSecretValue", "PutSecretValue", "DescribeSecret", "DeleteSecret"] {
        assert!(is_granted(&ninth, &format!("secretsmanager:{action}")), "{action}");
    }
    assert!(!is_granted(&ninth, "secretsmanager:RestoreSecret"));
    assert!(!is_granted(&ninth, "kms:Decrypt"), "KMS was not asked");
    let (live, doomed) = probes(&world);
    assert_eq!((live.len(), doomed.len()), (0, 8));
}

#[tokio::test]
async fn a_probe_that_was_put_in_force_too_often_is_left_alone_until_its_versions_are_gone() {
    let world = world().await;
    grant(&world, "doctor", APPLICATION);
    for run in 0..120 {
        let rights = rights(&world, "doctor").await;
        let put = rights.trials.iter().find(|trial| trial.action.ends_with("PutSecretValue")).unwrap();
        assert!(matches!(put.came, Came::Granted(_)), "run {run}: {put:?}");
        assert_eq!(probes(&world).0.len(), 0, "run {run}");
    }
    let most = probes(&world).1.iter().map(|name| world.simulator.secret(name).unwrap().versions.len()).max();
    assert!(most.unwrap() <= 97, "{most:?}");
}

/// Killed at each of its calls, before the call took effect and after.
#[tokio::test]
async fn a_doctor_that_is_killed_leaves_what_the_next_takes_away() {
    let mut has_left = 0;
    for policy in [EVERYTHING, APPLICATION] {
        for left in 0.. {
            let mut was_cut = false;
            for with_effect in [false, true] {
                let cut = Arc::new(Cut::default());
                let world = world_of(Settings::new().seed(7).gate(Arc::clone(&cut) as _)).await;
                for who in ["victim", "doctor", "operator", "checker", "user"] {
                    grant(&world, who, if who == "victim" || who == "doctor" { policy } else { EVERYTHING });
                }
                let before = others(&world);
                cut.arm(left, with_effect);
                let what =
                    format!("cut off at call {left}, {}", if with_effect { "after its effect" } else { "before" });
                drop(world.backend("victim").try_rights(&Context::new(), None).await);
                was_cut |= cut.was_cut();
                let is_left = !probes(&world).0.is_empty();
                has_left += usize::from(is_left);

                // Verification does not take it for anything else.
                let survey = world.backend("checker").verify(&Context::new()).await.unwrap().value;
                let troubles: Vec<Trouble> = survey.findings.iter().map(|finding| finding.trouble).collect();
                assert_eq!(troubles, vec![Trouble::ProbeLeft; usize::from(is_left)], "{what}");
                assert!(!Trouble::ProbeLeft.is_damage() && survey.tokens == 1, "{what}");

                world.simulator.clock().advance(Duration::from_mins(11));
                let next = rights(&world, "doctor").await;
                assert_eq!(next.left_overs, usize::from(is_left), "{what}");
                assert!(is_granted(&next, "secretsmanager:PutSecretValue") && next.left.is_none(), "{what}");
                let (live, _) = probes(&world);
                assert_eq!(live, Vec::<String>::new(), "{what}");
                assert!(others(&world) == before, "{what}: no other secret was touched");
            }
            if !was_cut {
                assert!(left > 10, "it makes more calls than {left}");
                break;
            }
        }
    }
    assert!(has_left > 5, "some were killed while there was one: {has_left}");
}

/// Each try of a call may take ten seconds.
#[tokio::test]
async fn a_doctor_that_is_cut_off_tries_one_call_more_and_no_other() {
    const ATTEMPTS: usize = 8;
    let mut cut_offs = 0;
    for left in 0.. {
        let cut = Arc::new(Cut::default());
        let world = world_of(Settings::new().seed(7).gate(Arc::clone(&cut) as _)).await;
        grant(&world, "victim", EVERYTHING);
        cut.arm_for(left, false, ATTEMPTS + 1);
        drop(world.backend("victim").try_rights(&Context::new(), None).await);
        if !cut.was_cut() {
            break;
        }
        cut_offs += 1;
        assert!(!cut.is_over(), "cut off at call {left}, it tried more than one");
    }
    assert!(cut_offs > 10, "it makes more calls than {cut_offs}");
}

#[tokio::test]
async fn a_key_that_opens_nothing_is_told_from_one_that_seals_nothing() {
    let world = world().await;
    let refusal = ServiceError::new("AccessDeniedException", "Access to KMS is not allowed");
    let refused = Fault::new(Failure::Refused(refusal)).on(Operation::GetSecretValue).times(u64::MAX);
    world.simulator.inject(refused);
    let rights = rights(&world, "doctor").await;
    let came = |action: &str| &rights.trials.iter().find(|trial| trial.action == action).unwrap().came;
    assert!(matches!(came("kms:Decrypt"), Came::Refused(_)), "{rights:?}");
    assert!(matches!(came("kms:GenerateDataKey"), Came::Granted(None)), "{rights:?}");
}

/// One at work is not disturbed.
#[tokio::test]
async fn what_another_doctor_is_at_work_on_is_left_alone() {
    let world = world().await;
    let deny = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "secretsmanager:DeleteSecret", "Resource": "*"}]}"#;
    grant(&world, "undeleting", deny);
    grant(&world, "doctor", EVERYTHING);
    let first = rights(&world, "undeleting").await;
    assert_eq!(first.left.as_deref(), Some("test/vault/doctor/0"));
    assert!(!is_granted(&first, "secretsmanager:DeleteSecret"));
    let second = rights(&world, "doctor").await;
    assert_eq!((second.left_overs, probes(&world).0), (0, vec!["test/vault/doctor/0".to_owned()]), "it may be at work");
    world.simulator.clock().advance(Duration::from_mins(11));
    assert_eq!(rights(&world, "doctor").await.left_overs, 1);
    assert_eq!(probes(&world).0, Vec::<String>::new());
}
