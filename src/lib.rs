//! A vault for OAuth tokens: the token store that the Zoho CRM SDKs ask for.
//!
//! - [`store::TokenStore`]: the six operations and what they promise.
//! - [`vault::Vault`]: the one implementation of the rules, over any [`backend::Backend`].
//! - [`backend::memory`], [`backend::file`]: what records are kept in.
//! - [`layer`]: what wraps a store and is one, and in which order.

#[cfg(feature = "audit")]
pub mod audit;
pub mod backend;
#[cfg(any(feature = "aws", feature = "file"))]
mod byte_reader;
mod claims;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod copy;
#[cfg(feature = "file")]
pub mod crypto;
pub mod error;
#[cfg(feature = "import")]
pub mod export;
pub mod fields;
#[cfg(all(fuzzing, feature = "cli", feature = "import"))]
pub mod fuzzing;
pub mod identity;
#[cfg(feature = "import")]
pub mod import;
pub mod intake;
pub mod layer;
pub mod lease;
pub mod lookup;
mod matching;
mod merging;
#[cfg(feature = "audit")]
pub mod metrics;
#[cfg(feature = "file")]
pub mod open;
pub mod operation;
pub mod pause;
#[cfg(feature = "provider")]
pub mod provider;
pub mod record;
pub mod record_codec;
pub mod secret;
pub mod store;
pub mod token;
mod turns;
pub mod undelete;
pub mod vault;
mod wipe;
#[cfg(any(feature = "file", feature = "import"))]
mod wiped_bytes;
