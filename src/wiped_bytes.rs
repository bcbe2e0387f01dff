//! Bytes that are wiped when they are dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::wipe::wipe;

/// Bytes in a place of their own. They cannot become more, so none is left behind.
pub(crate) struct WipedBytes(Vec<u8>);

impl WipedBytes {
    /// `len` zeros, to be read into.
    pub(crate) fn zeros(len: usize) -> Self {
        Self(vec![0; len])
    }

    /// Leaves the first `len` of them.
    #[cfg(feature = "import")]
    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }
}

impl Deref for WipedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for WipedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for WipedBytes {
    fn drop(&mut self) {
        // With those that were cut off.
        self.0.resize(self.0.capacity(), 0);
        wipe(&mut self.0);
    }
}

impl fmt::Debug for WipedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WipedBytes").finish_non_exhaustive()
    }
}
