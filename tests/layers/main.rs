//! Layers over a store that does as it is told, by a clock that stands still until it is moved.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has to stop")]

mod cache;
mod going;
mod hourglass;
#[cfg(feature = "audit")]
mod order;
mod scripted;
#[cfg(feature = "audit")]
#[path = "../support/unhurried.rs"]
mod unhurried;
