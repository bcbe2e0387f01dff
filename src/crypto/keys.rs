//! Which key comes from which. This is all of it:
//!
//! ```text
//! key-encryption key = Argon2id(passphrase, salt, cost)  or  the 32 bytes of a key file
//!   wrapping key     = HKDF(key-encryption key, "tokenvault/1/wrap")          wraps root key || data key
//!   header MAC key   = HKDF(key-encryption key, "tokenvault/1/header-mac")    authenticates the header
//! root key           = random, once for each vault; outlives every rotation
//!   audit key        = HKDF(root key, "tokenvault/1/audit")                   for the audit trail: src/audit/keys.rs
//! data key           = random, new at every rewrite                           seals the frames
//!
//! HKDF(key, label)   = HKDF-SHA-256(ikm = key, salt = empty, info = label) -> 32 bytes    (RFC 5869)
//! mac[key](bytes)    = HMAC-SHA-256(key, bytes)                                           (RFC 2104)
//! wrap               = AES-256-GCM under the wrapping key                                 (NIST SP 800-38D)
//! ```
//! The MAC is there because GCM does not commit to its key: bytes can be made that open under two keys, to two things.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::crypto::aead::{DataKey, NONCE_LEN, Refused, TAG_LEN};
use crate::crypto::stack::wiped_after;
use crate::error::{Error, ErrorKind, Result};
use crate::identity::fill_random;

const LABEL_WRAP: &[u8] = b"tokenvault/1/wrap";
const LABEL_HEADER_MAC: &[u8] = b"tokenvault/1/header-mac";
const LABEL_AUDIT: &[u8] = b"tokenvault/1/audit";

/// Bytes of a key: of every key here.
pub const KEY_LEN: usize = 32;
/// Bytes of a MAC.
pub const MAC_LEN: usize = 32;
/// Bytes of a wrapped root key and data key.
pub const WRAPPED_LEN: usize = 2 * KEY_LEN + TAG_LEN;

/// Key bytes in a place of their own, wiped on drop: a value that is moved about leaves copies behind.
pub type KeyBytes = Box<Zeroizing<[u8; KEY_LEN]>>;

fn empty_key() -> KeyBytes {
    Box::new(Zeroizing::new([0; KEY_LEN]))
}

/// A new key from the operating system's random source.
///
/// # Errors
/// `Unavailable` where the system has no randomness to give.
pub fn random_key() -> Result<KeyBytes> {
    let mut key = empty_key();
    fill_random(key.as_mut_slice())?;
    Ok(key)
}

/// The key that wraps a vault's other keys and authenticates its header. The vault does not hold it.
pub struct KeyEncryptionKey(KeyBytes);

/// The vault's root key: what must outlive rotations is derived from it.
pub struct RootKey(KeyBytes);

impl KeyEncryptionKey {
    /// The key with these bits. Wiping `key` is the caller's business.
    pub fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(copied(key))
    }

    /// wrap(nonce, aad, root key || data key)
    ///
    /// # Errors
    /// None that can be met: see [`DataKey::seal_in_place`].
    pub fn wrap(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        root: &RootKey,
        data_key: &[u8; KEY_LEN],
    ) -> Result<[u8; WRAPPED_LEN]> {
        let mut wrapped = Zeroizing::new([0; WRAPPED_LEN]);
        let (keys, tag) = wrapped.split_at_mut(2 * KEY_LEN);
        let (first, second) = keys.split_at_mut(KEY_LEN);
        first.copy_from_slice(root.0.as_slice());
        second.copy_from_slice(data_key);
        tag.copy_from_slice(&self.wrapping_key()?.seal_in_place(nonce, aad, keys)?);
        Ok(*wrapped)
    }

    /// Opens what [`wrap`](Self::wrap) made.
    ///
    /// # Errors
    /// [`Refused`] where key, nonce, AAD or bytes are others.
    pub fn unwrap(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        wrapped: &[u8; WRAPPED_LEN],
    ) -> Result<(RootKey, DataKey), Refused> {
        let mut wrapped = Zeroizing::new(*wrapped);
        let (keys, tag) = wrapped.split_last_chunk_mut().ok_or(Refused)?;
        self.wrapping_key().map_err(|_| Refused)?.open_in_place(nonce, aad, keys, tag)?;
        let (root, data_key) = keys.split_first_chunk().ok_or(Refused)?;
        Ok((RootKey(copied(root)), DataKey::new(data_key.first_chunk().ok_or(Refused)?)))
    }

    /// `mac[header MAC key](bytes)`
    ///
    /// # Errors
    /// None that can be met: the lengths are constants.
    pub fn header_mac(&self, bytes: &[u8]) -> Result<[u8; MAC_LEN]> {
        wiped_after(|| Ok(self.header_mac_of(bytes)?.finalize().into_bytes().into()))
    }

    /// Whether `mac` is [`header_mac`](Self::header_mac) of `bytes`, in constant time.
    pub fn header_mac_is(&self, bytes: &[u8], mac: &[u8; MAC_LEN]) -> bool {
        wiped_after(|| self.header_mac_of(bytes).is_ok_and(|computed| computed.verify_slice(mac).is_ok()))
    }

    fn header_mac_of(&self, bytes: &[u8]) -> Result<Hmac<Sha256>> {
        let key = hkdf(self.0.as_slice(), LABEL_HEADER_MAC)?;
        Ok(Hmac::<Sha256>::new_from_slice(key.as_slice()).map_err(impossible)?.chain_update(bytes))
    }

    fn wrapping_key(&self) -> Result<DataKey> {
        Ok(DataKey::new(&*hkdf(self.0.as_slice(), LABEL_WRAP)?))
    }
}

impl RootKey {
    /// A new vault's root key.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub fn random() -> Result<Self> {
        random_key().map(Self)
    }

    /// HKDF(root key, "tokenvault/1/audit")
    ///
    /// # Errors
    /// None that can be met: the lengths are constants.
    pub fn audit_key(&self) -> Result<KeyBytes> {
        hkdf(self.0.as_slice(), LABEL_AUDIT)
    }
}

fn copied(key: &[u8; KEY_LEN]) -> KeyBytes {
    let mut own = empty_key();
    own.copy_from_slice(key);
    own
}

fn hkdf(key: &[u8], label: &[u8]) -> Result<KeyBytes> {
    wiped_after(|| {
        let mut derived = empty_key();
        Hkdf::<Sha256>::new(None, key).expand(label, derived.as_mut_slice()).map_err(impossible)?;
        Ok(derived)
    })
}

fn impossible(cause: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, format!("a key of a constant length was refused: {cause}"))
}

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyEncryptionKey").finish_non_exhaustive()
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootKey").finish_non_exhaustive()
    }
}

impl ZeroizeOnDrop for KeyEncryptionKey {}
impl ZeroizeOnDrop for RootKey {}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// RFC 5869, test case 3 (no salt, no info): the first 32 of its 42 bytes.
    #[test]
    fn the_published_vector_is_derived() {
        let derived = hkdf(&[0x0b; 22], b"").unwrap();
        let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d";
        assert_eq!(HEXLOWER.encode(derived.as_slice()), expected);
    }

    #[test]
    fn labels_lead_to_keys_that_have_nothing_in_common() {
        let keys = [LABEL_WRAP, LABEL_HEADER_MAC, LABEL_AUDIT].map(|label| hkdf(&[1; 32], label).unwrap());
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    }

    #[test]
    fn wrapped_keys_come_back_and_are_bound_to_all_around_them() {
        let kek = KeyEncryptionKey::new(&[1; 32]);
        let root = RootKey(copied(&[2; 32]));
        let wrapped = kek.wrap(&[4; 12], b"aad", &root, &[3; 32]).unwrap();

        let (back, data_key) = kek.unwrap(&[4; 12], b"aad", &wrapped).unwrap();
        assert_eq!(back.0, root.0);
        let mut buffer = *b"sealed under the unwrapped key";
        let tag = data_key.seal_in_place(&[5; 12], b"", &mut buffer).unwrap();
        DataKey::new(&[3; 32]).open_in_place(&[5; 12], b"", &mut buffer, &tag).unwrap();

        assert_eq!(kek.unwrap(&[5; 12], b"aad", &wrapped).unwrap_err(), Refused);
        assert_eq!(kek.unwrap(&[4; 12], b"AAD", &wrapped).unwrap_err(), Refused);
        assert_eq!(KeyEncryptionKey::new(&[9; 32]).unwrap(&[4; 12], b"aad", &wrapped).unwrap_err(), Refused);
        for at in 0..WRAPPED_LEN {
            let mut changed = wrapped;
            changed[at] ^= 1;
            assert_eq!(kek.unwrap(&[4; 12], b"aad", &changed).unwrap_err(), Refused, "byte {at}");
        }
    }

    #[test]
    fn a_mac_is_of_its_bytes_and_its_key_only() {
        let kek = KeyEncryptionKey::new(&[1; 32]);
        let mac = kek.header_mac(b"header").unwrap();
        assert!(kek.header_mac_is(b"header", &mac));
        assert!(!kek.header_mac_is(b"Header", &mac));
        assert!(!KeyEncryptionKey::new(&[2; 32]).header_mac_is(b"header", &mac));
        for at in 0..MAC_LEN {
            let mut changed = mac;
            changed[at] ^= 0x80;
            assert!(!kek.header_mac_is(b"header", &changed), "byte {at}");
        }
    }

    #[test]
    fn random_keys_differ() {
        assert_ne!(random_key().unwrap(), random_key().unwrap());
        assert_ne!(RootKey::random().unwrap().0, RootKey::random().unwrap().0);
    }

    #[test]
    fn debug_shows_nothing_of_the_keys() {
        assert_eq!(format!("{:?}", KeyEncryptionKey::new(&[7; 32])), "KeyEncryptionKey { .. }");
        assert_eq!(format!("{:?}", RootKey(copied(&[7; 32]))), "RootKey { .. }");
    }
}
