//! The project's own commands. `cargo xtask` alone says which there are.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a build tool speaks to its terminal, reads its environment and writes below target/; the library may not"
)]

mod bench;
mod checkout;
mod choice;
mod container;
mod emulator;
mod emulators;
mod fuzz;
mod left_out;
mod lint;
mod part;
mod python;
mod session;
mod suite;
mod terraform;

use std::env;
use std::process::ExitCode;

use crate::checkout::Checkout;

const USAGE: &str = "\
cargo xtask test [--only PART,..] [--require all|PART,..] [--list]
    every test there is; a part whose needs are missing is named at the end, or fails under --require
cargo xtask lint [--only PART,..] [--require all|PART,..] [--list]
    format, clippy, each feature alone, locks, dependencies, docs; warnings are errors
cargo xtask emulators [--check] [localstack] [moto] [ministack]
    keeps them running (LocalStack, where none is named) and prints what to export for tests started by hand;
    --check only installs what they need, and says what is missing
cargo xtask bench [ARGUMENT..]
    the speed of the vault and of its peers, then the figures; arguments go to the former
cargo xtask bench cache
    the cache beside the crate of AWS, and their tables in the README
cargo xtask bench month [USERS [DAYS]]
    a simulated fleet for so long (10000 users, 30 days), and its plot; hours, at that size
cargo xtask figures [ARGUMENT..]
    the table and the plot of the README, from what bench measured";

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let command = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let checkout = Checkout::of_this_tool();
    match command.as_deref() {
        Some("test") => suite::test(checkout, &rest),
        Some("lint") => part::run("lint", &lint::PARTS, &rest, &checkout),
        Some("emulators") => emulators::keep(&checkout, &rest),
        Some("bench") => bench::bench(&checkout, &rest),
        Some("figures") => bench::figures(&checkout, &rest),
        Some("help" | "--help" | "-h") => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
