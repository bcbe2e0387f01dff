//! The raw arguments, as clap reads them. Nothing here is checked beyond its form; nothing here can hold a secret.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::cli::audit_args::AuditArgs;
#[cfg(feature = "aws")]
use crate::cli::conflicts_args::ConflictsArgs;
use crate::cli::deletion_args::{DeleteAllArgs, DeleteArgs};
use crate::cli::grant_args::{LoginArgs, TokenArgs};
use crate::cli::key_args::{ChangeArgs, InitArgs, RotateArgs};
use crate::cli::look_args::{DoctorArgs, StatusArgs, VerifyArgs};
use crate::cli::report::AFTERWORD;
use crate::cli::text;
use crate::cli::token_args::{FindArgs, GetArgs, ListArgs};
use crate::cli::transfer_args::CopyArgs;
#[cfg(feature = "import")]
use crate::cli::transfer_args::{ExportArgs, ImportArgs};

/// A vault for OAuth tokens
///
/// Keeps the tokens of Zoho CRM SDK users in an encrypted file, or in AWS Secrets Manager. Secrets are read from standard input, from files or
/// from a terminal, never from arguments, and are shown as short fingerprints unless --reveal is given.
///
/// What can be set is taken from the flag, else from the environment, else from the configuration file.
#[derive(Parser)]
#[command(name = "tokenvault", version, after_help = AFTERWORD, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(flatten, next_help_heading = "Options of every command")]
    pub(super) global: GlobalArgs,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command takes.
#[derive(Args, Default)]
pub(super) struct GlobalArgs {
    /// The vault: file:PATH, aws:PREFIX?region=REGION&kms_key_id=KEY&endpoint=URL&fallback=file:PATH&fallback_age=SECONDS&journal=file:PATH&writers=one (parameters as needed), or memory:
    /// [TOKENVAULT_STORE; default: vault.tv in the user's data directory]
    #[arg(long, global = true, value_name = "STORE")]
    pub(super) store: Option<OsString>,
    /// A configuration file in TOML: store, key-file, passphrase-file, format, lock-wait, quiet, log, provider, audit, audit-mode, audit-users, metrics
    /// [TOKENVAULT_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The file with the 32 bytes that open the vault [TOKENVAULT_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub(super) key_file: Option<PathBuf>,
    /// The file with the passphrase that opens the vault [TOKENVAULT_PASSPHRASE_FILE; the passphrase itself:
    /// TOKENVAULT_PASSPHRASE]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
    /// How to show tokens: a table for people, or JSON [TOKENVAULT_FORMAT; default: table]
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(super) format: Option<Format>,
    /// How long another process may hold a vault file before this one gives up [TOKENVAULT_LOCK_WAIT; default: 10s]
    #[arg(long, global = true, value_name = "DURATION", value_parser = text::parse_duration)]
    pub(super) lock_wait: Option<Duration>,
    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
}

/// How tokens are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: the SDKs' field names, and id.
    Json,
}

impl Format {
    /// The format with this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::from_str(name, false).ok()
    }
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a new vault
    Init(InitArgs),
    /// Save tokens from standard input, and print their ids
    ///
    /// Reads one JSON object, or several after one another (JSON lines), with the fields id, user_name, client_id,
    /// client_secret, grant_token, refresh_token, access_token, expires_in (milliseconds since 1970), redirect_url and
    /// api_domain. Each is saved as soon as it is read; its id is printed once it is safely stored. A token that means
    /// a stored one updates it.
    Save,
    /// Find the token of a user, or of a refresh, access or grant token
    Find(FindArgs),
    /// Show the token with an id
    Get(GetArgs),
    /// Show all tokens
    List(ListArgs),
    /// Delete the token with an id: log it out
    ///
    /// A vault in AWS keeps it for seven days, and `undelete` brings it back.
    Delete(DeleteArgs),
    /// Delete every token: log everybody out
    DeleteAll(DeleteAllArgs),
    /// Print an access token that lives, and nothing else: for scripts
    ///
    /// Where it has ended, or is about to, it is refreshed at the OAuth provider first and saved. Of many that ask at once,
    /// also on other machines, one does that, and the others wait for it.
    Token(TokenArgs),
    /// Sign a user in: exchange a grant code from standard input, and store the tokens
    ///
    /// Prints the id of the stored token.
    Login(LoginArgs),
    /// Bring back a token that was deleted, within its recovery window (AWS only)
    ///
    /// Under its id, with all its texts. Refused where its user has signed in again. What a program was handed before the
    /// deletion can still not be saved.
    Undelete {
        /// The token's id
        id: String,
    },
    /// Copy all tokens from one vault into another, with their ids
    ///
    /// Between files and AWS, so that a sealed file is the backup of a vault in AWS, and the other way round. The target
    /// must be there: make it with `init`. What it has already is not written again, so run it again where it was broken
    /// off. Nothing there is overwritten by an older state. At the end both are compared, by number and fingerprint.
    Copy(CopyArgs),
    /// Import the tokens that an SDK's own store keeps
    ///
    /// Into a file: all of it or nothing. Into AWS: one token after another. Where that is broken off, run it again: what
    /// is there already counts as unchanged, and the rest follows.
    ///
    /// A token that was deleted here comes back where the file still holds it: whoever imports again and again takes out
    /// of the file who has logged out.
    #[cfg(feature = "import")]
    Import(ImportArgs),
    /// Write all tokens, in the clear, in the format of an SDK's file store
    #[cfg(feature = "import")]
    Export(ExportArgs),
    /// Make a consistent, sealed copy of the vault, also while others write (files only)
    Backup {
        /// The new file
        to: PathBuf,
    },
    /// Seal everything anew under a new key
    ///
    /// A file gets a new data key at once. In AWS every secret is moved to another KMS key while the vault is in use;
    /// where that is broken off, run it again. It ends with what is still under other keys.
    RotateKey(RotateArgs),
    /// Change the passphrase or key file, and seal everything anew under a new data key (files only)
    ///
    /// A new passphrase costs as much to try as the one before it, or as much as in a new vault where that is more. The --kdf
    /// options are obeyed also where they ask for less.
    ChangePassphrase(ChangeArgs),
    /// Read everything and check that it is whole
    ///
    /// In AWS the index is held against the secrets; that needs secretsmanager:ListSecrets. What is wrong is listed, the
    /// worst first; the exit code is 5 where tokens are lost to the vault, or would be.
    Verify(VerifyArgs),
    /// Show what the vault is made of
    ///
    /// Its size, its keys, the pages of its index and how near they are to their bounds, leases under way, the copy that is
    /// fallen back on, and the settings in force. Nothing is changed. What cannot be had is named as not known, with the
    /// reason.
    Status(StatusArgs),
    /// Try whether everything that the vault needs is there, and say what is missing
    ///
    /// In AWS each right is used once, on a secret PREFIX/doctor/NUMBER that is made for it and deleted again; no token is
    /// touched. Of a file its lock, its folder and its disk are tried. The exit code is 3 where a right is missing, 5 where
    /// something is damaged, 4 where it may work later.
    Doctor(DoctorArgs),
    /// Show what did not stand when a journal was played back (AWS with a journal only)
    ///
    /// Where the store and the journal both had a new value for one token, the vault's rules decide, and what does not stand is
    /// kept in the journal, sealed, for 30 days.
    #[cfg(feature = "aws")]
    Conflicts(ConflictsArgs),
    /// Who did what to which token: look through the audit trail
    ///
    /// The trail is kept where TOKENVAULT_AUDIT names a place for it: stdout, stderr, file:PATH or cloudwatch:GROUP:STREAM; off
    /// unless set.
    /// TOKENVAULT_AUDIT_MODE says what happens where a line cannot be written: required (there is no answer; the default)
    /// or best-effort. TOKENVAULT_AUDIT_USERS: hashed (the default) or plain. TOKENVAULT_PRINCIPAL: who runs this.
    /// TOKENVAULT_METRICS=emf writes CloudWatch metrics of the calls to standard error, emf:stdout to standard output.
    Audit(AuditArgs),
    /// Watch the whole life of a vault, explained line by line, on a temporary one
    Demo,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man {
        /// Write a page for every command into this folder instead
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
}
