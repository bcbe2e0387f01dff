//! The table of KMS keys: which there are, what state they are in, who may use them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::ServiceError;

/// A key's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyState {
    /// It works.
    #[default]
    Enabled,
    /// It was switched off and can be switched on again.
    Disabled,
    /// It is scheduled for deletion; that can be cancelled.
    PendingDeletion,
}

/// How a throttled KMS call shows through the service; the documentation does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Throttled {
    /// `ThrottlingException`, HTTP 400.
    #[default]
    ThrottlingException,
    /// `InternalServiceError`, HTTP 500.
    InternalServiceError,
    /// `DecryptionFailure` or `EncryptionFailure`.
    Failure,
}

/// What a principal may do with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "these are KMS's own names")]
pub enum Right {
    Decrypt,
    Encrypt,
    GenerateDataKey,
}

impl Right {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Decrypt => "Decrypt",
            Self::Encrypt => "Encrypt",
            Self::GenerateDataKey => "GenerateDataKey",
        }
    }
}

/// What the switches say of keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) known_only: bool,
    pub(crate) throttled: Throttled,
}

#[derive(Clone, Debug, Default)]
struct Key {
    state: KeyState,
    /// Rights by access key; while empty, everybody has all of them.
    rights: BTreeMap<String, BTreeSet<Right>>,
}

/// The customer managed keys of the account and Region. aws/secretsmanager is always there and always works.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    keys: BTreeMap<String, Key>,
    aliases: BTreeMap<String, String>,
    failing: u64,
}

impl Keys {
    /// Makes a key, by its id; everybody may use it until [`Keys::allow`] is called for it.
    pub fn create(&mut self, id: impl Into<String>) {
        self.keys.insert(id.into(), Key::default());
    }

    /// Gives a key another name, `alias/...`.
    pub fn alias(&mut self, alias: impl Into<String>, id: impl Into<String>) {
        self.aliases.insert(alias.into(), id.into());
    }

    /// Whether there is a key of this id.
    pub fn holds(&self, id: &str) -> bool {
        self.keys.contains_key(id)
    }

    /// Sets a key's state. A key that is not there stays away.
    pub fn set(&mut self, id: &str, state: KeyState) {
        if let Some(key) = self.keys.get_mut(id) {
            key.state = state;
        }
    }

    /// From the first call for a key on, only those named here may use it, and only so.
    pub fn allow(&mut self, id: &str, access_key: impl Into<String>, rights: impl IntoIterator<Item = Right>) {
        if let Some(key) = self.keys.get_mut(id) {
            key.rights.entry(access_key.into()).or_default().extend(rights);
        }
    }

    /// Throttles the next uses of KMS by the service, whatever the key.
    pub fn throttle(&mut self, uses: u64) {
        self.failing = uses;
    }

    /// Uses a key.
    ///
    /// # Errors
    ///
    /// As the service reports it: no right, or a key that does not work.
    pub(crate) fn used(
        &mut self,
        key: Option<&str>,
        access_key: &str,
        right: Right,
        rules: Rules,
    ) -> Result<(), ServiceError> {
        if let Some(failing) = self.failing.checked_sub(1) {
            self.failing = failing;
            return Err(match rules.throttled {
                Throttled::ThrottlingException => ServiceError::throttled(),
                Throttled::InternalServiceError => ServiceError::internal(),
                Throttled::Failure => unusable(right),
            });
        }
        let Some(name) = key else { return Ok(()) };
        match self.found(name) {
            None if rules.known_only => Err(unusable(right)),
            None => Ok(()),
            Some(key) if !key.may(access_key, right) => {
                Err(ServiceError::new("AccessDeniedException", "Access to KMS is not allowed"))
            }
            Some(key) if key.state != KeyState::Enabled => Err(unusable(right)),
            Some(_) => Ok(()),
        }
    }

    /// By id, ARN or alias.
    fn found(&self, name: &str) -> Option<&Key> {
        let id = name.rsplit_once(":key/").map_or(name, |(_, id)| id);
        let alias = name.find("alias/").and_then(|at| name.get(at..));
        let id = alias.and_then(|alias| self.aliases.get(alias)).map_or(id, String::as_str);
        self.keys.get(id)
    }
}

impl Key {
    fn may(&self, access_key: &str, right: Right) -> bool {
        self.rights.is_empty() || self.rights.get(access_key).is_some_and(|rights| rights.contains(&right))
    }
}

fn unusable(right: Right) -> ServiceError {
    match right {
        Right::Decrypt => ServiceError::new(
            "DecryptionFailure",
            "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
        ),
        Right::Encrypt | Right::GenerateDataKey => ServiceError::new(
            "EncryptionFailure",
            "Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS key \
             is available, enabled, and not in an invalid state.",
        ),
    }
}
