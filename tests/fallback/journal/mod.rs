//! A store with a copy and a journal.

mod beside;
mod cuts;
mod full;
pub(crate) mod graves;
#[cfg(feature = "audit")]
mod lines;
pub(crate) mod machine;
mod merging;
mod played_twice;
mod promises;
mod random;
#[cfg(feature = "file")]
mod sealed;
mod sides;
mod strays;
mod unheard;
mod waiting;
mod withheld;
