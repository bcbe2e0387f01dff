//! `doctor` over AWS: each right that is missing is named, what is wrong is told, and nothing else is touched.

pub(crate) mod bench;
mod fallback;
mod findings;
mod lives;
mod rights;
