//! Figures: medians, bars, and the file that benches/figures.py reads.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Each store's save as a multiple of a bare append beside it: the two are not measured in the same seconds.
pub(crate) fn against_sqlite(tokens: usize, ours: f64) -> Option<Value> {
    let peers: Value = serde_json::from_str(&fs::read_to_string(figures().join("peers.json")).ok()?).ok()?;
    let peer = peers["results"].as_array()?.iter().find(|result| {
        result["store"] == "Kaizen SQLite" && result["operation"] == "save" && result["tokens"] == tokens
    })?;
    let ratio = ours / (peer["median_us"].as_f64()? / peer["bare_append_us"].as_f64()?);
    Some(bar(
        &format!("save at {tokens} tokens, times Kaizen 192's SQLite store"),
        "at most 1",
        ratio,
        "x",
        ratio <= 1.0,
    ))
}

pub(crate) fn figures() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../figures")
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

pub(crate) fn percentile(times: &[f64], percent: usize) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

pub(crate) fn median(times: &[f64]) -> f64 {
    percentile(times, 50)
}

pub(crate) fn result(store: &str, tokens: usize, operation: &str, times: &[f64]) -> Value {
    let (median, p90) = (median(times), percentile(times, 90));
    println!("{store:12} {operation:13} {tokens:>7} tokens  median {median:>9.2} us  p90 {p90:>9.2} us");
    json!({"store": store, "tokens": tokens, "operation": operation, "median_us": median, "p90_us": p90,
           "repetitions": times.len()})
}

pub(crate) fn bar(name: &str, bar: &str, measured: f64, unit: &str, met: bool) -> Value {
    println!("{} {name}: {measured:.2} {unit} ({bar})", if met { "met   " } else { "NOT MET" });
    json!({"name": name, "bar": bar, "measured": measured, "unit": unit, "met": met})
}

pub(crate) fn write_report(results: &[Value], bars: &[Value]) {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|line| line.trim_start_matches([' ', '\t', ':']));
    let kernel = format!("Linux {}", fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim());
    let host = json!({"cpu": cpu, "cores": std::thread::available_parallelism().unwrap().get(), "kernel": kernel,
        "measured_at": SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()});
    let folder = figures();
    fs::create_dir_all(&folder).unwrap();
    let report = serde_json::to_string_pretty(&json!({"host": host, "results": results, "bars": bars})).unwrap();
    let path = folder.join("tokenvault.json");
    fs::write(&path, report).unwrap();
}
