//! A month of a fleet: tokens that are refreshed every hour and read four times in between, in a few seconds.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "an example speaks to its terminal and is timed")]

use std::error::Error;
use std::time::{Duration, Instant};

use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use secrets_manager_simulator::switches::Switches;
use secrets_manager_simulator::wire::Request;
use serde_json::json;

const TOKENS: u32 = 100;
const HOURS: u32 = 30 * 24;

fn main() -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let switches = Switches { trail: false, ..Switches::strict() };
    let simulator = Simulator::new(Settings::new().seed(1).switches(switches));
    let mut refused = 0_u32;
    for hour in 0..=HOURS {
        for token in 0..TOKENS {
            let (name, version) = (format!("token/{token}"), format!("{token:016}{hour:016}"));
            let operation = if hour == 0 { "CreateSecret" } else { "PutSecretValue" };
            let named = if hour == 0 { "Name" } else { "SecretId" };
            let mut calls = vec![(
                operation,
                json!({ named: name, "ClientRequestToken": version, "SecretString": "x".repeat(500) }),
            )];
            calls.extend((0..4).map(|_| ("GetSecretValue", json!({ "SecretId": name }))));
            for (operation, body) in calls {
                let answer = simulator.handle(&Request::new(operation, &body))?;
                refused += u32::from(answer.status != 200);
            }
            simulator.clock().advance(Duration::from_secs(3600) / TOKENS);
        }
    }
    let (calls, time) = (simulator.counters().total(), started.elapsed().as_secs_f64());
    println!("{calls} calls, {refused} refused, {} days in {time:.1} s", HOURS / 24);
    Ok(())
}
