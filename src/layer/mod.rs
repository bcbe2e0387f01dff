//! Layers: each wraps a [`TokenStore`](crate::store::TokenStore) and is one.

pub mod cache;
pub mod coordinate;
