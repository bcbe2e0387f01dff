//! The raw arguments of what takes tokens elsewhere: import, export, copy.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
#[cfg(feature = "import")]
use clap::ValueEnum;

#[cfg(feature = "import")]
use crate::cli::token_args::RevealArgs;

#[cfg(feature = "import")]
#[derive(Args)]
pub(super) struct ImportArgs {
    /// A CSV file of the Python, Node or TypeScript SDK, or sqlite:FILE with a table oauthtoken
    #[arg(long, value_name = "FILE")]
    pub(super) from: OsString,
    /// Keep the ids of the file, or match by user and client and make new ones
    #[arg(long, value_enum, default_value_t)]
    pub(super) ids: Ids,
    /// Say what would happen, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Import the other rows where some are refused
    #[arg(long)]
    pub(super) skip_refused: bool,
    /// Also write over tokens that were saved here since
    #[arg(long)]
    pub(super) overwrite: bool,
}

/// What becomes of the ids in an imported file.
#[cfg(feature = "import")]
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Ids {
    /// They stay the tokens' ids.
    #[default]
    Keep,
    /// They are left behind.
    New,
}

#[cfg(feature = "import")]
#[derive(Args)]
pub(super) struct ExportArgs {
    /// Which SDK's file store is to read it
    #[arg(long, value_enum, value_name = "SDK")]
    pub(super) format_of: Sdk,
    /// Write into this new file, readable by you only, instead of to standard output
    #[arg(long, value_name = "FILE")]
    pub(super) to: Option<PathBuf>,
    #[command(flatten)]
    pub(super) reveal: RevealArgs,
}

/// An SDK with a file store.
#[cfg(feature = "import")]
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Sdk {
    /// Python.
    Python,
    /// Node.
    Node,
    /// TypeScript.
    Typescript,
}

#[derive(Args)]
pub(super) struct CopyArgs {
    /// The vault to read: file:PATH or aws:PREFIX, as --store has them
    #[arg(long, value_name = "STORE")]
    pub(super) from: OsString,
    /// The vault to write into. A file's key is named by --key-file or --passphrase-file, as everywhere; where both are
    /// files, those are for the one to read
    #[arg(long, value_name = "STORE")]
    pub(super) to: OsString,
    /// Where both are files: the key file that opens the one to write into
    #[arg(long, value_name = "FILE", conflicts_with = "to_passphrase_file")]
    pub(super) to_key_file: Option<PathBuf>,
    /// Where both are files: the file with the passphrase of the one to write into [default: asked for on the terminal]
    #[arg(long, value_name = "FILE")]
    pub(super) to_passphrase_file: Option<PathBuf>,
    /// Say what would happen, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}
