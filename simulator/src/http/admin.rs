//! What a test may do from another process: below `/_simulator`.

use std::time::Duration;

use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::http::orders::{Advance, FaultOrder, KeyOrder, PrincipalOrder};
use crate::simulator::Simulator;

/// HTTP status and JSON.
type Answer = (u16, Value);

pub(crate) fn answer(simulator: &Simulator, method: &Method, path: &str, body: &[u8]) -> Answer {
    let answered = match (method.as_str(), path) {
        ("GET", "clock") => Ok(clock(simulator)),
        ("POST", "clock/advance") => advance(simulator, body),
        ("POST", "clock/run") => {
            simulator.clock().run();
            Ok(clock(simulator))
        }
        ("GET", "switches") => Ok(switches(simulator)),
        ("POST", "switches") => set(simulator, body),
        ("GET", "counters") => Ok(counters(simulator)),
        ("GET", "trail") => Ok(simulator.trail().into()),
        ("DELETE", "trail") => Ok(simulator.take_trail().into()),
        ("POST", "faults") => order(body).and_then(FaultOrder::fault).map(|fault| {
            simulator.inject(fault);
            json!({})
        }),
        ("DELETE", "faults") => {
            simulator.clear_faults();
            Ok(json!({}))
        }
        ("POST", "keys") => order(body).map(|key: KeyOrder| {
            simulator.keys(|keys| key.carry_out(keys));
            json!({})
        }),
        ("POST", "principals") => principal(simulator, body),
        _ => return (404, json!({ "error": format!("there is no {method} {path}; README.md lists what there is") })),
    };
    answered.map_or_else(|error| (400, json!({ "error": error })), |answer| (200, answer))
}

fn order<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn clock(simulator: &Simulator) -> Value {
    let now = simulator.clock().now();
    json!({ "now": now.to_string(), "milliseconds": now.as_millis() })
}

fn advance(simulator: &Simulator, body: &[u8]) -> Result<Value, String> {
    let Advance { seconds } = order(body)?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    simulator.clock().advance(time);
    Ok(clock(simulator))
}

fn switches(simulator: &Simulator) -> Value {
    serde_json::to_value(simulator.switches()).unwrap_or_default()
}

/// Sets the switches that are named, and leaves the others.
fn set(simulator: &Simulator, body: &[u8]) -> Result<Value, String> {
    let named: Map<String, Value> = order(body)?;
    let mut all = switches(simulator);
    if let Some(all) = all.as_object_mut() {
        all.extend(named);
    }
    let changed = serde_json::from_value(all).map_err(|error| error.to_string())?;
    simulator.set(|switches| *switches = changed);
    Ok(switches(simulator))
}

fn counters(simulator: &Simulator) -> Value {
    let counters = simulator.counters();
    let operations: Map<String, Value> =
        counters.operations().map(|(operation, count)| (operation.to_string(), count.into())).collect();
    let secrets = counters.secrets().map(|(secret, calls)| {
        let calls: Map<String, Value> =
            calls.iter().map(|(operation, count)| (operation.to_string(), (*count).into())).collect();
        (secret.to_owned(), Value::Object(calls))
    });
    let refusals: Map<String, Value> =
        counters.refusals().map(|(code, count)| (code.to_owned(), count.into())).collect();
    json!({ "operations": operations, "secrets": secrets.collect::<Map<String, Value>>(), "refusals": refusals })
}

fn principal(simulator: &Simulator, body: &[u8]) -> Result<Value, String> {
    let order: PrincipalOrder = order(body)?;
    let principal = order.principal()?;
    simulator.principals(|principals| principals.insert(order.access_key, principal));
    Ok(json!({}))
}
