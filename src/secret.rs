//! Secret text: wiped when dropped, opaque to `Debug`, compared in constant time.

use std::fmt;

use secrecy::{ExposeSecret, SecretBox};
use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

/// Text that must not be seen: tokens, client secrets, passphrases.
///
/// # Security
/// The memory is wiped on drop. There is no `Display`, no serialisation and no derived equality; [`expose`] is the one
/// door, so that every use can be searched for. Comparison takes the same time for all texts of one length (the length
/// itself is not hidden).
///
/// [`expose`]: SecretText::expose
pub struct SecretText(SecretBox<str>);

impl SecretText {
    /// Copies `text` into memory of its own, in exactly the room it needs: a `String` with room to spare would be
    /// shrunk, and shrinking may leave a copy behind. Wiping the original is the caller's business.
    pub fn new(text: &str) -> Self {
        Self(SecretBox::new(Box::<str>::from(text)))
    }

    /// The text itself.
    ///
    /// # Security
    /// Whatever is copied from it is not wiped by us.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether the two texts are equal, in constant time for texts of one length.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Clone for SecretText {
    fn clone(&self) -> Self {
        Self::new(self.expose())
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other)
    }
}

impl Eq for SecretText {}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretText").finish_non_exhaustive()
    }
}

impl ZeroizeOnDrop for SecretText {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_text() {
        assert_eq!(format!("{:?}", SecretText::new("canary")), "SecretText { .. }");
    }

    #[test]
    fn equality_compares_the_whole_text() {
        assert_eq!(SecretText::new("same"), SecretText::new("same"));
        assert_ne!(SecretText::new("same"), SecretText::new("sama"));
        assert_ne!(SecretText::new("same"), SecretText::new("same "));
    }
}
