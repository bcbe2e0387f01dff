//! The command line over AWS Secrets Manager: the real program against the simulator's server on loopback.
#![cfg(all(feature = "aws", feature = "cli", feature = "import"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has to stop")]
#![allow(clippy::indexing_slicing, reason = "as above")]

mod bad_days;
mod everyday;
mod failures;
mod fallback;
mod killed;
mod scene;
mod serverless;
#[path = "../support/service.rs"]
mod service;
mod survey;
mod upkeep;
