//! Layers: each wraps a [`TokenStore`](crate::store::TokenStore) and is one.

#[cfg(feature = "audit")]
pub mod audit;
