//! The parts of `cargo xtask test`.

use crate::checkout::{self, Checkout};
use crate::fuzz;
use crate::part::{self, Missing, Part};
use crate::python;

pub(crate) const PARTS: [Part; 4] = [
    Part {
        name: "rust-tests",
        about: "every Rust test of the workspace, with all features",
        need: part::nothing,
        run: rust_tests,
    },
    Part {
        name: "doc-tests",
        about: "the examples in the documentation",
        need: part::nothing,
        run: |checkout| {
            let packages = ["--package", "tokenvault", "--package", "secrets-manager-simulator"];
            checkout::run(checkout.cargo(["test", "--doc", "--all-features"]).args(packages))
        },
    },
    Part {
        name: "format-vectors",
        about: "golden files and fresh ones, read by a second program written from the format's description",
        need: |checkout| vectors_python(checkout).map(drop),
        run: format_vectors,
    },
    Part {
        name: "fuzz",
        about: "hostile bytes for every parser, guided by coverage (TOKENVAULT_FUZZ_SECONDS each, 60 unless said)",
        need: fuzz::need,
        run: fuzz::run,
    },
];

fn rust_tests(checkout: &Checkout) -> Result<(), String> {
    let everything = ["--workspace", "--all-features", "--no-fail-fast"];
    if checkout::answers(&mut checkout.cargo(["nextest", "--version"])) {
        return checkout::run(checkout.cargo(["nextest", "run"]).args(everything));
    }
    eprintln!("cargo-nextest is not there: `cargo test` instead, which runs the same tests one binary after another");
    // The documentation's examples are a part of their own.
    checkout::run(checkout.cargo(["test", "--lib", "--bins", "--tests"]).args(everything))
}

fn vectors_python(checkout: &Checkout) -> Result<std::path::PathBuf, Missing> {
    python::environment(checkout, "vectors", "tests/vectors/requirements.txt")
}

fn format_vectors(checkout: &Checkout) -> Result<(), String> {
    let python = vectors_python(checkout).map_err(|missing| missing.what)?;
    // These tests leave vaults of today's code where the reader finds them.
    checkout::run(&mut checkout.cargo(["test", "--package", "tokenvault", "--all-features", "--test", "vectors"]))?;
    let left = checkout.target.join("tmp/vectors");
    checkout::run(checkout.command(python).args(["tests/vectors/read.py", "tests/vectors"]).arg(left))
}
