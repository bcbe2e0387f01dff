//! The raw arguments of conflicts.

use clap::Args;

use crate::cli::token_args::RevealArgs;

#[derive(Args)]
pub(super) struct ConflictsArgs {
    #[command(flatten)]
    pub(super) reveal: RevealArgs,
    /// Forget them
    #[arg(long, conflicts_with = "reveal")]
    pub(super) clear: bool,
    /// Really
    #[arg(long, requires = "clear")]
    pub(super) yes: bool,
}
