//! `cargo xtask emulators`: keeps emulators running for tests that are started by hand, or only installs them.

use std::process::ExitCode;

use crate::checkout::Checkout;
use crate::emulator::{Emulator, Kind};
use crate::part::Missing;

/// Starts those named, LocalStack where none is, and says what to export; with `--check`, only whether they can be
/// started.
pub(crate) fn keep(checkout: &Checkout, arguments: &[String]) -> ExitCode {
    let (check, names) = match arguments {
        [first, names @ ..] if first == "--check" => (true, names),
        names => (false, names),
    };
    let started = wanted(checkout, names).and_then(|kinds| if check { Ok(Vec::new()) } else { start(checkout, kinds) });
    match started {
        Ok(_) if check => ExitCode::SUCCESS,
        Ok(running) => {
            for (kind, emulator) in &running {
                println!("export {}={}", kind.variable(), emulator.address);
            }
            eprintln!("running until this command is ended (Ctrl-C)");
            running.into_iter().for_each(|(_, emulator)| emulator.wait());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("cargo xtask emulators: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Those named, each with all it needs.
fn wanted(checkout: &Checkout, names: &[String]) -> Result<Vec<Kind>, String> {
    let kinds: Vec<Kind> = names.iter().map(|name| kind(name)).collect::<Result<_, _>>()?;
    let kinds = if kinds.is_empty() { vec![Kind::Localstack] } else { kinds };
    for kind in &kinds {
        let told = |Missing { what, remedy }| format!("{kind} needs {what}: {remedy}");
        kind.need(checkout).map_err(told)?;
    }
    Ok(kinds)
}

fn start(checkout: &Checkout, kinds: Vec<Kind>) -> Result<Vec<(Kind, Emulator)>, String> {
    kinds.into_iter().map(|kind| Ok((kind, kind.start(checkout)?))).collect()
}

fn kind(name: &str) -> Result<Kind, String> {
    let found = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| format!("there is no emulator {name:?}; there are {}", Kind::ALL.map(Kind::name).join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_is_known_by_its_name() {
        assert_eq!(kind("moto"), Ok(Kind::Moto));
        assert!(kind("localstock").unwrap_err().contains("localstack, moto, ministack"));
    }
}
