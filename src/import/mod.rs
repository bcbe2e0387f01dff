//! Reading the SDKs' own token stores into a vault: their CSV files and the SQLite table, all or nothing.
//!
//! [`csv`] and [`sqlite`] make [`Rows`](row::Rows) of a file; [`import`] decides what each row means, by the same rules
//! as every save, and writes all of it in one commit.

pub mod csv;
mod input;
mod overlay;
mod plan;
mod reserved;
pub mod row;
mod scan;
pub mod sqlite;
pub mod summary;

pub use plan::{Ids, ImportOptions, import};
