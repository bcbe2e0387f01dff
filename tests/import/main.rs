//! Importing the SDKs' files into a vault in memory, and exporting them.
#![cfg(feature = "import")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "clippy spares the bodies of tests, and not the functions that they share"
)]

mod export;
mod files;
mod ids;
mod leak;
mod races;
mod repeat;
mod samples;

use std::sync::Arc;

use tokenvault::backend::memory::MemoryBackend;
use tokenvault::fields::Field;
use tokenvault::import::row::Rows;
use tokenvault::import::summary::{Effect, Summary};
use tokenvault::import::{ImportOptions, csv};
use tokenvault::operation::Context;
use tokenvault::record::Record;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

const NODE: &str =
    "id,user_name,client_id,client_secret,refresh_token,access_token,grant_token,expiry_time,redirect_url,api_domain";

const KEEP: ImportOptions<'static> = ImportOptions {
    ids: tokenvault::import::Ids::Keep,
    overwrite: false,
    dry_run: false,
    skip_refused: false,
    progress: None,
};

fn vault() -> Vault {
    Vault::new(Arc::new(MemoryBackend::new()))
}

/// A file as the SDK for Node writes it; the first row is on line 2.
fn node(rows: &[&str]) -> Rows {
    csv::parse(format!("{NODE}\n{}", rows.join("\n")).as_bytes()).unwrap()
}

async fn import(vault: &Vault, rows: &[&str], options: &ImportOptions<'_>) -> Summary {
    tokenvault::import::import(vault, &Context::new(), &node(rows), options).await.unwrap()
}

/// Imports rows that nothing is wrong with.
async fn seed(vault: &Vault, rows: &[&str], options: &ImportOptions<'_>) {
    let summary = import(vault, rows, options).await;
    assert_eq!((summary.effect, &*summary.refused), (Effect::Imported, &[][..]));
}

async fn by_id(vault: &Vault, id: &str) -> Option<Arc<OAuthToken>> {
    vault.find_token_by_id(&Context::new(), id).await.unwrap().value
}

async fn field(vault: &Vault, id: &str, field: Field) -> Option<String> {
    by_id(vault, id).await.and_then(|token| token.get(field).map(|text| text.expose().to_owned()))
}

async fn save(vault: &Vault, mut token: OAuthToken) -> OAuthToken {
    vault.save_token(&Context::new(), &mut token).await.unwrap();
    token
}

/// Everything that is stored, to tell whether anything was written.
async fn stored(vault: &Vault) -> Vec<Arc<Record>> {
    let mut records = vault.backend().list(&Context::new()).await.unwrap().value;
    records.sort_by_key(|record| record.name);
    records
}

async fn versions(vault: &Vault) -> Vec<String> {
    stored(vault).await.iter().map(|record| format!("{:?} {:?}", record.name, record.version)).collect()
}

fn token(fields: &[(Field, &str)]) -> OAuthToken {
    fields.iter().fold(OAuthToken::new(), |token, (field, text)| token.with(*field, text))
}

fn refused(summary: &Summary) -> Vec<(usize, &str)> {
    summary.refused.iter().map(|refusal| (refusal.line, &*refusal.reason)).collect()
}

fn assert_stopped(summary: &Summary) {
    assert_eq!(summary.effect, Effect::Stopped);
    assert!(summary.check().is_err());
}
