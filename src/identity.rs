//! How a record is named, and how its states and sign-ins are told apart.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use data_encoding::{Encoding, Specification};

use crate::error::{Error, ErrorKind, Result};

/// Fills `bytes` from the operating system's random source, at the moment of use: nothing random survives a fork or a
/// snapshot.
///
/// # Errors
/// `Unavailable` where the system has no randomness to give.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fill_random(&mut bytes)?;
    Ok(bytes)
}

/// As [`random_bytes`], in place: for keys, of which no copy may stay behind.
///
/// # Errors
/// `Unavailable` where the system has no randomness to give.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes)
        .map_err(|cause| Error::new(ErrorKind::Unavailable, "the system gave no random bytes").with_source(cause))
}

/// RFC 4648 base32, lower case, without padding.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    // The alphabet is a constant with 32 different letters, so this cannot fail; hex keeps the function total.
    spec.encoding().unwrap_or(data_encoding::HEXLOWER)
});

/// The name of a record: 128 random bits, written `tv` + 26 characters of lower-case base32. Never used twice.
///
/// It is the token's id unless the user brought one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordName([u8; 16]);

impl RecordName {
    /// A new name.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub fn random() -> Result<Self> {
        Ok(Self(random_bytes()?))
    }

    /// The name with these bits.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The name's bits.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads a name as it is written; `None` where `id` is not of the vault's own making.
    pub fn parse(id: &str) -> Option<Self> {
        let digits = id.strip_prefix("tv")?;
        if digits.len() != 26 {
            return None;
        }
        let mut bytes = [0; 16];
        let decoded = BASE32.decode_mut(digits.as_bytes(), &mut bytes).ok()?;
        (decoded == bytes.len()).then_some(Self(bytes))
    }

    /// The name as it is written.
    pub(crate) fn to_id(self) -> Arc<str> {
        Arc::from(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }

    /// Whether `id` is [`to_id`](Self::to_id) of it.
    #[cfg(feature = "audit")]
    pub(crate) fn is_written(self, id: &str) -> bool {
        self.digits() == id.as_bytes()
    }

    fn digits(self) -> [u8; 28] {
        let mut text = *b"tv--------------------------";
        BASE32.encode_mut(&self.0, text.split_at_mut(2).1);
        text
    }
}

impl Hash for RecordName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.0));
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One state of a record. A commit names the version it replaces; no two states of a record share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Counts the record's states; a lower one than was seen before is a stale read.
    pub sequence: u64,
    /// Random, so that two writers of one sequence number are told apart.
    pub nonce: [u8; 16],
}

impl Version {
    /// The version of a record's first state.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub fn first() -> Result<Self> {
        Ok(Self { sequence: 1, nonce: random_bytes()? })
    }

    /// A version that follows this one.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub fn next(&self) -> Result<Self> {
        Ok(Self { sequence: self.sequence.saturating_add(1), nonce: random_bytes()? })
    }
}

/// All that came by refreshing from one sign-in. A later sign-in has a higher counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lineage {
    /// Counts the record's sign-ins.
    pub counter: u64,
    /// Random, so that two sign-ins that counted alike are told apart.
    pub nonce: [u8; 8],
}

impl Lineage {
    /// The lineage of a record's first sign-in.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub fn first() -> Result<Self> {
        Ok(Self { counter: 1, nonce: random_bytes()? })
    }

    /// The lineage of a sign-in after this one.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub fn next(&self) -> Result<Self> {
        Ok(Self { counter: self.counter.saturating_add(1), nonce: random_bytes()? })
    }

    /// Whether it is a record's first sign-in.
    pub(crate) const fn is_first(self) -> bool {
        self.counter <= 1
    }

    /// Whether both are one sign-in. Not by the count: a sign-in that was made while the store was out of reach may be counted
    /// higher once it is there.
    pub(crate) fn is_same(self, other: Self) -> bool {
        self.nonce == other.nonce
    }

    /// Whether it is another sign-in than `seen`, and not one before it.
    pub(crate) fn is_newer_than(self, seen: Self) -> bool {
        self.counter >= seen.counter && !self.is_same(seen)
    }
}

/// What a new record begins with. Of one draw, because each draw is a system call.
#[derive(Clone, Copy)]
pub(crate) struct Beginning {
    pub(crate) name: RecordName,
    pub(crate) version: Version,
    pub(crate) lineage: Lineage,
}

impl Beginning {
    const DRAWN: usize = 16 + 16 + 8;

    /// For one record.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    pub(crate) fn draw() -> Result<Self> {
        random_bytes().map(Self::from_drawn)
    }

    /// For up to `count` records that are made at once. To be used within the call that drew them: of two processes,
    /// each after a fork, both would use what was kept.
    ///
    /// # Errors
    /// `Unavailable` where the system has no randomness to give.
    #[cfg(feature = "import")]
    pub(crate) fn draw_many(count: usize) -> Result<impl Iterator<Item = Self>> {
        let mut drawn = vec![[0; Self::DRAWN]; count];
        fill_random(drawn.as_flattened_mut())?;
        Ok(drawn.into_iter().map(Self::from_drawn))
    }

    fn from_drawn(drawn: [u8; Self::DRAWN]) -> Self {
        let (name, rest) = split(&drawn);
        let (version, rest) = split(rest);
        let (lineage, _) = split(rest);
        Self {
            name: RecordName(name),
            version: Version { sequence: 1, nonce: version },
            lineage: Lineage { counter: 1, nonce: lineage },
        }
    }
}

/// The first bytes, and the rest. There must be as many.
fn split<const N: usize>(bytes: &[u8]) -> ([u8; N], &[u8]) {
    bytes.split_first_chunk().map_or(([0; N], &[]), |(first, rest)| (*first, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_is_written() {
        let name = RecordName::random().unwrap();
        let text = name.to_string();
        assert_eq!(text.len(), 28);
        assert!(text.starts_with("tv"));
        assert_eq!(RecordName::parse(&text), Some(name));
        assert_eq!(RecordName::from_bytes([0; 16]).to_string(), format!("tv{}", "a".repeat(26)));
    }

    #[test]
    fn a_beginning_takes_each_drawn_byte_once() {
        let drawn: [u8; Beginning::DRAWN] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let Beginning { name, version, lineage } = Beginning::from_drawn(drawn);
        assert_eq!([&name.0[..], &version.nonce, &lineage.nonce].concat(), drawn);
        assert_eq!((version.sequence, lineage.counter), (1, 1));
    }

    #[test]
    #[cfg(feature = "import")]
    fn beginnings_of_one_draw_differ() {
        let drawn: Vec<Beginning> = Beginning::draw_many(1000).unwrap().chain([Beginning::draw().unwrap()]).collect();
        let names: std::collections::HashSet<RecordName> = drawn.iter().map(|one| one.name).collect();
        let nonces: std::collections::HashSet<_> =
            drawn.iter().map(|one| (one.version.nonce, one.lineage.nonce)).collect();
        assert_eq!((names.len(), nonces.len()), (1001, 1001));
    }

    #[test]
    fn what_is_not_a_name_is_a_brought_id() {
        let name = RecordName::random().unwrap().to_string();
        for id in [
            "",
            "1",
            "tv",
            "../x",
            &name.to_uppercase(),
            &name[..27],
            &format!("{name}a"),
            &format!("tv{}", "1".repeat(26)),
        ] {
            assert_eq!(RecordName::parse(id), None, "{id}");
        }
        // 26 digits hold 130 bits; a name leaves the last two empty, so every name is written in one way only.
        assert_eq!(RecordName::parse(&format!("tv{}b", "a".repeat(25))), None);
    }
}
