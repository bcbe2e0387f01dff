//! The command line over AWS Secrets Manager: the real program against the simulator's server on loopback.
#![cfg(all(feature = "aws", feature = "cli", feature = "import"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has to stop")]
#![allow(clippy::indexing_slicing, reason = "as above")]

#[path = "../support/at_once.rs"]
mod at_once;
#[cfg(feature = "audit-cloudwatch")]
mod audit;
mod auditor;
mod bad_days;
mod bare;
mod doctor;
#[path = "../support/emulator.rs"]
mod emulator;
mod endpoints;
mod everyday;
mod failures;
mod fallback;
mod journal;
mod killed;
#[cfg(feature = "audit-cloudwatch")]
#[allow(dead_code, reason = "the tests of the audit trail use the rest of it")]
#[path = "../support/logs.rs"]
mod logs;
#[cfg(feature = "audit-cloudwatch")]
#[path = "../support/logs_server.rs"]
mod logs_server;
mod lost_pages;
mod newer;
mod principal;
#[allow(dead_code, reason = "the tests of the command line use the rest of it")]
#[path = "../support/provider.rs"]
mod provider;
mod refresh;
mod scene;
mod serverless;
#[path = "../support/service.rs"]
mod service;
mod status;
mod survey;
mod upkeep;
