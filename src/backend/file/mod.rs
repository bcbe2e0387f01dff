//! The encrypted file.

mod frame;
mod header;
mod key_source;
mod reader;
