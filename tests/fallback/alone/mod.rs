//! One process alone uses the store: its callers refresh also while the store is out of reach.

mod held_up;
mod late;
mod moments;
mod records;
mod refused;
mod scene;
mod together;
