//! Speed: what is measured, and the figures drawn from it.

use std::process::ExitCode;

use crate::checkout::{self, Checkout};

/// The vault's own benchmark, then its peers in the same run, so that both saw the same disk in the same mood.
pub(crate) fn bench(checkout: &Checkout, arguments: &[String]) -> ExitCode {
    let vault = checkout::run(checkout.cargo(["bench", "--bench", "speed", "--"]).args(arguments));
    let peers = vault.and_then(|()| checkout::run(checkout.command("python3").arg("benches/peers.py").args(arguments)));
    report("bench", peers)
}

/// The table and the plot of the README.
pub(crate) fn figures(checkout: &Checkout, arguments: &[String]) -> ExitCode {
    report("figures", checkout::run(checkout.command("python3").arg("benches/figures.py").args(arguments)))
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
