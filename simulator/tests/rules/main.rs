//! Every rule of RULES.md, by its number. Calls go over the wire protocol, in process.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod access;
mod account;
mod batch;
mod deletion;
mod input;
mod keys;
mod labels;
mod listing;
mod own;
mod rates;
mod stale;
mod table;
mod tokens;
mod trail;
mod versions;
mod wire;
