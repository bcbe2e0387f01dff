//! Secret text: wiped when dropped, opaque to `Debug`, compared in constant time.

use std::fmt;
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretBox};
use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

use crate::wipe::wipe;

/// Text that must not be seen: tokens, client secrets, passphrases.
///
/// # Security
/// The memory is wiped on drop; texts that were read together lie in one piece of memory, which is wiped when the last
/// of them is dropped, and a clone has memory of its own. There is no `Display`, no serialisation and no derived equality; [`expose`] is the one
/// door, so that every use can be searched for. Comparison takes the same time for all texts of one length (the length
/// itself is not hidden).
///
/// [`expose`]: SecretText::expose
pub struct SecretText {
    memory: Arc<SecretBox<str>>,
    place: Range<usize>,
}

impl SecretText {
    /// Copies `text` into memory of its own, in exactly the room it needs: a `String` with room to spare would be
    /// shrunk, and shrinking may leave a copy behind. Wiping the original is the caller's business.
    pub fn new(text: &str) -> Self {
        let memory = Arc::new(SecretBox::new(Box::<str>::from(text)));
        Self { memory, place: 0..text.len() }
    }

    /// Copies `texts` into one piece of memory: to have each in one of its own takes longer than to open the record that
    /// they come from. An empty one is none.
    pub(crate) fn together<const N: usize>(texts: [&str; N]) -> [Option<Self>; N] {
        let mut whole = String::with_capacity(texts.map(str::len).iter().sum());
        texts.iter().for_each(|text| whole.push_str(text));
        Self::cut(whole, texts.map(str::len))
    }

    /// As [`together`](Self::together), of bytes; `None` where one of them is not UTF-8.
    pub(crate) fn read_together<const N: usize>(texts: [&[u8]; N]) -> Option<[Option<Self>; N]> {
        let lens = texts.map(<[u8]>::len);
        let mut whole = Vec::with_capacity(lens.iter().sum());
        texts.iter().for_each(|text| whole.extend_from_slice(text));
        let whole = String::from_utf8(whole).map_err(|error| wipe(&mut error.into_bytes())).ok()?;
        // A character may not reach from one text into the next.
        let mut end = 0;
        let mut is_whole = |len: &usize| {
            end += len;
            whole.is_char_boundary(end)
        };
        let are_whole = lens.iter().all(&mut is_whole);
        let texts = Self::cut(whole, lens);
        are_whole.then_some(texts)
    }

    /// `whole` is exactly as long as its room, so that it is not moved.
    fn cut<const N: usize>(whole: String, lens: [usize; N]) -> [Option<Self>; N] {
        let memory = Arc::new(SecretBox::new(whole.into_boxed_str()));
        let mut end = 0;
        lens.map(|len| {
            let place = end..end + len;
            end = place.end;
            (len > 0).then(|| Self { memory: Arc::clone(&memory), place })
        })
    }

    /// The same text in the same memory, for what is kept and dropped together with it.
    pub(crate) fn shared(&self) -> Self {
        Self { memory: Arc::clone(&self.memory), place: self.place.clone() }
    }

    /// Whether other texts lie in the same memory.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.memory) > 1
    }

    /// The text itself.
    ///
    /// # Security
    /// Whatever is copied from it is not wiped by us.
    pub fn expose(&self) -> &str {
        self.memory.expose_secret().get(self.place.clone()).unwrap_or_default()
    }

    /// Whether the two texts are equal, in constant time for texts of one length.
    pub fn ct_eq(&self, other: &Self) -> bool {
        let (own, other) = (self.expose().as_bytes(), other.expose().as_bytes());
        own.len() == other.len() && black_box(difference(own, other)).ct_eq(&0).into()
    }
}

/// Zero where the two, which are of one length, are the same. All of it depends on every byte of both. (Word by word with
/// subtle takes four times as long, byte by byte thirty times.)
fn difference(own: &[u8], other: &[u8]) -> u64 {
    let ((own_words, own_rest), (words, rest)) = (own.as_chunks(), other.as_chunks());
    let of_words = |own: &[u8; 8], other: &[u8; 8]| u64::from_ne_bytes(*own) ^ u64::from_ne_bytes(*other);
    let found = own_words.iter().zip(words).fold(0, |found, (own, other)| found | of_words(own, other));
    own_rest.iter().zip(rest).fold(found, |found, (own, other)| found | u64::from(own ^ other))
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
