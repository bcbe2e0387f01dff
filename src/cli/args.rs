//! The raw arguments, as clap reads them. Nothing here is checked beyond its form; nothing here can hold a secret.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

#[cfg(feature = "aws")]
use crate::cli::conflicts_args::ConflictsArgs;
use crate::cli::look_args::{DoctorArgs, StatusArgs};
use crate::cli::report::AFTERWORD;
use crate::cli::text;
use crate::fields::Field;

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
    /// The vault: file:PATH, aws:PREFIX?region=REGION&kms_key_id=KEY&endpoint=URL&fallback=file:PATH&fallback_age=SECONDS&journal=file:PATH (parameters as needed), or memory:
    /// [TOKENVAULT_STORE; default: vault.tv in the user's data directory]
    #[arg(long, global = true, value_name = "STORE")]
    pub(super) store: Option<OsString>,
    /// A configuration file in TOML: store, key-file, passphrase-file, format, lock-wait, quiet, log, provider, audit, audit-mode, audit-users
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
    Delete {
        /// The token's id
        id: String,
        /// At once and for good, without a recovery window; also what was deleted before (AWS only)
        #[arg(long)]
        purge: bool,
        /// Revoke it at the OAuth provider first; where that fails, nothing is deleted
        #[arg(long)]
        revoke: bool,
        #[command(flatten)]
        provider: ProviderArgs,
    },
    /// Delete every token: log everybody out
    DeleteAll {
        /// Really
        #[arg(long)]
        yes: bool,
        /// At once and for good, without a recovery window; also what was deleted before (AWS only)
        #[arg(long)]
        purge: bool,
        /// Revoke them at the OAuth provider first; where that fails, nothing is deleted
        #[arg(long)]
        revoke: bool,
        #[command(flatten)]
        provider: ProviderArgs,
    },
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

#[derive(Args)]
pub(super) struct InitArgs {
    /// Make the key file as well: 32 random bytes, readable by you only
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
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
pub(super) struct FindArgs {
    /// The user
    #[arg(long, value_name = "NAME", group = "what")]
    pub(super) user: Option<String>,
    /// The OAuth client; no secret is needed
    #[arg(long, value_name = "ID")]
    pub(super) client_id: Option<String>,
    /// Read a refresh token from standard input
    #[arg(long, group = "what", group = "stdin")]
    pub(super) refresh_token_stdin: bool,
    /// Read an access token from standard input
    #[arg(long, group = "what", group = "stdin")]
    pub(super) access_token_stdin: bool,
    /// Read a grant token from standard input
    #[arg(long, group = "what", group = "stdin")]
    pub(super) grant_token_stdin: bool,
    #[command(flatten)]
    pub(super) reveal: RevealArgs,
}

#[derive(Args, Clone, Copy)]
pub(super) struct RevealArgs {
    /// Show secrets in the clear
    #[arg(long)]
    pub(super) reveal: bool,
}

#[derive(Args)]
pub(super) struct GetArgs {
    /// The token's id
    pub(super) id: String,
    /// Print this field's text and nothing else, secret or not: for scripts
    #[arg(long, value_name = "NAME", value_parser = field_names())]
    pub(super) field: Option<String>,
    #[command(flatten)]
    pub(super) reveal: RevealArgs,
}

fn field_names() -> clap::builder::PossibleValuesParser {
    std::iter::once("id").chain(Field::ALL.map(Field::name)).collect::<Vec<_>>().into()
}

#[derive(Args)]
pub(super) struct ListArgs {
    /// Only this user's
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// Only those whose access token has ended, or ends within this time
    #[arg(long, value_name = "DURATION", value_parser = text::parse_duration)]
    pub(super) expiring: Option<Duration>,
    #[command(flatten)]
    pub(super) reveal: RevealArgs,
}

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

/// Where the OAuth provider is asked.
#[derive(Args)]
pub(super) struct ProviderArgs {
    /// The OAuth provider: a data centre of Zoho (us, eu, in, au, jp, cn, ca, sa, uk), or https://HOST of another accounts
    /// server [TOKENVAULT_PROVIDER; default: the data centre that the token tells]
    #[arg(long, value_name = "PROVIDER")]
    pub(super) provider: Option<String>,
}

#[derive(Args)]
#[command(group = ArgGroup::new("which").required(true))]
pub(super) struct TokenArgs {
    /// The token's id
    #[arg(group = "which")]
    pub(super) id: Option<String>,
    /// The user
    #[arg(long, value_name = "NAME", group = "which")]
    pub(super) user: Option<String>,
    /// The OAuth client, where a user has several
    #[arg(long, value_name = "ID", conflicts_with = "id")]
    pub(super) client_id: Option<String>,
    #[command(flatten)]
    pub(super) provider: ProviderArgs,
}

#[derive(Args)]
pub(super) struct LoginArgs {
    /// Who signs in
    #[arg(long, value_name = "NAME")]
    pub(super) user: String,
    /// The OAuth client
    #[arg(long, value_name = "ID")]
    pub(super) client_id: String,
    /// A file with the client's secret, readable by you only [default: the one that is stored for this user and client]
    #[arg(long, value_name = "FILE")]
    pub(super) client_secret_file: Option<PathBuf>,
    /// The redirect URL that the grant code came by, where it was one
    #[arg(long, value_name = "URL")]
    pub(super) redirect_url: Option<String>,
    #[command(flatten)]
    pub(super) provider: ProviderArgs,
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

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// Build the index of a vault in AWS anew from all of it that reads and from the secrets (AWS only)
    ///
    /// The vault is in use meanwhile; for some seconds writers are told to try again. It takes ten minutes, since what AWS
    /// lists may be five minutes old. Where it is broken off, run it again.
    #[arg(long)]
    pub(super) repair: bool,
}

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
