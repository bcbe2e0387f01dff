//! The raw arguments of what makes a vault and changes its keys: init, rotate-key, change-passphrase.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub(super) struct InitArgs {
    /// Make the key file as well: 32 random bytes, readable by you only
    ///
    /// Of a vault in AWS, the one of the copy that the store names by fallback=. Where the vault is there already it is made all the
    /// same, and nothing else.
    #[arg(long)]
    pub(super) make_key_file: bool,
    #[command(flatten)]
    pub(super) cost: CostArgs,
}

/// What a passphrase costs to try: more makes guessing dearer, and opening slower.
#[derive(Args, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CostArgs {
    /// Memory that opening by passphrase takes, in MiB [default: 64; less for small containers]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(19..=1024))]
    pub(super) kdf_memory_mib: Option<u32>,
    /// Passes over that memory [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(super) kdf_passes: Option<u32>,
    /// Lanes that may run at once [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(super) kdf_lanes: Option<u32>,
}

#[derive(Args)]
pub(super) struct RotateArgs {
    /// The KMS key that a vault in AWS is to be under from now on: its id, alias or ARN
    #[arg(long, value_name = "KEY")]
    pub(super) kms_key_id: Option<String>,
}

#[derive(Args)]
pub(super) struct ChangeArgs {
    /// The file with the new passphrase [TOKENVAULT_NEW_PASSPHRASE_FILE; default: asked for on the terminal]
    #[arg(long, value_name = "FILE", conflicts_with = "new_key_file")]
    pub(super) new_passphrase_file: Option<PathBuf>,
    /// Open the vault by this key file from now on
    #[arg(long, value_name = "FILE")]
    pub(super) new_key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) cost: CostArgs,
}
