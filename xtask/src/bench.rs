//! Speed: what is measured, and the figures drawn from it.

use std::process::ExitCode;

use crate::checkout::{self, Checkout};
use crate::part::Missing;
use crate::python::Environment;

const PEERS: Environment = Environment { name: "bench", requirements: "benches/requirements.txt", oldest: 9 };

/// The vault's peers and the vault, one behind the other, so that both see the same disk in the same mood; then the
/// table and the plot.
pub(crate) fn bench(checkout: &Checkout, arguments: &[String]) -> ExitCode {
    match arguments.first().map(String::as_str) {
        Some("cache") => return report("bench cache", cache(checkout)),
        Some("month") => return report("bench month", month(checkout, arguments)),
        _ => {}
    }
    let measured = with_python(checkout, |python| {
        let peers = checkout.target.join("figures/peers.json");
        checkout::run(checkout.command(python).arg("benches/peers.py").arg("--out").arg(peers))?;
        checkout::run(
            checkout
                .cargo(["bench", "--bench", "speed", "--no-default-features", "--features", "file,import", "--"])
                .args(arguments),
        )?;
        draw(checkout, python, &[])
    });
    report("bench", measured)
}

/// The cache and its peer, and their tables in the README.
fn cache(checkout: &Checkout) -> Result<(), String> {
    let manifest = ["run", "--release", "--locked", "--manifest-path", "benches/cache/Cargo.toml"];
    let target = checkout.target.join("bench-cache");
    checkout::run(checkout.cargo(manifest).arg("--target-dir").arg(target).args(["--", "README.md"]))
}

/// A simulated month of a fleet, and its plot. `arguments`: `month`, how many users, how many days.
fn month(checkout: &Checkout, arguments: &[String]) -> Result<(), String> {
    let told = |place: usize, else_this: &str| {
        let text = arguments.get(place).map_or(else_this, String::as_str);
        let number = text.parse::<u32>().ok().filter(|number| *number > 0);
        number.map(|number| number.to_string()).ok_or_else(|| format!("{text:?} is no number of users or days"))
    };
    let (users, days) = (told(1, "10000")?, told(2, "30")?);
    let hours = checkout.target.join("figures/month.csv");
    if let Some(folder) = hours.parent() {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    let test = "month::a_fleet_loses_and_doubles_nothing_and_refreshes_once";
    let mut cargo = checkout.cargo(["test", "--release", "--all-features", "--test", "aws", "--"]);
    cargo.args(["--exact", test, "--nocapture"]);
    cargo.env("TOKENVAULT_SIMULATE_USERS", users).env("TOKENVAULT_SIMULATE_DAYS", days);
    cargo.env("TOKENVAULT_SIMULATE_SAMPLES", &hours);
    // Built for one run: link-time optimisation would take longer than it saves.
    cargo.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    checkout::run(&mut cargo)?;
    with_python(checkout, |python| {
        checkout::run(checkout.command(python).arg("benches/month_plot.py").arg(hours).arg("docs/figures/month.svg"))
    })
}

/// The table and the plot of the README.
pub(crate) fn figures(checkout: &Checkout, arguments: &[String]) -> ExitCode {
    report("figures", with_python(checkout, |python| draw(checkout, python, arguments)))
}

fn draw(checkout: &Checkout, python: &str, arguments: &[String]) -> Result<(), String> {
    let figures = checkout.target.join("figures");
    let mut command = checkout.command(python);
    command.arg("benches/figures.py");
    command.arg("--tokenvault").arg(figures.join("tokenvault.json"));
    command.arg("--peers").arg(figures.join("peers.json"));
    checkout::run(command.args(arguments))
}

fn with_python(checkout: &Checkout, work: impl FnOnce(&str) -> Result<(), String>) -> Result<(), String> {
    let python = PEERS.python(checkout).map_err(|Missing { what, remedy }| format!("{what}: {remedy}"))?;
    work(&python.to_string_lossy())
}

fn report(command: &str, outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cargo xtask {command}: {failure}");
            ExitCode::FAILURE
        }
    }
}
