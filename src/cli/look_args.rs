//! The raw arguments of the commands that look at a vault: status, doctor, verify.

use clap::Args;

#[derive(Args)]
pub(super) struct DoctorArgs {
    /// Count as missing what only an operator needs: to verify, repair, purge, read the audit trail, or move the vault to another
    /// KMS key (AWS only)
    #[arg(long)]
    pub(super) operator: bool,
    /// Do not read the tokens: old versions that were put back in force, saves that are too many, lives that are too short
    /// are looked for in the index alone (AWS only)
    #[arg(long)]
    pub(super) quick: bool,
}

#[derive(Args)]
pub(super) struct StatusArgs {
    /// Leave out what takes a look at every token: users, OAuth clients, leases; of a vault in AWS also the number of tokens
    #[arg(long)]
    pub(super) quick: bool,
}

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// Build the index of a vault in AWS anew from all of it that reads and from the secrets (AWS only)
    ///
    /// The vault is in use meanwhile; for some seconds writers are told to try again. It takes ten minutes, since what AWS
    /// lists may be five minutes old. Where it is broken off, run it again.
    #[arg(long)]
    pub(super) repair: bool,
}
