//! The command line as its users meet it: the real program, run over the cases in the `.toml` files beside this one,
//! and over what no file can say (pipes, locks, terminals).
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "clippy spares the bodies of tests, and not the functions that they share; the files are a test's own"
)]

#[path = "../support/at_once.rs"]
mod at_once;
mod case;
mod grants;
mod held_open;
mod killed_holder;
mod looks;
mod pipes;
#[path = "../support/provider.rs"]
mod provider;
mod scene;
#[cfg(target_os = "linux")]
mod terminal;
mod wire;

use std::collections::BTreeSet;
use std::path::Path;

use crate::case::Cases;

/// A test for each file, and the list of them.
macro_rules! files {
    ($($name:ident),*) => {
        const FILES: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { run(stringify!($name)); })*
    };
}

files!(bad_json, bad_vaults, config, delete, doctor, find, init, keys, list, manual, save, status, transfer, upkeep);

fn run(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli").join(name).with_extension("toml");
    let cases = Cases::read(&path);
    let failures: Vec<String> = cases.case.iter().flat_map(case::failures).collect();
    assert!(failures.is_empty(), "{}:\n{}", path.display(), failures.join("\n"));
}

#[test]
fn every_file_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = names.filter_map(|name| name.strip_suffix(".toml").map(str::to_owned)).collect();
    assert_eq!(found, FILES.iter().map(|name| (*name).to_owned()).collect());
}
