//! Wiping the stack below a piece of work on keys.
//!
//! Values that are made, moved or returned leave copies on the stack that no destructor sees; and AES spreads its round
//! keys, of which the first is half the key, over the stack at every use. tests/wiped.rs looks for them.
//!
//! It costs about 0.1 microseconds in an optimised build.

use std::cell::Cell;
use std::hint::black_box;

/// Twice what the work here was seen to use. Without optimisation it is much more, and time is no concern.
const DEPTH: usize = if cfg!(debug_assertions) { 64 * 1024 } else { 16 * 1024 };

thread_local! {
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The outermost piece of work of this thread has ended, be it by a panic.
struct Outermost;

impl Drop for Outermost {
    fn drop(&mut self) {
        IS_INSIDE.set(false);
    }
}

/// Does `work`, then overwrites the stack it used. What it answers must hold keys in boxes only, or not at all.
///
/// Inside of other such work nothing is overwritten before that ends: so many small pieces can share one wiping.
#[inline(never)]
pub(crate) fn wiped_after<T>(work: impl FnOnce() -> T) -> T {
    if IS_INSIDE.replace(true) {
        return work();
    }
    let _outermost = Outermost;
    let answer = apart(work);
    overwrite();
    answer
}

// Both are called from one frame, so the second lies where the first did.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn overwrite() {
    black_box(&mut [0_u8; DEPTH]);
}
