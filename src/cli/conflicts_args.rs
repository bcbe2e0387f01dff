//! The raw arguments of conflicts.

use clap::Args;

#[derive(Args)]
pub(super) struct ConflictsArgs {
    /// Show secrets in the clear
    #[arg(long)]
    pub(super) reveal: bool,
    /// Forget them
    #[arg(long, conflicts_with = "reveal")]
    pub(super) clear: bool,
    /// Really
    #[arg(long, requires = "clear")]
    pub(super) yes: bool,
}
