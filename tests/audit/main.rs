//! The audit trail: no line, no answer; no line changed or taken away unseen; several processes on one file.
#![cfg(feature = "audit")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "clippy spares the bodies of tests, and not the functions that they share; the files are a test's own"
)]

mod asked;
mod chains;
mod closed;
#[cfg(feature = "audit-cloudwatch")]
mod cloudwatch;
#[cfg(feature = "audit-cloudwatch")]
mod cloudwatch_read;
#[cfg(feature = "cli")]
mod command;
#[cfg(feature = "audit-cloudwatch")]
mod emulated;
#[cfg(feature = "audit-cloudwatch")]
#[path = "../support/emulator.rs"]
mod emulator;
#[cfg(feature = "file")]
mod files;
mod hostile;
mod leases;
#[cfg(feature = "audit-cloudwatch")]
#[path = "../support/logs.rs"]
mod logs;
mod lost;
mod metrics;
#[cfg(feature = "cli")]
mod processes;
#[cfg(feature = "cli")]
mod refusals;
#[cfg(feature = "cli")]
mod scene;
mod scripted;

use std::sync::Arc;

use tokenvault::audit::keys::Keys;
use tokenvault::audit::read::{self, Line};
use tokenvault::audit::recorder::{Mode, Recorder, RecorderOptions};
use tokenvault::audit::sink::OpenSink;
use tokenvault::audit::verify::{Verification, Verifier};
use tokenvault::backend::audit_key::AuditKey;
use tokenvault::backend::memory::MemoryBackend;
use tokenvault::clock::{Clock, ManualClock, Timestamp};
use tokenvault::fields::Field;
use tokenvault::layer::audit::Audited;
use tokenvault::operation::Context;
use tokenvault::store::TokenStore;
use tokenvault::token::OAuthToken;
use tokenvault::vault::Vault;

fn keys() -> Keys {
    Keys::derive(&AuditKey::new(&[7; 32])).unwrap()
}

/// 2026-11-22T17:20:00Z
fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_millis(1_795_368_000_000)))
}

fn options(mode: Mode, clock: Arc<dyn Clock>) -> RecorderOptions {
    let mut options = RecorderOptions::default();
    (options.mode, options.clock) = (mode, clock);
    options
}

fn recorder(sink: Arc<dyn OpenSink>, mode: Mode) -> Arc<Recorder> {
    Arc::new(Recorder::new(sink, keys(), options(mode, clock())))
}

/// A vault in memory, and the same with lines.
fn vault(recorder: Arc<Recorder>) -> (Arc<Vault>, Audited) {
    let vault = Arc::new(Vault::new(Arc::new(MemoryBackend::new())));
    (Arc::clone(&vault), Audited::new(vault, recorder))
}

fn token(user: &str) -> OAuthToken {
    let token = OAuthToken::new().with(Field::UserName, user).with(Field::ClientId, "app");
    token.with(Field::RefreshToken, "canary-refresh").with(Field::AccessToken, "canary-access")
}

fn context() -> Context {
    Context::new().with_principal("ada").with_caller("test")
}

fn lines(bytes: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    read::pieces(bytes, |piece| lines.push(Line::parse(piece.bytes).unwrap())).unwrap();
    lines
}

fn verified(bytes: &[u8]) -> Verification {
    let keys = keys();
    let mut verifier = Verifier::new(&keys);
    read::pieces(bytes, |piece| verifier.take(piece)).unwrap();
    verifier.finish()
}

fn kinds(bytes: &[u8]) -> Vec<String> {
    lines(bytes).into_iter().map(|line| line.kind).collect()
}

/// Everything that a store can be asked, once: by whom it is told whether each was answered.
async fn every_call(store: &dyn TokenStore, cx: &Context) -> Vec<bool> {
    let mut given = token("ada");
    let saved = store.save_token(cx, &mut given).await.is_ok();
    let id = given.id().unwrap_or("tvaaaaaaaaaaaaaaaaaaaaaaaaaa").to_owned();
    let mut wanted = OAuthToken::new().with(Field::UserName, "ada");
    vec![
        saved,
        store.find_token(cx, &mut wanted).await.is_ok(),
        store.find_token_by_id(cx, &id).await.is_ok(),
        store.get_tokens(cx).await.is_ok(),
        store.delete_token(cx, &id).await.is_ok(),
        store.delete_tokens(cx).await.is_ok(),
    ]
}
