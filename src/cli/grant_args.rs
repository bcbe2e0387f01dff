//! The raw arguments of what asks the OAuth provider: token, login, and where it is.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

/// Where the OAuth provider is asked.
#[derive(Args, Default)]
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
