//! AWS is cut off from a vault with a copy, or refuses it, at each call of each operation, and comes back: with and without
//! a journal, and with another worker that is not cut off.

mod alone;
mod cuts;
mod looks;
mod scene;
mod sides;
