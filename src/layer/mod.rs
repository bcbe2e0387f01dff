//! Layers: each wraps a [`TokenStore`](crate::store::TokenStore) and is one.

pub mod cache;
pub mod coordinate;
#[cfg(feature = "provider")]
pub mod fresh;
