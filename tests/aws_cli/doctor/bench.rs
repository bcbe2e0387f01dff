//! A vault, the program that tries it, and what it tells.

use secrets_manager_simulator::iam::policy::Policy;
use secrets_manager_simulator::iam::principal::Principal;
use secrets_manager_simulator::simulator::Simulator;
use serde_json::{Value, json};

use crate::scene::{Run, Scene, feed};
use crate::service::ACCESS_KEY;

pub(super) const ALICE: &str = r#"{"user_name": "alice", "client_id": "1", "refresh_token": "canary"}"#;

/// The actions, and whether everybody needs them.
pub(super) const ACTIONS: [(&str, bool); 9] = [
    ("CreateSecret", true),
    ("GetSecretValue", true),
    ("PutSecretValue", true),
    ("DescribeSecret", true),
    ("DeleteSecret", true),
    ("RestoreSecret", true),
    ("UpdateSecret", false),
    ("ListSecretVersionIds", false),
    ("ListSecrets", false),
];

/// Every secret but the doctors'.
pub(super) fn others(simulator: &Simulator) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    let all = simulator.names().into_iter().filter(|name| !name.contains("/doctor/"));
    all.map(|name| simulator.secret(&name).unwrap()).collect()
}

pub(super) fn with_alice() -> (Scene, String) {
    let scene = Scene::new();
    let id = scene.done(&["save"], ALICE).trim().to_owned();
    (scene, id)
}

/// Runs `doctor`, which must touch nothing of the vault's and show nothing secret.
pub(super) fn doctor_with(scene: &Scene, arguments: &[&str], variables: &[(&str, &str)]) -> (Run, Vec<Value>) {
    let before = others(&scene.service.simulator);
    let mut command = scene.command(&[&["doctor", "--format", "json"], arguments].concat());
    command.envs(variables.iter().copied());
    let run = feed(command, "");
    // The stand-in for CloudWatch Logs says this where it refuses.
    let said = format!("{}{}", run.stdout, run.stderr).replace("canary of the service", "");
    assert!(!said.contains("canary"), "{said}");
    assert!(others(&scene.service.simulator) == before, "doctor changed something");
    let told: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}{}", run.stdout, run.stderr));
    assert_eq!(told["is_healthy"], json!(run.exit == Some(0)), "{told}");
    let checks = told["checks"].as_array().unwrap().clone();
    (run, checks)
}

pub(super) fn doctor(scene: &Scene, arguments: &[&str]) -> (Run, Vec<Value>) {
    doctor_with(scene, arguments, &[])
}

pub(super) fn check<'c>(checks: &'c [Value], name: &str) -> &'c Value {
    checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("no {name} in {checks:?}"))
}

pub(super) fn result<'c>(checks: &'c [Value], name: &str) -> &'c str {
    check(checks, name)["result"].as_str().unwrap()
}

/// The names of the checks that ended so, and that somebody needs.
pub(super) fn ended(checks: &[Value], result: &str) -> Vec<String> {
    let so = checks.iter().filter(|check| check["result"] == result && check["is_optional"] == false);
    so.map(|check| check["name"].as_str().unwrap().to_owned()).collect()
}

pub(super) fn everything(but: &str) -> Principal {
    let deny = format!(r#"{{"Effect": "Deny", "Action": "secretsmanager:{but}", "Resource": "*"}}"#);
    let allow = r#"{"Effect": "Allow", "Action": "*", "Resource": "*"}"#;
    let policy = format!(r#"{{"Version": "2012-10-17", "Statement": [{allow}, {deny}]}}"#);
    Principal::new("arn:aws:iam::123456789012:user/alice").policy(Policy::parse(&policy).unwrap())
}

pub(crate) fn deny(scene: &Scene, action: &str) {
    scene.service.simulator.principals(|principals| principals.insert(ACCESS_KEY, everything(action)));
}

/// Whatever doctor made is gone, or scheduled for deletion.
pub(super) fn live_probes(scene: &Scene) -> Vec<String> {
    let simulator = &scene.service.simulator;
    let all = simulator.names().into_iter().filter(|name| name.contains("/doctor/"));
    all.filter(|name| simulator.secret(name).unwrap().deleted.is_none()).collect()
}
