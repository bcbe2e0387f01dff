//! Sealing and opening: AES-256-GCM (NIST SP 800-38D) with a 96-bit nonce and a 128-bit tag.
//!
//! ```text
//! seal[key](nonce, aad, plaintext) = AES-256-GCM(key, nonce, aad, plaintext) -> same length || tag 16
//! ```
//! With random nonces a key may seal 2^32 times before two of them meet with a chance above 2^-32 (SP 800-38D, 8.3);
//! whoever seals counts, and takes a new key well before.

use std::fmt;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use zeroize::ZeroizeOnDrop;

use crate::crypto::stack::wiped_after;
use crate::error::{Error, ErrorKind, Result};

/// Bytes of a nonce.
pub const NONCE_LEN: usize = 12;
/// Bytes of a tag.
pub const TAG_LEN: usize = 16;

/// A key that seals and opens: a vault file's data key, or the key that wraps it.
///
/// # Security
/// Wiped on drop. It lies in a box, because a value that is moved about leaves copies behind; and what making or using
/// it leaves on the stack is wiped at once, or with the piece of work it is part of.
pub struct DataKey(Box<Aes256Gcm>);

/// What was to be opened is not what was sealed under this key, nonce and AAD. There is no more to say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was sealed does not open")
    }
}

impl std::error::Error for Refused {}

impl DataKey {
    /// The key with these bits. Wiping `key` is the caller's business.
    pub fn new(key: &[u8; 32]) -> Self {
        wiped_after(|| Self(Box::new(Aes256Gcm::new(key.into()))))
    }

    /// Seals `buffer` where it lies, bound to `aad`, and answers the tag.
    ///
    /// # Security
    /// A nonce used twice under one key gives the plaintexts away, and the key of the tag with them.
    ///
    /// # Errors
    /// `Internal` beyond the 64 GiB that one nonce can seal.
    pub fn seal_in_place(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut [u8]) -> Result<[u8; TAG_LEN]> {
        wiped_after(|| self.0.encrypt_inout_detached(nonce.into(), aad, InOutBuf::from(buffer)))
            .map(Into::into)
            .map_err(|_| Error::new(ErrorKind::Internal, "more was to be sealed at once than AES-GCM can seal"))
    }

    /// Opens `buffer` where it lies. The tag is checked first, in constant time: of what is refused, nothing is opened.
    ///
    /// # Errors
    /// [`Refused`] where key, nonce, AAD, bytes or tag are not those of one sealing.
    pub fn open_in_place(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Refused> {
        wiped_after(|| self.0.decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(buffer), tag.into()))
            .map_err(|_| Refused)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").finish_non_exhaustive()
    }
}

// The cipher wipes its round keys and its GHASH key (the feature `zeroize` of aes-gcm).
impl ZeroizeOnDrop for DataKey {}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn hex<const N: usize>(digits: &str) -> [u8; N] {
        HEXLOWER.decode(digits.as_bytes()).unwrap().try_into().unwrap()
    }

    /// Test case 16 of the GCM specification (McGrew and Viega), from which NIST took the mode.
    #[test]
    fn the_published_vector_seals_and_opens() {
        let key = DataKey::new(&hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"));
        let nonce = hex("cafebabefacedbaddecaf888");
        let aad: [u8; 20] = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let plaintext: [u8; 60] =
            hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532f\
             cf0e2449a6b525b16aedf5aa0de657ba637b39");
        let sealed: [u8; 60] =
            hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7\
             b08b1056828838c5f61e6393ba7a0abcc9f662");

        let mut buffer = plaintext;
        let tag = key.seal_in_place(&nonce, &aad, &mut buffer).unwrap();
        assert_eq!((buffer, tag), (sealed, hex("76fc6ece0f4e1768cddf8853bb2d551b")));
        key.open_in_place(&nonce, &aad, &mut buffer, &tag).unwrap();
        assert_eq!(buffer, plaintext);
    }

    #[test]
    fn what_is_refused_is_not_opened() {
        let key = DataKey::new(&[1; 32]);
        let mut sealed = *b"plaintext";
        let mut tag = key.seal_in_place(&[2; 12], b"aad", &mut sealed).unwrap();
        let before = sealed;
        assert_eq!(key.open_in_place(&[3; 12], b"aad", &mut sealed, &tag), Err(Refused));
        assert_eq!(key.open_in_place(&[2; 12], b"AAD", &mut sealed, &tag), Err(Refused));
        assert_eq!(DataKey::new(&[4; 32]).open_in_place(&[2; 12], b"aad", &mut sealed, &tag), Err(Refused));
        tag[15] ^= 1;
        assert_eq!(key.open_in_place(&[2; 12], b"aad", &mut sealed, &tag), Err(Refused));
        assert_eq!(sealed, before);
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        assert_eq!(format!("{:?}", DataKey::new(&[7; 32])), "DataKey { .. }");
    }
}
