//! The audit trail: a line for every call, chained by MACs. docs/audit.md has the lines' fields and the chain's formula.
//!
//! ```text
//! recorder   a call begins, a call ends: its lines        line   what a line says, facts: of a call
//!   queue    calls that wait together share one write     chain  what binds it to the line before
//!   writer   the sink, and the chain that is written      keys   what the chain and the hashes are keyed with
//!     sink   what takes the lines: a file, a stream, CloudWatch Logs
//!
//! read       lines as they come back                       verify whether the chains are whole
//! query      which of them are asked for                   timeline a picture of them
//! cloudtrail reads that no line is about
//! ```

mod chain;
pub mod cloudtrail;
#[cfg(feature = "audit-cloudwatch")]
pub mod cloudwatch;
pub mod facts;
pub(crate) mod failure;
pub mod file_sink;
mod fixed;
pub mod keys;
pub mod line;
mod options;
mod own_queue;
mod pending;
pub mod query;
mod queue;
pub mod read;
pub mod recorder;
pub mod sink;
pub mod stream_sink;
pub mod timeline;
mod user_hashes;
pub(crate) mod utc;
pub mod verify;
mod writer;
