//! One process alone uses the store: its callers refresh also while the store is out of reach.

mod moments;
mod refused;
mod scene;
mod together;
