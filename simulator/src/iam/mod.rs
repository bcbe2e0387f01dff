//! Who may do what: policies of principals and of secrets.

pub(crate) mod condition;
pub mod policy;
pub mod principal;
pub(crate) mod strings;
pub(crate) mod verdict;
