//! What a vault may call at the least: the policy that the Terraform module makes, read from there, so that there is one list.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use secrets_manager_simulator::counters::Counters;
use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use tokenvault::backend::audit_key::AuditKeySource;
use tokenvault::conformance::Fresh;
use tokenvault::error::{ErrorKind, Retry};
use tokenvault::fields::Field::{AccessToken, ClientId, RefreshToken, UserName};
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::undelete::{purge, undelete};

use crate::operator::Operator;
use crate::simulated::World;

const MODULE: &str = include_str!("../../infra/terraform/modules/vault/application.tf");
const APPLICATION: &str = "application";

/// The actions of Secrets Manager that the module grants, and where: on the vault's secrets or on all.
fn granted() -> Vec<(&'static str, &'static str)> {
    let (mut actions, mut granted) = (Vec::new(), Vec::new());
    for line in MODULE.lines().map(str::trim) {
        actions.extend(line.split('"').filter_map(|text| text.strip_prefix("secretsmanager:")).filter(|_| {
            // Not the key of a condition.
            !line.contains("Condition")
        }));
        if let Some(resource) = line.strip_prefix("Resource").map(|rest| rest.trim_start_matches([' ', '='])) {
            granted.extend(actions.drain(..).map(|action| (action, resource)));
        }
    }
    granted
}

/// The policy as IAM gets it, of a vault under `test/vault` that may not purge.
fn policy() -> Policy {
    let statements: Vec<String> = granted()
        .into_iter()
        .map(|(action, resource)| {
            let resource = match resource {
                "local.secrets" => "arn:aws:secretsmanager:us-east-1:123456789012:secret:test/vault/*",
                "\"*\"" => "*",
                other => panic!("what does {other} mean?"),
            };
            let condition = match action {
                "DeleteSecret" => {
                    r#", "Condition": {"BoolIfExists": {"secretsmanager:ForceDeleteWithoutRecovery": "false"}}"#
                }
                _ => "",
            };
            format!(
                r#"{{"Effect": "Allow", "Action": "secretsmanager:{action}", "Resource": "{resource}"{condition}}}"#
            )
        })
        .collect();
    Policy::parse(&format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(","))).unwrap()
}

fn restrict(simulator: &Simulator) {
    let application = Principal::new("arn:aws:iam::123456789012:user/application").policy(policy());
    let everything = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;
    let others = Principal::new("arn:aws:iam::123456789012:user/others").policy(Policy::parse(everything).unwrap());
    simulator.principals(|principals| {
        principals.insert(APPLICATION, application);
        principals.insert("operator", others);
    });
}

/// A vault of the application's own making.
async fn world() -> World {
    let world = World { simulator: Simulator::new(Settings::new().seed(1)) };
    restrict(&world.simulator);
    world.backend(APPLICATION).create(&Context::new()).await.unwrap();
    world
}

async fn store() -> Fresh<Arc<dyn TokenStore>> {
    let world = world().await;
    Fresh::keeping(Arc::new(world.vault(APPLICATION)), world)
}

tokenvault::conformance_tests!(by_the_modules_policy, store);

fn sign_in(user: &str) -> OAuthToken {
    let token = OAuthToken::new().with(UserName, user).with(ClientId, "app").with(AccessToken, "a");
    token.with(RefreshToken, &format!("refresh of {user}"))
}

fn called(counters: &Counters) -> BTreeSet<&'static str> {
    counters.operations().filter(|(_, count)| *count > 0).map(|(operation, _)| operation.name()).collect()
}

/// All that an application does in its life, and no right more or less than that takes.
#[tokio::test]
async fn what_a_vault_calls_is_what_the_module_grants() {
    let world = world().await;
    let (cx, backend) = (Context::new(), Arc::new(world.backend(APPLICATION)));
    let vault = world.vault_over(Arc::clone(&backend) as _);
    backend.audit_key(&cx).await.unwrap();
    let mut last = sign_in("user 0");
    for number in 0..70 {
        last = sign_in(&format!("user {number}")).with_id(&format!("brought {number}"));
        vault.save_token(&cx, &mut last).await.unwrap();
    }
    assert!(world.simulator.names().iter().any(|name| name.starts_with("test/vault/index/")), "the index was split");
    assert!(vault.find_token(&cx, &mut OAuthToken::new().with(UserName, "user 3")).await.unwrap().value);
    assert!(vault.find_token_by_id(&cx, "brought 4").await.unwrap().value.is_some());
    assert_eq!(vault.get_tokens(&cx).await.unwrap().value.len(), 70);
    // Somebody puts an old version back in force.
    let (operator, secret) = (Operator::of(&world), format!("test/vault/token/{}", name_of(&world, "user 5").await));
    vault.save_token(&cx, &mut sign_in("user 5").with(AccessToken, "later")).await.unwrap();
    let counted = world.simulator.counters();
    operator.put_in_force(&secret, &operator.versions(&secret)[0]).await;
    let by_hand = world.simulator.counters();
    let told = vault.save_token(&cx, &mut sign_in("user 5").with(AccessToken, "too early")).await.unwrap_err();
    assert_eq!(told.retry(), Retry::Later, "{told:?}");
    world.simulator.clock().advance(Duration::from_secs(120));
    vault.save_token(&cx, &mut sign_in("user 5").with(AccessToken, "at last")).await.unwrap();
    let id = last.id().unwrap();
    assert!(vault.delete_token(&cx, id).await.unwrap().value);
    undelete(&vault, &*backend, &cx, id).await.unwrap();
    let refused = purge(&vault, &*backend, &cx, "brought 4").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "to purge is not granted unless asked for: {refused:?}");
    assert_eq!(vault.delete_tokens(&cx).await.unwrap().value, 69);

    let of_operator = called(&by_hand).difference(&called(&counted)).copied().collect::<BTreeSet<_>>();
    assert_eq!(of_operator, BTreeSet::from(["UpdateSecretVersionStage"]), "nobody else has called anything");
    let called: BTreeSet<&str> = called(&world.simulator.counters()).difference(&of_operator).copied().collect();
    let granted: BTreeSet<&str> = granted().into_iter().map(|(action, _)| action).collect();
    assert_eq!(called, granted);
}

/// The name of a user's record.
async fn name_of(world: &World, user: &str) -> String {
    use tokenvault::backend::Backend;
    let records = world.backend("operator").list(&Context::new()).await.unwrap().value;
    let own = records.iter().find(|record| record.fields.text(UserName) == Some(user));
    own.unwrap().name.to_string()
}
