//! Every rule of RULES.md, by its number. Calls go over the wire protocol, in process.

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
