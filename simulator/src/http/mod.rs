//! The simulator over HTTP on loopback, for clients in other processes and other languages.

mod admin;
mod orders;
pub mod server;
