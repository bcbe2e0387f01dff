//! Passphrase to key: Argon2id (RFC 9106), version 0x13.
//!
//! ```text
//! derive(passphrase, salt, cost) = Argon2id(P = passphrase, S = salt, m = memory KiB, t = passes, p = lanes) -> 32 bytes
//! ```

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorKind, Result};

/// What one derivation costs. The default is RFC 9106's second choice: 64 MiB, three passes, four lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory in KiB, from 19 MiB to 1 GiB.
    pub memory_kib: u32,
    /// Passes over the memory, 1 to 16.
    pub passes: u32,
    /// Lanes that are filled side by side, 1 to 16.
    pub lanes: u32,
}

impl Default for KdfCost {
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 }
    }
}

impl KdfCost {
    /// The least memory: below 19 MiB a passphrase is guessed too cheaply (OWASP's floor for Argon2id).
    pub const MIN_MEMORY_KIB: u32 = 19 * 1024;
    /// The most memory. A vault file names its own cost, so whoever can write the file could otherwise take all there
    /// is.
    pub const MAX_MEMORY_KIB: u32 = 1024 * 1024;
    /// The most passes.
    pub const MAX_PASSES: u32 = 16;
    /// The most lanes.
    pub const MAX_LANES: u32 = 16;

    /// Whether the cost is within the bounds. Nothing is allocated.
    ///
    /// # Errors
    /// `InvalidInput`, naming the bound that is broken.
    pub fn check(&self) -> Result<()> {
        if self.memory_kib > Self::MAX_MEMORY_KIB {
            return Err(Error::invalid(format!(
                "the key derivation asks for more memory than the ceiling of {} KiB",
                Self::MAX_MEMORY_KIB
            )));
        }
        if self.memory_kib < Self::MIN_MEMORY_KIB {
            return Err(Error::invalid(format!(
                "the key derivation asks for less memory than the floor of {} KiB",
                Self::MIN_MEMORY_KIB
            )));
        }
        in_bounds("passes", self.passes, Self::MAX_PASSES)?;
        in_bounds("lanes", self.lanes, Self::MAX_LANES)
    }
}

// RFC 9106 wants at least 8 KiB of memory for each lane: the floor leaves room for 2,432 of them.
const _: () = assert!(KdfCost::MIN_MEMORY_KIB >= 8 * KdfCost::MAX_LANES);

fn in_bounds(what: &str, asked: u32, most: u32) -> Result<()> {
    match (1..=most).contains(&asked) {
        true => Ok(()),
        false => Err(Error::invalid(format!("the key derivation asks for {asked} {what}; it must be 1 to {most}"))),
    }
}

/// The key that a passphrase and a salt make.
///
/// # Security
/// The memory that is worked in is wiped before it is given back, and so is what is returned.
///
/// # Errors
/// `InvalidInput` for a cost beyond the bounds, before anything is allocated; `Unavailable` where there is no memory
/// for it.
pub fn derive(passphrase: &[u8], salt: &[u8; 32], cost: KdfCost) -> Result<Zeroizing<[u8; 32]>> {
    cost.check()?;
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    argon2id(&Argon2::new(Algorithm::Argon2id, Version::V0x13, params), passphrase, salt)
}

fn argon2id(argon2: &Argon2<'_>, passphrase: &[u8], salt: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
    let count = argon2.params().block_count();
    let mut memory = Zeroizing::new(Vec::new());
    memory
        .try_reserve_exact(count)
        .map_err(|cause| Error::new(ErrorKind::Unavailable, "no memory for the key derivation").with_source(cause))?;
    memory.resize(count, Block::new());
    let mut key = Zeroizing::new([0; 32]);
    argon2.hash_password_into_with_memory(passphrase, salt, &mut *key, memory.as_mut_slice()).map_err(failed)?;
    Ok(key)
}

fn failed(cause: argon2::Error) -> Error {
    Error::new(ErrorKind::Internal, "the key derivation refused its input").with_source(cause)
}

#[cfg(test)]
mod tests {
    use argon2::{AssociatedData, ParamsBuilder};

    use super::*;
    use crate::error::ErrorKind;

    const FLOOR: KdfCost = KdfCost { memory_kib: KdfCost::MIN_MEMORY_KIB, passes: 1, lanes: 1 };

    /// RFC 9106, section 5.3.
    #[test]
    fn the_published_vector_is_derived() {
        let mut params = ParamsBuilder::new();
        params.m_cost(32).t_cost(3).p_cost(4).output_len(32).data(AssociatedData::new(&[4; 12]).unwrap());
        let argon2 =
            Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params.build().unwrap()).unwrap();
        let expected = [
            0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9, 0xd0, 0x1e,
            0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
        ];
        assert_eq!(*argon2id(&argon2, &[1; 32], &[2; 16]).unwrap(), expected);
    }

    #[test]
    fn every_part_of_the_input_matters() {
        let key = derive(b"passphrase", &[1; 32], FLOOR).unwrap();
        assert_eq!(derive(b"passphrase", &[1; 32], FLOOR).unwrap(), key);
        assert_ne!(derive(b"Passphrase", &[1; 32], FLOOR).unwrap(), key);
        assert_ne!(derive(b"passphrase", &[2; 32], FLOOR).unwrap(), key);
        assert_ne!(derive(b"passphrase", &[1; 32], KdfCost { passes: 2, ..FLOOR }).unwrap(), key);
        assert_ne!(derive(b"passphrase", &[1; 32], KdfCost { lanes: 2, ..FLOOR }).unwrap(), key);
    }

    // With 4 TiB asked for, an attempt to allocate would end in another error than that of the bound.
    #[test]
    fn a_cost_beyond_the_bounds_is_refused_before_anything_is_allocated() {
        let refused = |cost: KdfCost| {
            let error = derive(b"passphrase", &[1; 32], cost).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{cost:?}");
            error.message().to_owned()
        };
        for memory_kib in [KdfCost::MAX_MEMORY_KIB + 1, u32::MAX] {
            assert!(refused(KdfCost { memory_kib, ..FLOOR }).contains("more memory than the ceiling of 1048576 KiB"));
        }
        for memory_kib in [KdfCost::MIN_MEMORY_KIB - 1, 0] {
            assert!(refused(KdfCost { memory_kib, ..FLOOR }).contains("less memory than the floor of 19456 KiB"));
        }
        for beyond in [0, 17, u32::MAX] {
            assert!(refused(KdfCost { passes: beyond, ..FLOOR }).ends_with("passes; it must be 1 to 16"));
            assert!(refused(KdfCost { lanes: beyond, ..FLOOR }).ends_with("lanes; it must be 1 to 16"));
        }
    }

    #[test]
    fn the_bounds_themselves_are_within() {
        FLOOR.check().unwrap();
        KdfCost::default().check().unwrap();
        KdfCost { memory_kib: KdfCost::MAX_MEMORY_KIB, passes: 16, lanes: 16 }.check().unwrap();
    }
}
