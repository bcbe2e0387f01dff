//! The fuzz part: libFuzzer on the stable compiler, guided by coverage, some seconds for each target.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use crate::checkout::{self, Checkout};
use crate::part::Missing;

/// A binary of fuzz/, and the longest input it is given.
#[derive(Debug, Clone, Copy)]
struct Target {
    name: &'static str,
    max_len: u32,
}

const TARGETS: [Target; 6] = [
    // Twice the longest header: lengths beyond the bound must be tried too.
    Target { name: "header", max_len: 8 * 1024 },
    Target { name: "frame", max_len: 64 * 1024 },
    Target { name: "csv", max_len: 64 * 1024 },
    Target { name: "json", max_len: 64 * 1024 },
    Target { name: "trail", max_len: 64 * 1024 },
    Target { name: "cloudtrail", max_len: 64 * 1024 },
];

/// What guides libFuzzer: a counter for each edge, and the operands of each comparison. The compiler offers these by
/// name on nightly only; the pass behind them is LLVM's own and takes the same orders on stable.
const COVERAGE: [&str; 7] = [
    "--cfg=fuzzing",
    "-Ccodegen-units=1",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

pub(crate) fn need(checkout: &Checkout) -> Result<(), Missing> {
    let compiler = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    if checkout::answers(checkout.command(compiler).arg("--version")) {
        return Ok(());
    }
    Err(Missing::new("a C++ compiler (libFuzzer is C++)", "install one, e.g. `apt install g++`, or name it in CXX"))
}

pub(crate) fn run(checkout: &Checkout) -> Result<(), String> {
    let seconds = seconds()?;
    let binaries = build(checkout)?;
    let lanes = thread::available_parallelism().map_or(1, usize::from).min(2);
    eprintln!("{} targets, {seconds} s each, {lanes} at a time", TARGETS.len());
    let waiting = Mutex::new(TARGETS.iter());
    let failures = Mutex::new(Vec::new());
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.next());
    let lane = || {
        while let Some(target) = next() {
            match fuzz(checkout, &binaries, *target, seconds) {
                Ok(line) => println!("{line}"),
                Err(failure) => failures.lock().into_iter().for_each(|mut all| all.push(failure.clone())),
            }
        }
    };
    thread::scope(|scope| (0..lanes).for_each(|_| drop(scope.spawn(lane))));
    let failures = failures.into_inner().map_err(|error| error.to_string())?;
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}

fn seconds() -> Result<u32, String> {
    match env::var("TOKENVAULT_FUZZ_SECONDS") {
        // To libFuzzer 0 means for ever.
        Ok(text) => match text.parse() {
            Ok(seconds) if seconds > 0 => Ok(seconds),
            _ => Err(format!("TOKENVAULT_FUZZ_SECONDS is {text:?}; it takes a number of seconds from 1")),
        },
        Err(_) => Ok(60),
    }
}

/// Builds every target into a place of its own, so that no other build sees the coverage flags, and says where.
fn build(checkout: &Checkout) -> Result<PathBuf, String> {
    let host = host(checkout)?;
    let place = checkout.target.join("fuzz");
    let mut cargo = checkout.cargo(["build", "--quiet", "--release", "--locked", "--bins"]);
    // With a target named, build scripts and derive macros are built without the flags.
    cargo.args(["--manifest-path", "fuzz/Cargo.toml", "--target", &host, "--target-dir"]).arg(&place);
    cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}"));
    checkout::run(&mut cargo)?;
    Ok(place.join(host).join("release"))
}

fn host(checkout: &Checkout) -> Result<String, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = checkout.command(rustc).arg("-vV").output().map_err(|error| format!("rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}

fn fuzz(checkout: &Checkout, binaries: &Path, target: Target, seconds: u32) -> Result<String, String> {
    let name = target.name;
    let place = checkout.target.join("fuzz");
    let (corpus, found) = (place.join("corpus").join(name), place.join("found").join(name));
    let log = place.join(format!("{name}.log"));
    let broken = |error: std::io::Error| format!("{name}: {error}");
    fs::create_dir_all(&corpus).map_err(broken)?;
    fs::create_dir_all(&found).map_err(broken)?;
    let output = File::create(&log).map_err(broken)?;
    let status = command(checkout, &binaries.join(name), target, seconds)
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args([corpus, checkout.root.join("fuzz/seeds").join(name)])
        .stdout(output.try_clone().map_err(broken)?)
        .stderr(output)
        .status()
        .map_err(broken)?;
    let said = String::from_utf8_lossy(&fs::read(&log).map_err(broken)?).into_owned();
    if status.success() {
        return line(name, &said).map_err(|fault| format!("{name}: {fault}; see {}", checkout.shown(&log)));
    }
    eprintln!("{name}: {status}; from {}:\n{}", checkout.shown(&log), fault(&said));
    Err(format!("{name}: {}", where_it_lies(checkout, binaries, name, &said)))
}

fn command(checkout: &Checkout, binary: &Path, target: Target, seconds: u32) -> Command {
    let mut command = checkout.command(binary);
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={}", target.max_len),
        "-rss_limit_mb=1024".to_owned(),
        "-timeout=10".to_owned(),
        "-print_final_stats=1".to_owned(),
    ]);
    command.env("RUST_BACKTRACE", "1");
    command
}

/// What a run without a fault has to say; a run without coverage or without executions proves nothing and is a fault.
fn line(name: &str, said: &str) -> Result<String, String> {
    let after = |mark: &str| said.lines().find_map(|line| line.split_once(mark)).map(|(_, rest)| rest.trim());
    let number = |mark: &str| after(mark).and_then(|rest| rest.parse::<u64>().ok()).unwrap_or(0);
    let executions = number("stat::number_of_executed_units:");
    if !said.contains("inline 8-bit counters") || said.contains("Is the code instrumented for coverage?") {
        return Err("built without coverage".to_owned());
    }
    if executions == 0 {
        return Err("executed nothing".to_owned());
    }
    let peak = number("stat::peak_rss_mb:");
    let reached = said.lines().rev().find_map(|line| line.split_once(" cov: ")).map_or("0", |(_, rest)| rest);
    let reached = reached.split_whitespace().next().unwrap_or("0");
    let seed = after("INFO: Seed:").unwrap_or("unknown");
    Ok(format!("{name:<10} {executions:>10} executions, {reached} edges, {peak} MB at most, seed {seed}"))
}

fn where_it_lies(checkout: &Checkout, binaries: &Path, name: &str, said: &str) -> String {
    let written = said.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path.trim());
    match written {
        Some(path) => format!(
            "the input lies in {}; run it again with `{} {path}`, and keep it in fuzz/seeds/{name}/ with the repair",
            checkout.shown(Path::new(path)),
            checkout.shown(&binaries.join(name)),
        ),
        None => "ended badly without leaving an input".to_owned(),
    }
}

/// The panic and what follows it; without a panic the end of what was said.
fn fault(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let start = lines.iter().position(|line| line.contains("panicked at"));
    let start = start.unwrap_or(lines.len().saturating_sub(30));
    lines.into_iter().skip(start).take(30).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "INFO: Seed: 77\nINFO: Loaded 1 modules   (12 inline 8-bit counters): 12 [0x1, 0x2),\n\
        #9\tNEW    cov: 34 ft: 5 corp: 1/1b\nstat::number_of_executed_units: 1200\nstat::peak_rss_mb:              44\n";

    #[test]
    fn a_good_run_is_told_in_one_line() {
        assert_eq!(line("csv", GOOD).unwrap(), "csv              1200 executions, 34 edges, 44 MB at most, seed 77");
    }

    #[test]
    fn a_run_that_proves_nothing_is_a_fault() {
        assert!(line("csv", &GOOD.replace("8-bit", "")).is_err());
        assert!(line("csv", &GOOD.replace("units: 1200", "units: 0")).is_err());
    }

    #[test]
    fn every_target_file_is_run_and_has_seeds() {
        let checkout = Checkout::of_this_tool();
        let files = fs::read_dir(checkout.root.join("fuzz/targets")).unwrap();
        let mut files: Vec<_> = files.map(|file| file.unwrap().path().file_stem().unwrap().to_owned()).collect();
        files.sort();
        let mut names = TARGETS.map(|target| target.name);
        names.sort_unstable();
        assert_eq!(files, names);
        for name in names {
            assert!(fs::read_dir(checkout.root.join("fuzz/seeds").join(name)).unwrap().next().is_some(), "{name}");
        }
    }
}
