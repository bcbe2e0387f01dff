//! The command line `tokenvault`. Everything is in [`tokenvault::cli`].

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Wipes every allocation when it is freed: the buffers of serde, clap and std hold copies of secrets, and are not ours
/// to wipe one by one.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    tokenvault::cli::run()
}
