//! Replies recorded from LocalStack (`record.py`), where it agrees with AWS: the simulator gives the same.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use secrets_manager_simulator::settings::Settings;
use secrets_manager_simulator::simulator::Simulator;
use secrets_manager_simulator::wire::Request;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    operation: String,
    request: Value,
    status: u16,
    reply: Value,
}

/// Times and the ends of ARNs differ from run to run; the order of labels and tags does not matter.
fn comparable(name: &str, value: &Value) -> Value {
    match value {
        Value::Number(_) if name.ends_with("Date") => json!("time"),
        Value::String(text) => Value::String(without_suffix(text)),
        Value::Array(values) => {
            let mut values: Vec<Value> = values.iter().map(|value| comparable("", value)).collect();
            values.sort_by_key(Value::to_string);
            Value::Array(values)
        }
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), comparable(name, value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn without_suffix(text: &str) -> String {
    let Some((prefix, name)) = text.split_once(":secret:") else { return text.to_owned() };
    let bare = name.get(..name.len().saturating_sub(6)).unwrap_or_default();
    format!("{prefix}:secret:{bare}??????")
}

/// Puts members of earlier replies into a request: `{0.ARN}`.
fn filled(request: &Value, replies: &[Value]) -> Value {
    let mut text = request.to_string();
    for (number, reply) in replies.iter().enumerate() {
        for (name, value) in reply.as_object().into_iter().flatten() {
            if let Some(value) = value.as_str() {
                text = text.replace(&format!("{{{number}.{name}}}"), value);
            }
        }
    }
    serde_json::from_str(&text).unwrap()
}

fn replayed(path: &Path) -> Vec<String> {
    let recorded: Vec<Recorded> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let simulator = Simulator::new(Settings::new().place("000000000000", "us-east-1"));
    let (mut replies, mut differences) = (Vec::new(), Vec::new());
    for (number, call) in recorded.iter().enumerate() {
        let request = Request::new(&call.operation, &filled(&call.request, &replies));
        let response = simulator.handle(&request).unwrap();
        let reply: Value = serde_json::from_slice(&response.body).unwrap();
        if (response.status, comparable("", &reply)) != (call.status, comparable("", &call.reply)) {
            differences.push(format!(
                "{} {number} {} {}\n  recorded  {} {}\n  simulated {} {}",
                path.display(),
                call.operation,
                call.request,
                call.status,
                comparable("", &call.reply),
                response.status,
                comparable("", &reply)
            ));
        }
        replies.push(reply);
    }
    differences
}

#[test]
fn s7_recorded_replies_are_the_simulators() {
    let entries = fs::read_dir("tests/recorded").unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeMap<_, _> = entries.map(|path| (path.clone(), replayed(&path))).collect();
    assert!(files.len() >= 10, "the recordings are missing");
    let differences: Vec<String> = files.into_values().flatten().collect();
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}
