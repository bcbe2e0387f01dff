//! What the secrets are called. Names hold nothing but the prefix and random or hashed parts: they stand in logs, bills
//! and CloudTrail events, and whoever may list secrets reads them all.

use std::fmt;

use crate::backend::secret_name::SecretName;
use crate::error::{Error, Result};
use crate::identity::RecordName;
use crate::lookup::LookupKey;

/// The longest name that the service's replies are documented to hold, less what we append to the prefix: `/index/`, an
/// epoch of 20 digits, `/`, and 32 hexadecimal digits.
const MAX_PREFIX: usize = 256 - 60;

/// What the names of a vault's secrets begin with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(String);

impl Prefix {
    /// Reads a prefix: 1 to 196 of `A-Z a-z 0-9 / _ + = . @ -`, without a `/` at either end.
    ///
    /// # Errors
    /// `InvalidInput` for anything else. (API reference, CreateSecret: names are of these characters, and must not end in
    /// a hyphen and six characters; ours never do, whatever the prefix.)
    pub fn parse(text: &str) -> Result<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
        let is_empty_part = text.split('/').any(str::is_empty);
        if is_empty_part || text.len() > MAX_PREFIX || !text.bytes().all(is_allowed) {
            return Err(Error::invalid("the prefix cannot begin the name of a secret")
                .with_hint("use letters, digits and _+=.@-, with / between parts, as in prod/crm-tokens"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The secret of the index's root: what a vault is known by.
    pub fn index(&self) -> String {
        format!("{self}/index")
    }

    /// The secret of the audit trail's key.
    pub(super) fn audit_key(&self) -> String {
        format!("{self}/audit-key")
    }

    /// The secret of a doctor.
    pub(super) fn doctor(&self, name: &str) -> String {
        format!("{self}/doctor/{name}")
    }

    /// Whether a secret of this name is one of the vault's own.
    pub(super) fn owns(&self, secret: &str) -> bool {
        let below = |part| secret.strip_prefix(&format!("{self}/{part}/"));
        secret == self.index()
            || secret == self.audit_key()
            || below("index").is_some()
            || below("token").is_some_and(|name| RecordName::parse(name).is_some())
    }

    /// What a secret of this name is in the vault; `None` for what is not the vault's.
    pub(super) fn meaning(&self, secret: &str) -> Option<Meaning> {
        Some(match SecretName::parse(&self.0, secret)? {
            SecretName::Index => Meaning::Page(PagePlace::root()),
            SecretName::Page { epoch, digits } => Meaning::Page(PagePlace::at(epoch, digits)?),
            SecretName::AuditKey => Meaning::AuditKey,
            SecretName::Doctor => Meaning::Doctor,
            SecretName::Token(name) => Meaning::Token(name),
        })
    }

    /// The secret of a token.
    pub(super) fn record(&self, name: RecordName) -> String {
        format!("{self}/token/{name}")
    }

    /// The secret of a page of the index.
    pub(super) fn page(&self, place: &PagePlace) -> String {
        match place.digits() {
            [] => self.index(),
            _ => format!("{}/{}/{}", self.index(), place.epoch, place.path()),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text may be the id, alias or ARN of a KMS key (KMS API reference, KeyId).
pub fn is_kms_key_id(text: &str) -> bool {
    (1..=2048).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte))
}

/// What a secret is in a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    AuditKey,
    /// What a doctor tries rights on.
    Doctor,
    Page(PagePlace),
    Token(RecordName),
}

/// Which page of the index: the epoch it was made in, and the hexadecimal digits that its keys begin with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PagePlace {
    digits: Vec<u8>,
    epoch: u64,
}

impl PagePlace {
    /// The first page, where every search begins. It is one secret in every epoch.
    pub(super) fn root() -> Self {
        Self { digits: Vec::new(), epoch: 0 }
    }

    /// One of the sixteen pages that take over from this one when it is split.
    pub(super) fn child(&self, digit: u8, epoch: u64) -> Self {
        let mut digits = self.digits.clone();
        digits.push(digit & 0x0f);
        Self { digits, epoch }
    }

    /// The child that a key belongs to.
    pub(super) fn child_of(&self, key: LookupKey, epoch: u64) -> Self {
        let byte = key.as_bytes().get(self.digits.len() / 2).copied().unwrap_or_default();
        let digit = if self.digits.len().is_multiple_of(2) { byte >> 4 } else { byte };
        self.child(digit, epoch)
    }

    /// Whether this is the page that a key leads through.
    pub(super) fn holds(&self, key: LookupKey) -> bool {
        let digits = key.as_bytes().iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
        self.digits.iter().copied().eq(digits.take(self.digits.len()))
    }

    /// Whether it can be split again: a key has no more digits than these.
    pub(super) fn can_split(&self) -> bool {
        self.digits.len() < 2 * size_of::<LookupKey>()
    }

    /// Which building of the index a page below the root is part of.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) fn is_root(&self) -> bool {
        self.digits.is_empty()
    }

    /// The page below the root whose keys begin with these hexadecimal digits.
    fn at(epoch: u64, digits: &str) -> Option<Self> {
        let digit = |digit: char| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        Some(Self { digits: digits.chars().map(digit).collect::<Option<_>>()?, epoch })
    }

    pub(super) fn digits(&self) -> &[u8] {
        &self.digits
    }

    fn path(&self) -> String {
        self.digits.iter().filter_map(|digit| char::from_digit(u32::from(*digit), 16)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::LookupKind;

    #[test]
    fn a_prefix_is_part_of_a_name() {
        for text in ["a", "prod/crm", "A-z0_9+=.@", &"x".repeat(MAX_PREFIX)] {
            assert_eq!(Prefix::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "/a", "a/", "a//b", "a b", "ä", "a:b", "a*", &"x".repeat(MAX_PREFIX + 1)] {
            assert!(Prefix::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_the_vaults_is_left_alone() {
        let prefix = Prefix::parse("a").unwrap();
        let name = RecordName::from_bytes([7; 16]);
        for secret in [prefix.index(), prefix.audit_key(), prefix.record(name), "a/index/1/f".to_owned()] {
            assert!(prefix.owns(&secret), "{secret}");
        }
        for secret in ["a", "a/indexes", "a/token/mine", "a/token/", "b/index", "a/audit-keys", "a/audit-key/x"] {
            assert!(!prefix.owns(secret), "{secret}");
        }
    }

    #[test]
    fn a_secrets_name_says_what_it_is() {
        let (prefix, name) = (Prefix::parse("a").unwrap(), RecordName::from_bytes([7; 16]));
        let page = PagePlace::root().child(15, 3).child(0, 3);
        assert_eq!(prefix.meaning("a/index"), Some(Meaning::Page(PagePlace::root())));
        assert_eq!(prefix.meaning("a/audit-key"), Some(Meaning::AuditKey));
        assert_eq!(prefix.meaning("a/index/3/f0"), Some(Meaning::Page(page)));
        assert_eq!(prefix.meaning(&prefix.record(name)), Some(Meaning::Token(name)));
        for secret in
            ["a", "b/index", "a/index/", "a/index/3", "a/index/3/", "a/index/03/f", "a/index/3/F", "a/index/3/g"]
        {
            assert_eq!(prefix.meaning(secret), None, "{secret}");
        }
        assert_eq!(prefix.meaning("a/token/mine"), None);
    }

    #[test]
    fn the_longest_name_is_within_what_replies_hold() {
        let prefix = Prefix::parse(&"x".repeat(MAX_PREFIX)).unwrap();
        let deepest = (0..32).fold(PagePlace::root(), |place, _| place.child(15, u64::MAX));
        assert_eq!(prefix.page(&deepest).len(), 256);
        assert!(prefix.record(RecordName::from_bytes([0; 16])).len() <= 256);
    }

    #[test]
    fn a_key_leads_down_one_path() {
        let key = LookupKey::new(LookupKind::User, "ada");
        let mut place = PagePlace::root();
        for depth in 0..32 {
            assert!(place.holds(key) && place.can_split(), "depth {depth}");
            let siblings: Vec<PagePlace> = (0..16).map(|digit| place.child(digit, 7)).collect();
            place = place.child_of(key, 7);
            assert_eq!(siblings.iter().filter(|sibling| sibling.holds(key)).count(), 1);
            assert!(siblings.contains(&place));
        }
        assert!(!place.can_split());
        let prefix = Prefix::parse("p").unwrap();
        assert_eq!(prefix.page(&place), format!("p/index/7/{}", data_encoding::HEXLOWER.encode(key.as_bytes())));
        assert_eq!(prefix.page(&PagePlace::root()), "p/index");
        assert_eq!(prefix.meaning(&prefix.page(&place)), Some(Meaning::Page(place)));
    }
}
