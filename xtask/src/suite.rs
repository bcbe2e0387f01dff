//! The parts of `cargo xtask test`.

use std::process::{Command, ExitCode};

use crate::checkout::{self, Checkout};
use crate::emulator::{Emulator, Kind};
use crate::fuzz;
use crate::left_out;
use crate::part::{self, Missing, Part};
use crate::python::Environment;
use crate::session::Session;
use crate::terraform;

const VECTORS: Environment = Environment { name: "vectors", requirements: "tests/vectors/requirements.txt", oldest: 9 };

/// What asks the emulators.
pub(crate) const CLIENT: Environment =
    Environment { name: "client", requirements: "tests/emulators/client.lock", oldest: 12 };

pub(crate) const PARTS: [Part<Session>; 8] = [
    Part {
        name: "rust-tests",
        about: "every Rust test of the workspace that needs nothing else, with all features",
        need: part::nothing,
        run: |session| rust_tests(&session.checkout),
    },
    Part {
        name: "doc-tests",
        about: "the examples in the documentation",
        need: part::nothing,
        run: |session| {
            let packages = ["--package", "tokenvault", "--package", "secrets-manager-simulator"];
            checkout::run(session.checkout.cargo(["test", "--doc", "--all-features"]).args(packages))
        },
    },
    Part {
        name: "format-vectors",
        about: "golden files and fresh ones, read by a second program written from the format's description",
        need: |session| VECTORS.python(&session.checkout).map(drop),
        run: |session| format_vectors(&session.checkout),
    },
    Part {
        name: "localstack",
        about: "the tests that need LocalStack, and where it is known to differ from AWS",
        need: |session| need(&session.checkout, Kind::Localstack),
        run: |session| against(&session.checkout, Kind::Localstack, &session.localstack()?),
    },
    Part {
        name: "moto",
        about: "the same on moto",
        need: |session| need(&session.checkout, Kind::Moto),
        run: |session| on_its_own(&session.checkout, Kind::Moto),
    },
    Part {
        name: "ministack",
        about: "the same on ministack, without the races (xtask/src/left_out.rs)",
        need: |session| need(&session.checkout, Kind::Ministack),
        run: |session| on_its_own(&session.checkout, Kind::Ministack),
    },
    Part {
        name: "terraform",
        about: "the module's inputs, and what it makes on LocalStack, read back",
        need: terraform::need,
        run: terraform::run,
    },
    Part {
        name: "fuzz",
        about: "hostile bytes for every parser, guided by coverage (TOKENVAULT_FUZZ_SECONDS each, 60 unless said)",
        need: |session| fuzz::need(&session.checkout),
        run: |session| fuzz::run(&session.checkout),
    },
];

pub(crate) fn test(checkout: Checkout, arguments: &[String]) -> ExitCode {
    let session = Session::new(checkout);
    let outcome = part::run("test", &PARTS, arguments, &session);
    match session.end() {
        Ok(()) => outcome,
        Err(failure) => {
            eprintln!("localstack: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Which tests of the workspace: those in a module named after an emulator, or all the others.
#[derive(Debug, Clone, Copy)]
enum Selection {
    Needing(Kind),
    NeedingNone,
}

impl Selection {
    fn nextest(self) -> String {
        let named = |kind: Kind| format!("test(/(^|::){kind}::/)");
        match self {
            Self::Needing(kind) => {
                let left_out: Vec<&str> = left_out::on(kind).iter().map(|(promise, _)| *promise).collect();
                match left_out[..] {
                    [] => named(kind),
                    _ => format!("{} - test(/::({})$/)", named(kind), left_out.join("|")),
                }
            }
            Self::NeedingNone => format!("not ({})", Kind::ALL.map(named).join(" or ")),
        }
    }

    fn libtest(self) -> Vec<String> {
        match self {
            Self::Needing(kind) => {
                let left_out = left_out::on(kind).iter().flat_map(|(promise, _)| ["--skip", promise]);
                std::iter::once(format!("{kind}::")).chain(left_out.map(str::to_owned)).collect()
            }
            Self::NeedingNone => Kind::ALL.iter().flat_map(|kind| ["--skip".to_owned(), format!("{kind}::")]).collect(),
        }
    }

    fn command(self, checkout: &Checkout) -> Command {
        let everything = ["--workspace", "--all-features", "--no-fail-fast"];
        let mut command = if checkout::answers(&mut checkout.cargo(["nextest", "--version"])) {
            let mut nextest = checkout.cargo(["nextest", "run"]);
            nextest.args(everything).args(["-E", &self.nextest()]);
            nextest
        } else {
            eprintln!("cargo-nextest is not there: `cargo test` instead, which runs one binary after another");
            // The documentation's examples are a part of their own.
            let mut test = checkout.cargo(["test", "--lib", "--bins", "--tests"]);
            test.args(everything).arg("--").args(self.libtest());
            test
        };
        // What asks for an emulator outside a module named after it must fail here, also on a machine where one runs.
        for kind in Kind::ALL {
            command.env_remove(kind.variable());
        }
        command
    }
}

fn rust_tests(checkout: &Checkout) -> Result<(), String> {
    checkout::run(&mut Selection::NeedingNone.command(checkout))
}

fn need(checkout: &Checkout, kind: Kind) -> Result<(), Missing> {
    kind.need(checkout)?;
    CLIENT.python(checkout).map(drop)
}

fn on_its_own(checkout: &Checkout, kind: Kind) -> Result<(), String> {
    let emulator: Emulator = kind.start(checkout)?;
    let outcome = against(checkout, kind, &emulator.address);
    emulator.end().and(outcome)
}

fn against(checkout: &Checkout, kind: Kind, address: &str) -> Result<(), String> {
    let python = CLIENT.python(checkout).map_err(|missing| missing.what)?;
    let differences = "tests/emulators/differences.py";
    let known = checkout::run(checkout.command(python).args([differences, kind.name(), address]));
    for (promise, difference) in left_out::on(kind) {
        eprintln!("left out on {kind}: {promise}, for the known difference \"{difference}\"");
    }
    let tests = checkout::run(Selection::Needing(kind).command(checkout).env(kind.variable(), address));
    match (known, tests) {
        (Ok(()), tests) => tests,
        (Err(known), Ok(())) => Err(known),
        (Err(known), Err(tests)) => Err(format!("{known}; {tests}")),
    }
}

fn format_vectors(checkout: &Checkout) -> Result<(), String> {
    let python = VECTORS.python(checkout).map_err(|missing| missing.what)?;
    // These tests leave vaults of today's code where the reader finds them.
    checkout::run(&mut checkout.cargo(["test", "--package", "tokenvault", "--all-features", "--test", "vectors"]))?;
    let left = checkout.target.join("tmp/vectors");
    checkout::run(checkout.command(&python).args(["tests/vectors/read.py", "tests/vectors"]).arg(&left))?;
    checkout::run(checkout.command(&python).arg("tests/vectors/read_audit.py").arg(&left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_is_in_one_selection_only() {
        let needing = Selection::Needing(Kind::Moto);
        assert_eq!(needing.nextest(), "test(/(^|::)moto::/)");
        assert_eq!(needing.libtest(), ["moto::"]);
        let ministack = Selection::Needing(Kind::Ministack);
        assert!(ministack.nextest().starts_with("test(/(^|::)ministack::/) - test(/::(races::"));
        assert!(ministack.nextest().ends_with("is_final)$/)"));
        assert_eq!(ministack.libtest()[..2], ["ministack::", "--skip"]);
        let none = Selection::NeedingNone;
        assert_eq!(
            none.nextest(),
            "not (test(/(^|::)localstack::/) or test(/(^|::)moto::/) or test(/(^|::)ministack::/))"
        );
        assert_eq!(none.libtest(), ["--skip", "localstack::", "--skip", "moto::", "--skip", "ministack::"]);
    }
}
