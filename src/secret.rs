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
        // Eight bytes at a time, where the texts are of one length: byte by byte takes eight times as long.
        let ((own, own_rest), (others, others_rest)) =
            (self.expose().as_bytes().as_chunks(), other.expose().as_bytes().as_chunks());
        let is_one_length = own.len() == others.len() && own_rest.len() == others_rest.len();
        let words =
            own.iter().zip(others).map(|(own, other)| u64::from_ne_bytes(*own).ct_eq(&u64::from_ne_bytes(*other)));
        is_one_length && words.fold(own_rest.ct_eq(others_rest), |all, one| all & one).into()
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
        let text = "0123456789abcdefghi";
        for len in 0..text.len() {
            let same = SecretText::new(&text[..len]);
            assert_eq!(same, SecretText::new(&text[..len]));
            for at in 0..len {
                let changed = format!("{}!{}", &text[..at], &text[at + 1..len]);
                assert_ne!(same, SecretText::new(&changed), "{at} of {len}");
                assert_ne!(same, SecretText::new(&text[..at]), "{at} of {len}");
            }
        }
    }
}
