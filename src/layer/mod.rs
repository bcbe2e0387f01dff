//! Layers: each wraps a [`TokenStore`](crate::store::TokenStore) and is one.
//!
//! # Order
//! From the outside: what refreshes by itself (`fresh`, no store but around one), measurement, audit, coordination, cache, unsaved or journal, vault.
//!
//! ```text
//! right:  Refresher(Measured(Audited(Coordinated(Cache(Vault)))))
//! wrong:  Audited(Measured(Vault))     what the line of a call costs is not measured; one that is refused counts as done
//! wrong:  Cache(Audited(Vault))        an access that the cache answers leaves no line
//! wrong:  Cache(Coordinated(Vault))    a token that was handed out to one, to be refreshed, is handed to all
//! wrong:  Refresher(Cache(Vault))      nothing says who refreshes: `Opened::refresher` refuses
//! wrong:  Coordinated(Audited(Vault))  who waits, and what was refused in the end, leaves the lines of each look
//! ```

#[cfg(feature = "audit")]
pub mod audit;
pub mod cache;
pub mod coordinate;
#[cfg(feature = "provider")]
pub mod fresh;
pub mod journal;
mod kept;
#[cfg(feature = "audit")]
pub mod measure;
pub mod unsaved;
