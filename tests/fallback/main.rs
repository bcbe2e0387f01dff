//! A store with a copy to fall back on: over stores that fail when they are told to, by a clock that stands still until it
//! is moved.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has to stop")]

mod age;
mod alone;
mod audit_key;
mod cuts;
#[path = "../layers/going.rs"]
mod going;
#[path = "../layers/hourglass.rs"]
#[allow(dead_code, reason = "of the layers' tests; not all of it is used here")]
mod hourglass;
mod journal;
mod kept;
mod late;
mod leases;
mod outdated;
mod process;
mod random;
mod reads;
mod scene;
mod scripted;
mod sign_ins;
mod unsaved;
