//! A child process of the command line, killed (SIGKILL) at random moments of everything that writes: what it had
//! acknowledged is there, the rest happened as a whole or not at all, and the vault opens.
//!
//! `TOKENVAULT_SEED=n` draws the same moments again, as well as a clock can; `TOKENVAULT_SOAK=n` kills n times as often.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "a test")]

mod change_key;
mod compaction;
mod delete;
mod dice;
mod handle;
mod import;
mod neighbours;
mod rotate;
mod save;
mod scene;
mod token;
mod victim;
