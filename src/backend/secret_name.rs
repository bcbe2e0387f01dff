//! What the name of a vault's secret in AWS says of it. Apart from what talks to AWS, so that a build without it can hold the
//! service's own log against an audit trail.

use crate::identity::RecordName;

/// How many hexadecimal digits a lookup key has: a page of the index is named by the first of them.
const MAX_DIGITS: usize = 32;

/// What a secret is in a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretName<'n> {
    /// The index's root.
    Index,
    /// Another page of the index: the epoch it was made in, and the digits that its keys begin with.
    Page {
        /// The epoch.
        epoch: u64,
        /// Hexadecimal digits in lower case.
        digits: &'n str,
    },
    /// The audit trail's key.
    AuditKey,
    /// What a doctor tries rights on.
    Doctor,
    /// A token.
    Token(RecordName),
}

impl<'n> SecretName<'n> {
    /// Reads the name of a secret of the vault under `prefix`; `None` for a secret that is not this vault's, as are those of a
    /// vault whose prefix only begins with this one.
    pub fn parse(prefix: &str, name: &'n str) -> Option<Self> {
        let part = name.strip_prefix(prefix)?.strip_prefix('/')?;
        match part.split_once('/') {
            None => match part {
                "index" => Some(Self::Index),
                "audit-key" => Some(Self::AuditKey),
                _ => None,
            },
            Some(("token", name)) => RecordName::parse(name).map(Self::Token),
            Some(("doctor", name)) => name.bytes().all(|byte| byte.is_ascii_digit()).then_some(Self::Doctor),
            Some(("index", place)) => Self::page(place),
            Some(_) => None,
        }
    }

    /// Reads `{epoch}/{digits}`, just as it is written.
    fn page(place: &'n str) -> Option<Self> {
        let (text, digits) = place.split_once('/')?;
        let epoch: u64 = text.parse().ok()?;
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let is_as_written = are_digits && (1..=MAX_DIGITS).contains(&digits.len()) && epoch.to_string() == text;
        is_as_written.then_some(Self::Page { epoch, digits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_one_vault_alone() {
        let name = RecordName::from_bytes([7; 16]);
        for (part, meaning) in [
            ("index".to_owned(), SecretName::Index),
            ("index/3/f0".to_owned(), SecretName::Page { epoch: 3, digits: "f0" }),
            ("audit-key".to_owned(), SecretName::AuditKey),
            ("doctor/1795368000000".to_owned(), SecretName::Doctor),
            (format!("token/{name}"), SecretName::Token(name)),
        ] {
            assert_eq!(SecretName::parse("crm", &format!("crm/{part}")), Some(meaning), "{part}");
            for other in ["crm/production", "crm-2", "cr", "other/crm"] {
                assert_eq!(SecretName::parse("crm", &format!("{other}/{part}")), None, "{other}/{part}");
            }
        }
        // Of the vault crm/index, and of crm/token: a vault may lie anywhere.
        for name in ["crm/index/index", "crm/token/index", "crm/token/audit-key", "crm/doctor/index"] {
            assert_eq!(SecretName::parse("crm", name), None, "{name}");
        }
        for name in
            ["crm", "crm/", "crm/index/", "crm/index/03/f", "crm/index/+3/f", "crm/index/3/F", "crm/index/3/", "crm/x"]
        {
            assert_eq!(SecretName::parse("crm", name), None, "{name}");
        }
    }
}
