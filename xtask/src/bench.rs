//! Speed: what is measured, and the figures drawn from it.

use std::process::ExitCode;

use crate::checkout::{self, Checkout};
use crate::part::Missing;
use crate::python::Environment;

const PEERS: Environment = Environment { name: "bench", requirements: "benches/requirements.txt", oldest: 9 };

/// The vault's peers and the vault, one behind the other, so that both see the same disk in the same mood; then the
/// table and the plot.
pub(crate) fn bench(checkout: &Checkout, arguments: &[String]) -> ExitCode {
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
