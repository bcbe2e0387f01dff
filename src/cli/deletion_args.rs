//! The raw arguments of what deletes: delete, delete-all.

use clap::Args;

use crate::cli::grant_args::ProviderArgs;

#[derive(Args)]
pub(super) struct DeleteArgs {
    /// The token's id
    pub(super) id: String,
    /// At once and for good, without a recovery window; also what was deleted before (AWS only)
    #[arg(long)]
    pub(super) purge: bool,
    /// Revoke it at the OAuth provider first; where that fails, nothing is deleted
    #[arg(long)]
    pub(super) revoke: bool,
    #[command(flatten)]
    pub(super) provider: ProviderArgs,
}

#[derive(Args, Default)]
pub(super) struct DeleteAllArgs {
    /// Really
    #[arg(long)]
    pub(super) yes: bool,
    /// At once and for good, without a recovery window; also what was deleted before (AWS only)
    #[arg(long)]
    pub(super) purge: bool,
    /// Revoke them at the OAuth provider first; where that fails, nothing is deleted
    #[arg(long)]
    pub(super) revoke: bool,
    #[command(flatten)]
    pub(super) provider: ProviderArgs,
}
