//! A program that is killed while it waits for an answer.

use std::process::{Child, Stdio};
use std::sync::Arc;

use secrets_manager_simulator::gate::{Failure, Phase, Verdict};
use secrets_manager_simulator::operation::Operation;
use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::turnstile::Turnstile;

use crate::scene::{Scene, sample};
use crate::service::Service;

/// Lets calls pass until a token's secret has been made, and its maker has not been told, and the other three of the file
/// are about to be made.
fn until_a_token_is_made(turnstile: &Turnstile) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut maker = None;
    loop {
        runtime.block_on(turnstile.holds(1));
        let waiting = turnstile.waiting();
        let makes_a_token =
            |operation, secret: &str| operation == Operation::CreateSecret && secret.starts_with("test/vault/token/");
        let (makers, others): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(call, _)| makes_a_token(call.operation, call.secret.as_deref().unwrap_or_default()));
        if makers.iter().any(|(_, phase)| *phase == Phase::After) {
            // What is on its way when the program is killed arrives all the same.
            return runtime.block_on(turnstile.holds(4));
        }
        for (call, phase) in &others {
            turnstile.release(call.number, *phase, Verdict::Go);
        }
        // Of those who would make one, one may: the others are held.
        if let Some((call, phase)) = makers.first().filter(|_| maker.is_none()) {
            maker = Some(call.number);
            turnstile.release(call.number, *phase, Verdict::Go);
        }
    }
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it was killed, and did not end by itself");
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_stopped() {
    let turnstile = Turnstile::new();
    turnstile.open();
    let scene = Scene::over(Service::of(Settings::new().seed(7).gate(Arc::new(turnstile.clone()))));
    scene.done(&["init"], "");
    let args = ["import", "--from", &sample("python7_filestore_plain.csv")];
    turnstile.close();
    let mut command = scene.command(&args);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until_a_token_is_made(&turnstile);
    kill(child);
    for (call, phase) in turnstile.waiting() {
        // What had not begun will not.
        turnstile.release(call.number, phase, Verdict::Fail(Failure::ConnectionLost));
    }
    turnstile.open();
    let count = || scene.done(&["--format", "json", "list"], "").matches("\"id\"").count();
    assert_eq!(count(), 1, "the one that was made");
    let again = scene.done(&args, "");
    assert!(again.contains("imported: 3 new, 0 updated, 1 unchanged"), "{again}");
    assert_eq!(count(), 4);
}
