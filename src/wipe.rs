//! Overwriting what was secret.

use zeroize::optimization_barrier;

/// Overwrites `bytes` with zeros, also where nothing reads them any more. In words as wide as the processor has:
/// zeroize writes them one by one, which takes as long as opening a frame of the same length.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    optimization_barrier(bytes);
}
