//! `doctor` over AWS: each right that is missing is named, what is wrong is told, and nothing else is touched.

mod bench;
mod findings;
mod rights;
