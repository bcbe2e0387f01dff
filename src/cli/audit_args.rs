//! The raw arguments of audit.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    pub(super) command: Option<AuditCommand>,
    /// The trail: a file, - for standard input, or cloudwatch:GROUP or cloudwatch:GROUP:STREAM [default: where TOKENVAULT_AUDIT
    /// has it written]
    #[arg(long, value_name = "TRAIL")]
    pub(super) from: Vec<PathBuf>,
    /// Only calls about this token, and those about all tokens
    #[arg(long, value_name = "ID")]
    pub(super) token: Option<String>,
    /// Only calls about this user's tokens; where users are hashed, the vault's key is needed
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// Only calls of this principal
    #[arg(long, value_name = "NAME")]
    pub(super) principal: Option<String>,
    /// Only calls that ended so
    #[arg(long, value_name = "OUTCOME", value_parser = ["ok", "not-found", "refused", "failed", "unknown"])]
    pub(super) outcome: Option<String>,
    /// Not before: a moment in UTC such as 2026-11-22T17:20:00Z, a date, or how long ago, such as 2h
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,
    /// Before, in the same forms
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<String>,
    /// Draw who called when, instead of listing the calls
    #[arg(long)]
    pub(super) timeline: bool,
    /// Write that picture as SVG into this new file
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,
    /// Hold CloudTrail's events against the trail, and list the reads of the vault's secrets that did not come through the
    /// vault; the exit code is 1 where there are any. - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["timeline", "svg", "token", "user", "principal", "outcome", "since", "until"])]
    pub(super) cloudtrail: Option<PathBuf>,
    /// Where the vault's secrets are [default: the prefix of the store, where that is in AWS]
    #[arg(long, value_name = "PREFIX", requires = "cloudtrail")]
    pub(super) prefix: Option<String>,
}

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Check that no line was changed, removed or moved; needs the vault's key
    ///
    /// The exit code is 5 where a chain is broken, and 4 where none is but one has no end: its process runs or was killed,
    /// or its last lines were cut off. It is 1 where there is no chain at all.
    Verify {
        /// The trail: a file, or several in the order in which they were written, - for standard input, or cloudwatch:GROUP or
        /// cloudwatch:GROUP:STREAM [default: where TOKENVAULT_AUDIT has it written]
        #[arg(long, value_name = "TRAIL")]
        from: Vec<PathBuf>,
        /// Chains without an end are no reason to worry
        #[arg(long)]
        allow_open: bool,
        /// Other vaults write to this trail, too: their chains, which are not checked, are no reason to worry
        #[arg(long)]
        allow_foreign: bool,
    },
}
