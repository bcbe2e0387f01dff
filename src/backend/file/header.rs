//! The header of a vault file: format 1. docs/format.md has it for readers of other make.
//!
//! ```text
//! magic 8 | format u16 | header length u16 | vault id 16 | generation u64
//! | key source kind u8 | key source length u16 | key source
//! | wrap nonce 12 | wrapped root key and data key 80 | checksum 32 | MAC 32
//! key source: kind 0 (key file) empty; kind 1 (Argon2id) memory KiB u32 | passes u32 | lanes u32 | salt 32
//! ```
//! Integers are big-endian. The wrapped keys are bound to all bytes before the wrap nonce; the checksum (SHA-256) and the
//! MAC cover all before them.

use sha2::{Digest, Sha256};

use crate::byte_reader::Reader;
use crate::crypto::aead::{DataKey, NONCE_LEN};
use crate::crypto::kdf::KdfCost;
use crate::crypto::keys::{KEY_LEN, KeyEncryptionKey, MAC_LEN, RootKey, WRAPPED_LEN};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::random_bytes;

const MAGIC: &[u8; 8] = b"tknvault";
/// The format of the whole file; the frames are bound to it too.
pub(super) const FORMAT: u16 = 1;
/// No header is longer: whoever reads this much from the start of a file has all of it.
pub(super) const MAX_LEN: usize = 4096;

const KIND_KEY_FILE: u8 = 0;
const KIND_ARGON2ID: u8 = 1;
const ARGON2ID_LEN: usize = 4 + 4 + 4 + 32;
const CHECKSUM_LEN: usize = 32;
/// From the magic to the key source's length.
const FIXED_LEN: usize = 8 + 2 + 2 + 16 + 8 + 1 + 2;
/// From the wrap nonce to the end.
const TAIL_LEN: usize = NONCE_LEN + WRAPPED_LEN + CHECKSUM_LEN + MAC_LEN;

/// How the vault's key-encryption key comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyDerivation {
    /// It is the key file's 32 bytes.
    KeyFile,
    /// It is derived from a passphrase.
    Argon2id { cost: KdfCost, salt: [u8; 32] },
}

/// A header that is whole and within the bounds; whether it is authentic only [`unlock`](Self::unlock) says.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) vault_id: [u8; 16],
    pub(super) generation: u64,
    pub(super) derivation: KeyDerivation,
    bytes: Vec<u8>,
}

impl Header {
    /// The bytes of a new header.
    pub(super) fn create(
        vault_id: [u8; 16],
        generation: u64,
        derivation: KeyDerivation,
        kek: &KeyEncryptionKey,
        root: &RootKey,
        data_key: &[u8; KEY_LEN],
    ) -> Result<Vec<u8>> {
        let nonce = random_bytes()?;
        let (kind, source) = derivation.encode()?;
        let length = FIXED_LEN + source.len() + TAIL_LEN;
        let mut out = Vec::with_capacity(length);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT.to_be_bytes());
        out.extend_from_slice(&length_u16(length)?);
        out.extend_from_slice(&vault_id);
        out.extend_from_slice(&generation.to_be_bytes());
        out.push(kind);
        out.extend_from_slice(&length_u16(source.len())?);
        out.extend_from_slice(&source);
        let wrapped = kek.wrap(&nonce, &out, root, data_key)?;
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&wrapped);
        let checksum = Sha256::digest(&out);
        out.extend_from_slice(&checksum);
        let mac = kek.header_mac(&out)?;
        out.extend_from_slice(&mac);
        Ok(out)
    }

    /// Reads the header at the start of `bytes`: structure, checksum and bounds. It takes no key, and believes nothing
    /// that costs anything.
    ///
    /// # Errors
    /// `InvalidInput` for what is no vault, `Unsupported` for a newer format or an unknown source of the key, `Damaged`
    /// for anything else, costs beyond the bounds among it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader(bytes);
        if reader.array().as_ref() != Some(MAGIC) {
            return Err(
                Error::invalid("not a tokenvault file").with_hint("name the vault's own file, or make one with init")
            );
        }
        match reader.u16() {
            Some(FORMAT) => {}
            Some(newer) if newer > FORMAT => return Err(newer_format(newer)),
            _ => return Err(malformed()),
        }
        let length = reader.u16().map(usize::from).filter(|length| *length <= MAX_LEN).ok_or_else(malformed)?;
        let bytes = bytes.get(..length).ok_or_else(malformed)?;
        let (checked, checksum_and_mac) = length
            .checked_sub(CHECKSUM_LEN + MAC_LEN)
            .and_then(|at| bytes.split_at_checked(at))
            .ok_or_else(malformed)?;
        if checksum_and_mac.first_chunk() != Some::<&[u8; CHECKSUM_LEN]>(&Sha256::digest(checked).into()) {
            return Err(malformed());
        }
        Self::parse_checked(Reader(bytes)).ok_or_else(malformed)?
    }

    /// `None` where the structure does not fit the length, although the checksum does.
    fn parse_checked(mut reader: Reader<'_>) -> Option<Result<Self>> {
        let bytes = reader.0.to_vec();
        reader.take(8 + 2 + 2)?;
        let (vault_id, generation) = (reader.array()?, reader.u64()?);
        let (kind, length) = (reader.u8()?, reader.u16()?);
        let source = reader.take(usize::from(length))?;
        if reader.0.len() != TAIL_LEN {
            return None;
        }
        let derivation = KeyDerivation::decode(kind, Reader(source))?;
        Some(derivation.map(|derivation| Self { vault_id, generation, derivation, bytes }))
    }

    /// Whether these are the header's bytes.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes
    }

    /// Bytes of the header: the first frame begins behind them.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What the first frame names as the tag before it: whoever holds the data key checks the header, too.
    pub(super) fn tag(&self) -> [u8; 16] {
        let hash: [u8; 32] = Sha256::digest(&self.bytes).into();
        hash.first_chunk().copied().unwrap_or_default()
    }

    /// Checks the MAC and unwraps the keys.
    ///
    /// # Errors
    /// `WrongKey`, one and the same whatever does not fit: which part it was helps only who tries keys.
    pub(super) fn unlock(&self, kek: &KeyEncryptionKey) -> Result<(RootKey, DataKey)> {
        self.unlock_checked(kek).ok_or_else(|| {
            Error::new(ErrorKind::WrongKey, "the passphrase or key does not open this vault, or its header was changed")
        })
    }

    fn unlock_checked(&self, kek: &KeyEncryptionKey) -> Option<(RootKey, DataKey)> {
        let (authenticated, mac) = self.bytes.split_last_chunk()?;
        if !kek.header_mac_is(authenticated, mac) {
            return None;
        }
        let (bound, tail) = self.bytes.split_at_checked(self.len().checked_sub(TAIL_LEN)?)?;
        let mut tail = Reader(tail);
        let nonce = tail.array()?;
        kek.unwrap(&nonce, bound, &tail.array()?).ok()
    }
}

impl KeyDerivation {
    fn encode(&self) -> Result<(u8, Vec<u8>)> {
        let Self::Argon2id { cost, salt } = self else {
            return Ok((KIND_KEY_FILE, Vec::new()));
        };
        cost.check()?;
        let mut out = Vec::with_capacity(ARGON2ID_LEN);
        for number in [cost.memory_kib, cost.passes, cost.lanes] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(salt);
        Ok((KIND_ARGON2ID, out))
    }

    fn decode(kind: u8, mut reader: Reader<'_>) -> Option<Result<Self>> {
        match (kind, reader.0.len()) {
            (KIND_KEY_FILE, 0) => Some(Ok(Self::KeyFile)),
            (KIND_ARGON2ID, ARGON2ID_LEN) => {
                let cost = KdfCost { memory_kib: reader.u32()?, passes: reader.u32()?, lanes: reader.u32()? };
                let salt = reader.array()?;
                Some(cost.check().map(|()| Self::Argon2id { cost, salt }).map_err(|cause| beyond_bounds(&cause)))
            }
            (KIND_KEY_FILE | KIND_ARGON2ID, _) => None,
            _ => Some(Err(unknown_source())),
        }
    }
}

fn length_u16(length: usize) -> Result<[u8; 2]> {
    u16::try_from(length)
        .map(u16::to_be_bytes)
        .map_err(|cause| Error::new(ErrorKind::Internal, "a header beyond its bounds").with_source(cause))
}

fn malformed() -> Error {
    Error::damaged("the vault's header is damaged").with_hint("put back a backup; the frames alone cannot be opened")
}

fn newer_format(format: u16) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the vault has format {format}; this build knows format {FORMAT}"))
        .with_hint("use a newer version of tokenvault")
}

fn unknown_source() -> Error {
    Error::new(ErrorKind::Unsupported, "the vault's key comes from a source that this build does not know")
        .with_hint("use a newer version of tokenvault, or a build with more features")
}

fn beyond_bounds(cause: &Error) -> Error {
    Error::damaged(format!("the vault's header is refused: {}", cause.message()))
        .with_hint("no version of tokenvault writes such a header; put back a backup")
}

#[cfg(test)]
mod tests;
