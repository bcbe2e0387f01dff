//! What seals, what derives, and which key comes from which. Knows no file, no record and no store.

pub mod aead;
pub mod kdf;
pub mod keys;
pub(crate) mod stack;
