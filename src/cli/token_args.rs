//! The raw arguments of what shows tokens: find, get, list.

use std::time::Duration;

use clap::{ArgGroup, Args};

use crate::cli::text;
use crate::fields::Field;

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
